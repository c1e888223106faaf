"""Tensors from files that a user names on the command line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from burnish.errors import InputError, NotFoundError
from burnish.graph.signature import Array, Signature


def read_inputs(given: Sequence[str], signature: Signature) -> dict[str, Array]:
    """Read a graph's inputs.

    Args:
        given: ``file.npz``, whose arrays bear the inputs' names; ``NAME=file.npy``; or a bare ``file.npy`` for
            a graph with one input.
        signature: The graph's.

    Raises:
        NotFoundError: A file is missing.
        InputError: A file is no array of plain numbers; pickled objects are refused.
    """
    arrays: dict[str, Array] = {}
    for item in given:
        name, _, file = item.rpartition("=")
        loaded = _load(Path(file))
        if isinstance(loaded, dict):
            arrays |= loaded
        elif name or len(signature.inputs) == 1:
            arrays[name or signature.input_names[0]] = loaded
        else:
            raise InputError(
                f"{item}: which input is it?", hint=f"write NAME={file} with one of {signature.input_names}"
            )
    return arrays


def _load(path: Path) -> Array | dict[str, Array]:
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", hint="give an .npy or .npz file")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: is not an .npy or .npz file of plain arrays: {error}") from error
