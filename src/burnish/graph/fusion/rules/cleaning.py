"""What computes nothing: constants, copies, repeated work."""

from collections import Counter

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import (
    CommonSubexpressionEliminationPass,
    DeduplicateInitializersPass,
    LiftConstantsToInitializersPass,
)

from burnish.graph.fusion import editing
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import optimizer
from burnish.graph.fusion.rewriting import NodeRule, Rule, rewrite, rules
from burnish.graph.fusion.values import attribute, constant, dims, scalar, standard
from burnish.graph.shapes import RANDOM

_LARGEST = 1 << 20  # elements of an input or a result that is folded: what it saves must be worth its bytes


def fold_constants(model: ir.Model) -> Counter[str]:
    """Compute what depends on weights and static shapes alone; branches of a constant If are inlined.

    Quantize- and DequantizeLinear are kept: folding them would undo the quantization.
    """
    applied = rewrite(model, [NodeRule("size of a static axis", fold_size)])
    before = sum(1 for _ in model.graph.all_nodes())
    optimizer.fold_constants(
        model,
        input_size_limit=_LARGEST,
        output_size_limit=_LARGEST,
        should_fold=_may_fold,
    )
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    _lay_out(model)
    editing.tidy(model)
    saved = before - sum(1 for _ in model.graph.all_nodes())
    return applied + Counter({"constant": saved} if saved else {})


def _may_fold(node: ir.Node) -> bool | None:
    """Keep what is drawn anew each time, and outputs: not every engine takes a weight for one."""
    drawn = node.op_type in RANDOM and (node.op_type != "Dropout" or _may_train(node))
    return False if drawn or any(value.is_graph_output() for value in node.outputs) else None


def _lay_out(model: ir.Model) -> None:
    """Store what was folded in the order of its axes: a transposed weight is a view of the one before."""
    for graph in editing.graphs(model):
        for value in graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, ir.Tensor) and not (array := tensor.numpy()).flags.c_contiguous:
                value.const_value = ir.tensor(np.ascontiguousarray(array), name=value.name)


def fold_size(graph: ir.Graph, node: ir.Node) -> bool:
    """Compute the size of one axis, where it is static; the library does it for a list of indices alone."""
    if not standard(node, "Gather") or attribute(node, "axis", 0) != 0 or node.inputs[0] is None:
        return False
    source, index = node.inputs[0].producer(), constant(node.inputs[1])
    if source is None or not standard(source, "Shape") or index is None or index.ndim:
        return False
    shape = dims(source.inputs[0])
    if shape is None:
        return False
    sizes = shape[attribute(source, "start", 0) : attribute(source, "end", len(shape))]
    if not -len(sizes) <= index < len(sizes) or not isinstance(sizes[int(index)], int):
        return False
    value = editing.weight(graph, np.array(sizes[int(index)], np.int64), f"{node.outputs[0].name}_size")
    return editing.bypass(node.outputs[0], value)


def drop_no_ops(model: ir.Model) -> Counter[str]:
    """Take out copies and arithmetic with a neutral element."""
    removed = editing.remove_identities(model)
    return Counter({"Identity": removed} if removed else {}) + rewrite(model, _no_ops())


def merge_equal(model: ir.Model) -> Counter[str]:
    """Compute equal expressions once, and store equal weights once."""
    before = sum(1 for _ in model.graph.all_nodes())
    DeduplicateInitializersPass(size_limit=_LARGEST)(model)
    CommonSubexpressionEliminationPass()(model)
    editing.tidy(model)
    saved = before - sum(1 for _ in model.graph.all_nodes())
    return Counter({"equal expression": saved} if saved else {})


def _random(model: ir.Model) -> str:
    # the library knows some of the operators that draw numbers, but neither Bernoulli nor a Dropout that trains
    drawing = {node.op_type for node in model.graph.all_nodes() if node.op_type in RANDOM}
    drawing -= {"Dropout"} if not any(_may_train(node) for node in model.graph.all_nodes()) else set()
    return f"{', '.join(sorted(drawing))} gives another result each time" if drawing else ""


def _may_train(node: ir.Node) -> bool:
    return standard(node, "Dropout") and len(node.inputs) > 2 and node.inputs[2] is not None


def _no_ops() -> list[Rule]:
    """Return rules for the neutral elements; the library's own take 1.00001 for 1."""

    def rule(name: str, operator: str, neutral: float) -> list[Rule]:
        return rules(
            name,
            operator,
            lambda op, x, c: getattr(op, operator)(x, c),
            lambda op, x, **_: op.Identity(x),
            lambda _, x, c: scalar(c, x) == neutral,
        )

    return [*rule("x+0", "Add", 0), *rule("x-0", "Sub", 0), *rule("x*1", "Mul", 1), *rule("x/1", "Div", 1)]


PASSES = (
    Contract(
        name="no-ops",
        about="take out copies and arithmetic with 0 or 1",
        apply=drop_no_ops,
    ),
    Contract(
        name="constants",
        about="compute what depends on weights and static shapes alone",
        apply=fold_constants,
    ),
    Contract(
        name="common-subexpressions",
        about="compute equal expressions once and store equal weights once",
        apply=merge_equal,
        unmet=_random,
    ),
)
