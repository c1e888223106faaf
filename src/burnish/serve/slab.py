"""Memory that the server and one worker share: a file without a name, gone when both have let go of it."""

import mmap
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.graph.signature import Array, DType, dtype_of, numpy_dtype

_ALIGN = 64
_FIRST_BYTES = 1 << 16

Layout = list[dict[str, Any]]
"""Tensors in a slab: name, dtype, shape, offset."""


class Slab:
    """A growing memfd, mapped by two processes.

    Tensors lie one behind another at multiples of 64 bytes. Strings, which have no fixed size, travel in the
    message beside the slab.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map: mmap.mmap | None = None

    @classmethod
    def create(cls, name: str) -> "Slab":
        """Make an empty one."""
        return cls(os.memfd_create(name))

    def reserve(self, size: int) -> None:
        """Make room for ``size`` bytes; what lies there stays."""
        have = os.fstat(self.fd).st_size
        if have < size:
            os.ftruncate(self.fd, max(size, 2 * have, _FIRST_BYTES))

    def array(self, dtype: DType, shape: Sequence[int], offset: int) -> Array:
        """Return an array over the slab's memory."""
        kind = numpy_dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        mapped = self._mapped(offset + count * kind.itemsize)
        return np.frombuffer(mapped, dtype=kind, count=count, offset=offset).reshape(shape)

    def close(self) -> None:
        """Let go of the memory. Arrays over it keep it alive until they go."""
        self._map = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _mapped(self, size: int) -> mmap.mmap:
        if self._map is None or len(self._map) < size:
            self.reserve(size)
            self._map = mmap.mmap(self.fd, os.fstat(self.fd).st_size)
        return self._map


def plan(shapes: Mapping[str, tuple[DType, Sequence[int]]], start: int = 0) -> tuple[Layout, int]:
    """Lay tensors out one behind another.

    Returns:
        The layout, and the first free byte behind it.
    """
    layout: Layout = []
    offset = start
    for name, (dtype, shape) in shapes.items():
        if dtype == "string":
            continue
        layout.append({"name": name, "dtype": dtype, "shape": list(shape), "offset": offset})
        size = int(np.prod(shape, dtype=np.int64)) * numpy_dtype(dtype).itemsize
        offset += -(-size // _ALIGN) * _ALIGN
    return layout, offset


def write(slab: Slab, arrays: Mapping[str, Array], start: int = 0) -> tuple[Layout, dict[str, Any]]:
    """Copy arrays into a slab.

    Returns:
        The layout, and the string tensors, which go into the message: shape and items.
    """
    layout, _ = plan({name: (dtype_of(array), array.shape) for name, array in arrays.items()}, start)
    for item in layout:
        slab.array(item["dtype"], item["shape"], item["offset"])[...] = arrays[item["name"]]
    strings = {
        name: {"shape": list(array.shape), "items": [str(item) for item in array.flat]}
        for name, array in arrays.items()
        if array.dtype.kind in "OSU"
    }
    return layout, strings


def read(slab: Slab, layout: Layout, strings: Mapping[str, Any]) -> dict[str, Array]:
    """Return arrays over a slab's memory, as `write` laid them out; strings come from the message."""
    arrays = {item["name"]: slab.array(item["dtype"], item["shape"], item["offset"]) for item in layout}
    for name, described in strings.items():
        arrays[name] = np.array(described["items"], dtype=object).reshape(described["shape"])
    return arrays
