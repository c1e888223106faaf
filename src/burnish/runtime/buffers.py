"""Checks on the arrays that a caller lends for results, made before the engine runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from burnish.errors import InputError, ShapeError, nearest
from burnish.graph.signature import Array, Signature, TensorSpec, dtype_of
from burnish.runtime.tensors import Tensor, lies_fit, own_memory


def lent_outputs(
    signature: Signature, inputs: Mapping[str, Tensor], outputs: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the memory that the caller lends for every output.

    Args:
        signature: Of the graph.
        inputs: As they go to the engine; their sizes tell those of symbolic dimensions.
        outputs: Arrays, or tensors that speak DLPack, by name.

    Raises:
        ShapeError: A name, dtype, rank or size differs from the signature, or the memory cannot be written
            in place: read-only, not contiguous, foreign bytes.
        InputError: Memory of an output overlaps that of an input or another output.
    """
    sizes = {
        dim: size
        for spec in signature.inputs
        for dim, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
        if isinstance(dim, str)
    }
    unknown = set(outputs) - set(signature.output_names)
    if unknown:
        name = min(unknown)
        raise ShapeError(f"unknown output {name!r}", hint=nearest(name, signature.output_names))
    tensors: dict[str, Tensor] = {}
    for spec in signature.outputs:
        if spec.name not in outputs:
            raise ShapeError(f"output {spec.name!r} has no array to be written into", hint=f"expected {spec}")
        tensors[spec.name] = tensor = own_memory(spec.name, outputs[spec.name])
        _check(spec, tensor, sizes)
    _check_apart(inputs, tensors)
    return tensors


def _check(spec: TensorSpec, tensor: Tensor, sizes: Mapping[str, int]) -> None:
    expected = tuple(sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in spec.shape)
    got = dtype_of(tensor)  # type: ignore[arg-type]  # both kinds of tensor have a dtype
    if got != spec.dtype:
        raise ShapeError(f"output {spec.name!r}: the array must be {spec.dtype}, got {got}")
    fits = len(expected) == tensor.ndim and all(
        isinstance(dim, str) or dim == size for dim, size in zip(expected, tensor.shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"output {spec.name!r}: the array must have shape [{', '.join(map(str, expected))}], "
            f"got {list(tensor.shape)}"
        )
    if isinstance(tensor, np.ndarray) and not tensor.flags.writeable:
        raise ShapeError(f"output {spec.name!r}: the array is read-only", hint="give a writeable one")
    if not lies_fit(tensor):
        raise ShapeError(
            f"output {spec.name!r}: the array is not contiguous, or of another byte order",
            hint="give one in C order, such as numpy.empty makes",
        )


def _check_apart(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
    """Engines read inputs while they write outputs, so the two must not overlap."""
    seen: list[tuple[str, Array]] = [(n, t) for n, t in inputs.items() if isinstance(t, np.ndarray)]
    for name, tensor in outputs.items():
        if not isinstance(tensor, np.ndarray):
            continue
        for other, array in seen:
            if np.may_share_memory(tensor, array):
                raise InputError(
                    f"the array for output {name!r} shares memory with {other!r}",
                    hint="give every output memory of its own",
                )
        seen.append((name, tensor))
