"""Transposes: cancelled, merged, and moved to where they meet."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from burnish.graph.fusion import editing
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import common
from burnish.graph.fusion.rewriting import NodeRule, PatternRule, rewrite
from burnish.graph.fusion.values import attribute, constant, rank, sole_consumer, standard

_UNARY = (
    "Abs Ceil Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu Log Mish Neg Reciprocal Relu Round Selu "
    "Sigmoid Sign Sin Softplus Softsign Sqrt Tan Tanh Not Cast Identity"
).split()
_BINARY = "Add Sub Mul Div Pow Max Min PRelu And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual".split()


def _permutation(node: ir.Node | None) -> tuple[int, ...] | None:
    """Return the permutation of a Transpose that only one node reads."""
    if node is None or not standard(node, "Transpose") or sole_consumer(node.outputs[0]) is None:
        return None
    found = attribute(node, "perm")
    if found is not None:
        return tuple(found)
    known = rank(node.inputs[0])
    return None if known is None else tuple(reversed(range(known)))


def _below(value: ir.Value) -> bool:
    """Tell whether a Transpose pushed below this value meets another one."""
    while (node := sole_consumer(value)) is not None:
        if standard(node, "Transpose"):
            return True
        if not standard(node, *_UNARY, *_BINARY):
            return False
        others = [one for one in node.inputs if one is not value]
        if any(one is not None and _permutation(one.producer()) is not None for one in others):
            return True
        value = node.outputs[0]
    return False


def push_down(graph: ir.Graph, node: ir.Node) -> bool:
    """Compute an element-wise node before the Transposes of its inputs instead of after them.

    It is done where one Transpose then takes the place of two, or where it comes nearer to one that it can merge
    with.
    """
    if not standard(node, *_UNARY, *_BINARY) or len(node.outputs) != 1:
        return False
    makers = [value.producer() for value in node.inputs if value is not None]
    found = [
        (maker, perm) for maker in makers if (perm := _permutation(maker)) is not None and maker is not None
    ]
    if len({perm for _, perm in found}) != 1 or any(maker.graph is not graph for maker, _ in found):
        return False
    perm = found[0][1]
    if len(found) < 2 and not _below(node.outputs[0]):
        return False
    inputs = [_before(graph, value, perm) for value in node.inputs]
    if None in inputs:
        return False
    done = ir.node(node.op_type, inputs, node.attributes)
    done.outputs[0].type = node.outputs[0].type
    done.outputs[0].shape = _unpermuted(node.outputs[0].shape, perm)
    turned = ir.node("Transpose", [done.outputs[0]], {"perm": perm})
    ir.convenience.replace_nodes_and_values(graph, node, [node], [done, turned], node.outputs, turned.outputs)
    return True


def _before(graph: ir.Graph, value: ir.Value | None, perm: Sequence[int]) -> ir.Value | None:
    """Return what becomes ``value`` when it is transposed; None when there is no such thing."""
    maker = value.producer() if value is not None else None
    if maker is not None and _permutation(maker) is not None:
        return maker.inputs[0]
    array = constant(value)
    if value is None or array is None or array.ndim > len(perm):
        return None
    if array.size == 1:
        return value
    whole = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    turned = np.ascontiguousarray(np.transpose(whole, np.argsort(perm)))
    return editing.weight(graph, turned, f"{value.name}_turned")


def _unpermuted(shape: ir.Shape | None, perm: Sequence[int]) -> ir.Shape | None:
    if shape is None or len(shape) != len(perm):
        return None
    return ir.Shape([shape[int(axis)] for axis in np.argsort(perm)])


def _transposes(model: ir.Model) -> Counter[str]:
    return rewrite(
        model,
        [
            PatternRule("Transpose that moves nothing", "Transpose", common.no_op_transpose_rule),
            PatternRule("Transpose of a Transpose", "Transpose", common.transpose_transpose_rule),
            NodeRule("Transpose below an element-wise operator", push_down),
        ],
    )


PASSES = (
    Contract(
        name="transposes",
        about="cancel and merge transposes, moving them below element-wise operators where they meet",
        apply=_transposes,
        opset=7,  # before it, arithmetic broadcasts by attributes
    ),
)
