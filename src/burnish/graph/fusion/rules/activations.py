"""Activations: chains of bounds, and HardSwish written out."""

import math
from collections import Counter
from collections.abc import Sequence

import onnx_ir as ir

from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import common
from burnish.graph.fusion.rewriting import PatternRule, rewrite
from burnish.graph.fusion.values import FLOATS, rank, scalar, standard


def _bounds_cross(nodes: Sequence[ir.Node]) -> bool:
    """Tell whether each matched bound lets a value through that the other lets through too.

    The library's rules join the bounds of Clip(Clip(x, 0, 1), 2, 3) to Clip(x, 2, 1), which is 1 instead of 2, and
    fail where the dtype is not known.
    """
    low, high = -math.inf, math.inf
    for node in nodes:
        bounds = [*node.inputs[1:], None, None]
        if any(bound is not None and scalar(bound) is None for bound in bounds):
            return False
        least = 0.0 if standard(node, "Relu") else scalar(bounds[0])
        most = scalar(bounds[1])
        low = low if least is None else max(low, least)
        high = high if most is None else min(high, most)
    return low <= high and all(
        node.inputs[0] is not None and node.inputs[0].dtype in FLOATS for node in nodes
    )


def _bounds(model: ir.Model) -> Counter[str]:
    return rewrite(
        model,
        [
            PatternRule("Relu of a Relu", "Relu", common.successive_relu_rule),
            PatternRule("Clip of a Clip", "Clip", common.successive_clip_rule, _bounds_cross),
            PatternRule("Clip of a Relu", "Clip", common.successive_clip_relu_rule, _bounds_cross),
            PatternRule("Relu of a Clip", "Relu", common.successive_relu_clip_rule, _bounds_cross),
        ],
    )


def _keeps_rank(nodes: Sequence[ir.Node]) -> bool:
    """Tell whether no matched constant has more dimensions than what it is combined with."""
    for node in nodes:
        ranks = [rank(value) for value in node.inputs if value is not None]
        if standard(node, "Add", "Mul", "Div") and (None in ranks or ranks[-1] is None):
            return False
    computed = [rank(node.outputs[0]) for node in nodes]
    return None not in computed and len(set(computed)) == 1


def _hard_swish(model: ir.Model) -> Counter[str]:
    wanted = [
        PatternRule("HardSwish in primitives", root, rule, _keeps_rank)
        for rule in common.fuse_hardswish_rules()
        for root in ("Mul", "Div")
    ]
    return rewrite(model, wanted)


PASSES = (
    Contract(
        name="bounds",
        about="join chains of Relu and Clip",
        apply=_bounds,
        opset=11,  # before it, the bounds of a Clip are attributes
    ),
    Contract(
        name="hardswish",
        about="write HardSwish and HardSigmoid as one operator",
        apply=_hard_swish,
        opset=14,
    ),
)
