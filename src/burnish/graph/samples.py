"""Inputs for a first run, a benchmark or a comparison of engines: made up from a signature, or read from files."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import InputError, NotFoundError, ShapeError
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


def read_inputs(sources: Iterable[str], signature: Signature) -> dict[str, Array]:
    """Read inputs from numpy files; nothing in them is unpickled.

    Args:
        sources: Each the path of an ``.npz`` file whose arrays have the inputs' names, ``NAME=FILE.npy``, or
            the bare path of an ``.npy`` file for the one input of a graph.
        signature: Of the graph; whether the arrays fit it is checked when they are used.

    Raises:
        NotFoundError: A file does not exist.
        InputError: A file is no numpy file, or no input is named.
    """
    inputs: dict[str, Array] = {}
    for source in sources:
        name, named, file = source.rpartition("=")
        content = _read(Path(file))
        if isinstance(content, dict):
            inputs |= content
        elif named or len(signature.inputs) == 1:
            inputs[name or signature.input_names[0]] = content
        else:
            raise InputError(
                f"{file}: which input is it for?",
                hint=f"NAME={file}, NAME of {', '.join(signature.input_names)}",
            )
    return inputs


def _read(path: Path) -> Array | dict[str, Array]:
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", hint="give an .npz file, or NAME=FILE.npy")
    try:
        with path.open("rb") as stream:
            content: Any = np.load(stream, allow_pickle=False)
            return content if isinstance(content, np.ndarray) else dict(content)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: is not a numpy file of plain arrays", hint="write it with numpy.savez"
        ) from error


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
