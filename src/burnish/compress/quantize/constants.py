"""Weights that a step knows to be stored."""

import onnx_ir as ir

from burnish.errors import InternalError
from burnish.graph.fusion.values import constant
from burnish.graph.signature import Array


def stored(value: ir.Value | None) -> Array:
    """Return the array of a weight.

    Raises:
        InternalError: The value is computed at run time, which the caller had ruled out.
    """
    array = constant(value)
    if array is None:
        raise InternalError(f"{value.name if value is not None else None!r} was taken for a stored weight")
    return array
