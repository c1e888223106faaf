"""Products between quantize and dequantize operators: engines carry them out in integers, at once."""

import math
from dataclasses import dataclass

import onnx_ir as ir

from burnish.graph.shapes import static_shape
from burnish.hardware.device import ITEM_BYTES
from burnish.hardware.loops import CONVS, MATMULS

_PRODUCTS = CONVS | MATMULS
_EIGHT_BITS = (ir.DataType.INT8, ir.DataType.UINT8)


@dataclass(frozen=True, slots=True)
class Integers:
    """What a product of quantized values moves."""

    bytes: int
    """Both factors, the bias and the result."""
    weight_bytes: int
    """Of factors that are stored."""


def integers_of(node: ir.Node) -> Integers | None:
    """Return what a product whose two factors are dequantized moves; None for any other node."""
    if not _multiplies_integers(node):
        return None
    factors = [factor for value in node.inputs[:2] if (factor := _dequantized(value)) is not None]
    weights = sum(factor.const_value.nbytes for factor in factors if factor.const_value is not None)
    item = ITEM_BYTES["int8" if _is_quantized(node) else "float32"]
    others = [value for value in node.inputs[2:] if value is not None]
    moved = (
        sum(map(_elements, factors)) * ITEM_BYTES["int8"]
        + _elements(node.outputs[0]) * item
        + sum(map(_elements, others)) * ITEM_BYTES["float32"]
    )
    return Integers(round(moved), weights)


def is_taken_in(node: ir.Node) -> bool:
    """Tell whether a (de)quantization belongs to a product beside it, and takes no time of its own."""
    if node.op_type == "DequantizeLinear":
        readers = [reader for reader, _ in node.outputs[0].uses()]
        return bool(readers) and all(map(_multiplies_integers, readers))
    source = node.inputs[0].producer() if node.op_type == "QuantizeLinear" and node.inputs[0] else None
    return source is not None and _multiplies_integers(source)


def _multiplies_integers(node: ir.Node) -> bool:
    """Tell whether both factors of a product are dequantized from eight bits."""
    if node.op_type not in _PRODUCTS or len(node.inputs) < 2:
        return False
    factors = [_dequantized(value) for value in node.inputs[:2]]
    return all(value is not None and _dtype(value) in _EIGHT_BITS for value in factors)


def _is_quantized(node: ir.Node) -> bool:
    readers = [reader for reader, _ in node.outputs[0].uses()]
    return bool(readers) and all(reader.op_type == "QuantizeLinear" for reader in readers)


def _dequantized(value: ir.Value | None) -> ir.Value | None:
    """Return what a value is dequantized from; None where it is not."""
    source = value.producer() if value is not None else None
    return source.inputs[0] if source is not None and source.op_type == "DequantizeLinear" else None


def _dtype(value: ir.Value) -> ir.DataType | None:
    return value.dtype or (value.const_value.dtype if value.const_value is not None else None)


def _elements(value: ir.Value) -> int:
    return math.prod(static_shape(value) or ())
