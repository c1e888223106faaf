"""Handing an engine the memory of an array instead of a copy of it, and memory back to the system."""

import contextlib
import ctypes
from typing import Any

import numpy as np

from burnish.graph.signature import Array


def lend(array: Array, *, alignment: int = 64) -> Array:
    """Return a writable view of an array's own memory, or an aligned copy where that cannot be.

    Engines that are handed foreign buffers ask for writable ones though they only read, and compile their
    loads for an alignment that numpy does not promise: reading through an unaligned address ends the process.

    Args:
        array: Contiguous, in native byte order. What is returned keeps it alive.
        alignment: What its address must be a multiple of, bytes.
    """
    if array.ctypes.data % alignment or not array.size:
        return aligned_copy(array, alignment=alignment)
    if array.flags.writeable:
        return array
    raw: Any = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    raw.owner = array  # an address alone would not keep the memory
    view: Array = np.frombuffer(memoryview(raw), np.uint8).view(array.dtype).reshape(array.shape)
    return view


def aligned_copy(array: Array, *, alignment: int = 64) -> Array:
    """Return a copy whose address is a multiple of ``alignment`` bytes."""
    copy = aligned_empty(array.shape, array.dtype, alignment=alignment)
    copy[...] = array
    return copy


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any], *, alignment: int = 64) -> Array:
    """Return an array of which nothing is set, at an address that is a multiple of ``alignment`` bytes."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    array: Array = raw[start : start + size].view(dtype).reshape(shape)
    return array


def trim_heap() -> None:
    """Give freed memory back to the system, which glibc would keep for later; elsewhere do nothing."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
