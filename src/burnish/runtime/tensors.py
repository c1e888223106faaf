"""What a session may be given: numpy arrays, and whatever lends its memory to one without a copy."""

import contextlib
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
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray) and not hasattr(value, "__dlpack__"):
        return np.asarray(value)
    return own_memory(name, value)


def own_memory(name: str, value: Any) -> Tensor:
    """Return an array over the very memory of a value, which is what a result has to be written into.

    As `as_tensor`, but without what numpy might read into an array of its own.
    """
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(name, value)
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError):
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
    if getattr(value, "is_neg", bool)():  # torch exports the numbers without the sign that is still to come
        raise InputError(f"{name!r} is a view with its sign turned", hint="call its resolve_neg() first")
    refusals = (BufferError, RuntimeError, TypeError, ValueError)
    with contextlib.suppress(*refusals):  # bfloat16, which numpy does not know, and real refusals
        if dlpack.is_host(value):
            return np.from_dlpack(value)
    try:
        tensor = dlpack.read(value)
    except InputError as error:
        raise InputError(f"{name!r}: {error.message}", hint=error.hint) from error
    except refusals as error:  # such as torch's "meta" tensors
        raise InputError(f"{name!r} lends no memory: {error}") from error
    return tensor.array() if tensor.memory == "host" else tensor
