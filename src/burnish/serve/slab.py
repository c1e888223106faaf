"""Memory that the server and one worker share: a file without a name, gone when both have let go of it."""

import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.graph.signature import Array, DType, dtype_of, numpy_dtype

_ALIGN = 64
_FIRST_BYTES = 1 << 16
_LENGTH = np.dtype(np.uint32)

Layout = list[dict[str, Any]]
"""Tensors in a slab: name, dtype, shape, offset, bytes."""


class Slab:
    """A growing memfd, mapped by two processes.

    Tensors lie one behind another at multiples of 64 bytes. A tensor of strings is the length of each, four
    bytes wide, and behind them their UTF-8.
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
            self.reserve(max(size, 1))  # an empty file cannot be mapped
            self._map = mmap.mmap(self.fd, os.fstat(self.fd).st_size)
        return self._map


def plan(
    shapes: Mapping[str, tuple[DType, Sequence[int]]], strings: Mapping[str, bytes], start: int = 0
) -> tuple[Layout, int]:
    """Lay tensors out one behind another.

    Args:
        shapes: Dtype and shape of each tensor.
        strings: The packed bytes of those that hold strings.
        start: First byte to use.

    Returns:
        The layout, and the first free byte behind it.
    """
    layout: Layout = []
    offset = start
    for name, (dtype, shape) in shapes.items():
        if dtype == "string":
            size = len(strings[name])
        else:
            size = int(np.prod(shape, dtype=np.int64)) * numpy_dtype(dtype).itemsize
        layout.append({"name": name, "dtype": dtype, "shape": list(shape), "offset": offset, "bytes": size})
        offset += -(-size // _ALIGN) * _ALIGN
    return layout, offset


def target(slab: Slab, item: Mapping[str, Any]) -> Array:
    """Return the memory of one tensor of a layout; that of strings as plain bytes."""
    if item["dtype"] == "string":
        return slab.array("uint8", [item["bytes"]], item["offset"])
    return slab.array(item["dtype"], item["shape"], item["offset"])


def write(slab: Slab, arrays: Mapping[str, Array], start: int = 0) -> Layout:
    """Copy arrays into a slab and return where they lie."""
    strings = {name: pack_strings([a]) for name, a in arrays.items() if a.dtype.kind in "OSU"}
    layout, _ = plan({name: (dtype_of(a), a.shape) for name, a in arrays.items()}, strings, start)
    for item in layout:
        name = item["name"]
        packed = strings.get(name)
        target(slab, item)[...] = arrays[name] if packed is None else np.frombuffer(packed, np.uint8)
    return layout


def read(slab: Slab, layout: Layout) -> dict[str, Array]:
    """Return arrays over a slab's memory, as `write` laid them out; strings are copied out."""
    arrays: dict[str, Array] = {}
    for item in layout:
        array = target(slab, item)
        if item["dtype"] == "string":
            array = _unpack_strings(array.tobytes(), item["shape"])
        arrays[item["name"]] = array
    return arrays


def pack_strings(parts: Iterable[Array]) -> bytes:
    """Return the bytes of all the strings of some arrays, as they lie in a slab."""
    items = [item if isinstance(item, bytes) else str(item).encode() for part in parts for item in part.flat]
    return np.array([len(item) for item in items], _LENGTH).tobytes() + b"".join(items)


def _unpack_strings(data: bytes, shape: Sequence[int]) -> Array:
    count = int(np.prod(shape, dtype=np.int64))
    ends = np.cumsum(np.frombuffer(data, _LENGTH, count), dtype=np.int64) + _LENGTH.itemsize * count
    items = np.empty(count, dtype=object)
    begin = _LENGTH.itemsize * count
    for i, end in enumerate(ends.tolist()):
        items[i] = data[begin:end].decode("utf-8", "replace")
        begin = end
    return items.reshape(shape)
