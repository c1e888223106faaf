"""Weights stored in 8 or 4 bits, arithmetic in floating point: a smaller file at about the same speed."""

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.building import Editor
from burnish.compress.quantize.coding import by_channel, in_blocks
from burnish.compress.quantize.layers import (
    ASKED,
    Linear,
    kept_float,
    linear,
    listed,
    multiplying,
    stored_numbers,
)
from burnish.compress.quantize.report import Quantized, QuantReport
from burnish.compress.quantize.scheme import QuantScheme
from burnish.errors import UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.fusion.values import attribute
from burnish.graph.signature import Array

_INT4_OPSET = 21
"""The first opset whose DequantizeLinear reads 4-bit numbers in blocks."""
_BLOCKS = (32, 16)
"""Weights of a column that share a scale in 4 bits; ONNX Runtime's kernel takes powers of two from 16."""
_SMALLEST = 1024
"""Numbers in a weight that is worth the nodes which unpack it."""


def quantize_weights(graph: ComputeGraph, scheme: QuantScheme) -> Quantized:
    """Store weights as integers.

    In 8 bits a weight is a Cast and a Mul away from its integers: engines fold these when they load the graph, so a
    call costs what it did. (ONNX Runtime 1.32 makes MatMulNBits of DequantizeLinear and MatMul, whose 8-bit kernel is
    slower than its product of floats here.) In 4 bits a linear layer reads DequantizeLinear over blocks of 32, which
    ONNX Runtime runs as MatMulNBits without ever unpacking the whole weight; what is no linear layer takes 8.

    Args:
        graph: Float graph; not changed.
        scheme: ``weight_bits``, ``per_channel`` (in 8 bits) and the nodes that stay float.

    Returns:
        The graph, in opset 21 at least when it holds 4-bit weights, and in its report why nodes kept their weights.

    Raises:
        UnsupportedOpError: No node has a weight to store, or the graph cannot go to opset 21.
        NotFoundError: The scheme names a node that the graph does not have.
    """
    if scheme.weight_bits == 4 and graph.model.opset_imports.get("", 0) < _INT4_OPSET:
        graph = graph.convert(_INT4_OPSET)
    editor = Editor(graph)
    kept, left, stored = kept_float(editor.graph, scheme), {}, 0
    done: dict[ir.Value, ir.Value] = {}
    for node in multiplying(editor.graph):
        name = node.name or ""
        reason = ASKED if name in kept else _store(editor, node, scheme, done)
        stored += reason == ""
        if reason:
            left[name] = reason
    if not stored:
        raise UnsupportedOpError(
            "no node has a weight that could be stored in fewer bits", hint="; ".join(listed(left))
        )
    return Quantized(editor.finish(), QuantReport(left))


def _store(editor: Editor, node: ir.Node, scheme: QuantScheme, done: dict[ir.Value, ir.Value]) -> str:
    """Store the weights of a node; return why not, or nothing."""
    layer = linear(node)
    if scheme.weight_bits == 4 and isinstance(layer, Linear):
        size = next((size for size in _BLOCKS if layer.matrix.shape[0] % size == 0), None)
        if size is not None:
            _four_bits(editor, layer, size)
            return ""
    reason = "has no weight of its own that is worth it"
    for place in _weights(node):
        value = node.inputs[place]
        array = _worth(value)
        if value is None or array is None:
            continue
        if value not in done:
            done[value] = _eight_bits(editor, node, value, array, _axis(node) if scheme.per_channel else None)
        node.replace_input_with(place, done[value])
        reason = ""
    return reason


def _four_bits(editor: Editor, layer: Linear, size: int) -> None:
    node, name = layer.node, layer.weight.name or "weight"
    coded = in_blocks(layer.matrix, size)
    codes, scales = editor.weight(coded.codes, f"{name}_int4"), editor.weight(coded.scales, f"{name}_scale")
    weight = editor.before(node, "DequantizeLinear", codes, scales, axis=0, block_size=size)
    result = editor.before(node, "MatMul", layer.x, weight)
    if layer.bias is not None:
        result = editor.before(node, "Add", result, layer.bias)
    editor.replace(node, result)


def _eight_bits(editor: Editor, node: ir.Node, value: ir.Value, array: Array, axis: int | None) -> ir.Value:
    coded, name = by_channel(array, axis), value.name or "weight"
    codes, scales = editor.weight(coded.codes, f"{name}_int8"), editor.weight(coded.scales, f"{name}_scale")
    numbers = editor.before(node, "Cast", codes, to=int(ir.DataType.FLOAT))
    return editor.before(node, "Mul", numbers, scales)


def _weights(node: ir.Node) -> tuple[int, ...]:
    """Return the places of a node's weights among its inputs."""
    if node.op_type in ("LSTM", "GRU", "RNN"):
        return (1, 2)
    return (0, 1) if node.op_type == "MatMul" else (1,) if node.op_type != "Einsum" else ()


def _worth(value: ir.Value | None) -> Array | None:
    """Return a weight's numbers where storing them in fewer bits is worth it."""
    array = stored_numbers(value)
    if array is None or array.dtype != "float32" or array.ndim < 2 or array.size < _SMALLEST:
        return None
    return array if np.isfinite(array).all() else None


def _axis(node: ir.Node) -> int:
    """Return the axis of a weight that counts a node's outputs."""
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return {"Conv": 0, "MatMul": -1}.get(node.op_type, 1)
