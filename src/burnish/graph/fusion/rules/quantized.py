"""Quantization and its inverse: pairs that cancel, and values that need not leave their integers."""

from collections import Counter

import numpy as np
import onnx_ir as ir

from burnish.graph.fusion import editing
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import optimizer
from burnish.graph.fusion.rewriting import NodeRule, rewrite
from burnish.graph.fusion.values import attribute, constant, sole_consumer, standard
from burnish.graph.signature import Array

_MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")
_SMALL = {ir.DataType.INT8, ir.DataType.UINT8}
# of a weight that is stored quantized: below, the node costs less than the scale and zero point are worth
_SMALLEST = 16


def cancel(_: ir.Graph, node: ir.Node) -> bool:
    """Let the readers of Quantize(Dequantize(x)) read x, where both have the same scale and zero point.

    With 8 bits it is exact: what dequantizing rounds is far less than half a step.
    """
    if not standard(node, "QuantizeLinear") or node.inputs[0] is None:
        return False
    source = node.inputs[0].producer()
    if not standard(source, "DequantizeLinear") or not _same_grid(source, node):
        return False
    x = source.inputs[0] if source is not None else None
    return x is not None and editing.bypass(node.outputs[0], x)


def move_inside(graph: ir.Graph, node: ir.Node) -> bool:
    """Write Quantize(move(Dequantize(x))) as move(x), for what moves elements and does not compute with them."""
    if not standard(node, "QuantizeLinear") or node.inputs[0] is None:
        return False
    move = node.inputs[0].producer()
    if move is None or not standard(move, *_MOVES) or sole_consumer(node.inputs[0]) is not node:
        return False
    source = move.inputs[0].producer() if move.inputs[0] is not None else None
    if (
        not standard(source, "DequantizeLinear")
        or source is None
        or sole_consumer(source.outputs[0]) is not move
    ):
        return False
    if {move.graph, source.graph} != {graph} or not _same_grid(source, node) or not _one_scale(node):
        return False
    made = ir.node(move.op_type, [source.inputs[0], *move.inputs[1:]], move.attributes)
    old = [node, move, source]
    ir.convenience.replace_nodes_and_values(graph, node, old, [made], node.outputs, made.outputs)
    return True


def _same_grid(source: ir.Node | None, target: ir.Node) -> bool:
    """Tell whether a Dequantize- and a QuantizeLinear have the same constant scale, zero point and layout."""
    if source is None or source.inputs[0] is None:
        return False
    kind = source.inputs[0].dtype
    if kind not in _SMALL or kind != target.outputs[0].dtype:
        return False
    if any(attribute(source, name, default) != attribute(target, name, default) for name, default in _LAYOUT):
        return False
    scales, zeros = zip(*map(_grid, (source, target)), strict=True)
    if any(scale is None for scale in (*scales, *zeros)):
        return False
    usual = np.isfinite(scales[0]).all() and (scales[0] > np.finfo(np.float32).tiny).all()
    return bool(usual) and all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in (scales, zeros))


_LAYOUT = (("axis", 1), ("block_size", 0))


def _grid(node: ir.Node) -> tuple[Array | None, Array | None]:
    scale = constant(node.inputs[1])
    if len(node.inputs) < 3 or node.inputs[2] is None:
        kind = node.inputs[0] if node.op_type == "DequantizeLinear" else node.outputs[0]
        return scale, np.zeros((), kind.dtype.numpy()) if kind is not None and kind.dtype else None
    return scale, constant(node.inputs[2])


def _one_scale(node: ir.Node) -> bool:
    scale = constant(node.inputs[1])
    return scale is not None and scale.size == 1


def _store_quantized(model: ir.Model) -> int:
    before = sum(1 for _ in model.graph.all_nodes())
    optimizer.fold_constants(
        model,
        input_size_limit=1 << 31,
        output_size_limit=1 << 31,
        should_fold=lambda node: standard(node, "QuantizeLinear") and _is_weight(node),
    )
    editing.tidy(model)
    return before - sum(1 for _ in model.graph.all_nodes())


def _is_weight(node: ir.Node) -> bool:
    array = constant(node.inputs[0])
    return array is not None and array.size >= _SMALLEST and not node.outputs[0].is_graph_output()


def _clean(model: ir.Model) -> Counter[str]:
    applied = rewrite(
        model,
        [
            NodeRule("Quantize of a Dequantize", cancel),
            NodeRule("Quantize after a move", move_inside),
        ],
    )
    stored = _store_quantized(model)
    return applied + Counter({"Quantize of a weight": stored} if stored else {})


PASSES = (
    Contract(
        name="qdq",
        about="take out quantizing that undoes dequantizing, and store quantized weights",
        apply=_clean,
        opset=10,
    ),
)
