"""What a rule asks of the values around a node."""

import math
from typing import Any

import onnx_ir as ir

from burnish.graph.signature import Array

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})
"""Dtypes that every fused floating-point operator takes."""


def constant(value: ir.Value | None) -> Array | None:
    """Return a value's array when it is a weight that no input can replace, else None."""
    if value is None or value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def scalar(value: ir.Value | None, beside: ir.Value | None = None) -> float | None:
    """Return the number in a constant of one element, else None.

    Args:
        value: What may be such a constant.
        beside: The other operand; None is returned when the constant's rank would raise that of the result.
    """
    array = constant(value)
    if array is None or array.size != 1 or array.dtype.kind not in "fiub":
        return None
    if array.ndim and (beside is None or beside.shape is None or array.ndim > len(beside.shape)):
        return None
    return float(array.item())


def near(value: float | None, wanted: float) -> bool:
    """Tell whether a number is the wanted one, as exactly as float16 and shortened literals allow."""
    return value is not None and math.isclose(value, wanted, rel_tol=1e-4)


def rank(value: ir.Value | None) -> int | None:
    """Return the number of dimensions, where it is known."""
    return None if value is None or value.shape is None else len(value.shape)


def dims(value: ir.Value | None) -> tuple[int | str | None, ...] | None:
    """Return the dimensions: sizes, symbols, or None where nothing is known."""
    if value is None or value.shape is None:
        return None
    return tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape)


def same_dim(one: int | str | None, other: int | str | None) -> bool:
    """Tell whether two dimensions are equal for sure; equal symbols are."""
    return one is not None and one == other


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """Return a plain attribute's value; a reference to a function's attribute is ``default``."""
    found = node.attributes.get(name)
    return default if found is None or found.is_ref() else found.value


def text(node: ir.Node, name: str, default: str) -> str:
    """Return a string attribute."""
    value = attribute(node, name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def sole_consumer(value: ir.Value) -> ir.Node | None:
    """Return the one node that reads a value, and nothing else does, else None."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def standard(node: ir.Node | None, *operators: str) -> bool:
    """Tell whether a node is one of ONNX's own operators of these names."""
    return node is not None and node.domain in ("", "ai.onnx") and node.op_type in operators
