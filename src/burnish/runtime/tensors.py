"""What a session may be given: numpy arrays, and whatever lends its memory to one without a copy."""

import sys
from typing import Any

import numpy as np

from burnish.errors import InputError
from burnish.graph.signature import Array
from burnish.runtime import dlpack
from burnish.runtime.dlpack import ForeignTensor

Tensor = Array | ForeignTensor
_FOREIGN_BYTES = ">" if sys.byteorder == "little" else "<"


def as_tensor(name: str, value: Any) -> Tensor:
    """Return an array over the memory of a value; nothing that lies in host memory is copied.

    Args:
        name: Of the input or output, for the error's text.
        value: An array; a tensor that speaks DLPack, such as torch's; something that numpy reads as an array;
            or something with the buffer protocol, such as ``array.array``.

    Returns:
        An array, or for memory of an accelerator a description of where it lies.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(name, value)
    if hasattr(value, "__array__"):
        return np.asarray(value)
    try:
        return np.asarray(memoryview(value))
    except TypeError:
        raise InputError(
            f"{name!r} is a {type(value).__name__}, which lends no memory",
            hint="give a numpy array, or a tensor that speaks DLPack",
        ) from None


def fit(array: Array) -> Array:
    """Return the array itself when an engine can read its memory as it lies, else a copy that it can."""
    if array.dtype.byteorder == _FOREIGN_BYTES:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def lies_fit(tensor: Tensor) -> bool:
    """Tell whether an engine can read the memory of a tensor as it lies."""
    if isinstance(tensor, ForeignTensor):
        return tensor.contiguous
    return tensor.flags.c_contiguous and tensor.dtype.byteorder != _FOREIGN_BYTES


def _from_dlpack(name: str, value: Any) -> Tensor:
    if dlpack.is_host(value):
        try:
            return np.from_dlpack(value)
        except (
            BufferError,
            RuntimeError,
            TypeError,
        ):  # bfloat16, which numpy does not know, and real refusals
            pass
    try:
        tensor = dlpack.read(value)
    except InputError as error:
        raise InputError(f"{name!r}: {error.message}", hint=error.hint) from error
    return tensor.array() if tensor.memory == "host" else tensor
