"""Inputs made up from a signature, for a first run, a benchmark or a comparison of engines."""

from collections.abc import Mapping

import numpy as np

from burnish.errors import ShapeError
from burnish.graph.signature import Array, Signature, TensorSpec, numpy_dtype


def random_inputs(
    signature: Signature, *, batch: int = 1, sizes: Mapping[str, int] | None = None, seed: int = 0
) -> dict[str, Array]:
    """Make up inputs that fit a signature.

    Args:
        signature: Of the graph.
        batch: Size of every symbolic leading dimension.
        sizes: Sizes of symbolic dimensions by symbol; they go before ``batch``.
        seed: Equal seeds give equal inputs.

    Returns:
        Normal floats, integers of 0 and 1 (they may be indices, and these exist in any table), random truth
        values and digits as strings.

    Raises:
        ShapeError: A symbolic dimension has no size.
    """
    generator = np.random.default_rng(seed)
    return {spec.name: _draw(generator, spec, _shape(spec, batch, sizes or {})) for spec in signature.inputs}


def _shape(spec: TensorSpec, batch: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
    shape = []
    for axis, dim in enumerate(spec.shape):
        if isinstance(dim, int):
            shape.append(dim)
        elif dim in sizes or axis == 0:
            shape.append(sizes.get(dim, batch))
        else:
            raise ShapeError(
                f"input {spec.name!r}: dimension {axis} ({dim}) has no size", hint=f"give {dim} a size"
            )
    return tuple(shape)


def _draw(generator: np.random.Generator, spec: TensorSpec, shape: tuple[int, ...]) -> Array:
    dtype = numpy_dtype(spec.dtype)
    if spec.dtype == "string":
        return generator.integers(0, 10, size=shape).astype(str).astype(object)
    if dtype.kind in "biu":
        return generator.integers(0, 2, size=shape).astype(dtype)
    return np.asarray(generator.standard_normal(shape)).astype(dtype)
