"""Reading tensors of other libraries through DLPack, where numpy's own reader does not go.

Numpy knows neither bfloat16 nor memory that is not the host's. Both are plain fields of a DLPack capsule.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.errors import InputError
from burnish.graph.signature import Array, numpy_dtype

_HOST = {1, 3, 11, 13}
"""DLDeviceType of memory that the processor reads: plain, pinned for CUDA or ROCm, managed by CUDA."""
_MEMORIES = {2: "cuda", 4: "opencl", 7: "vulkan", 8: "metal", 10: "rocm", 14: "oneapi"}
_KINDS = {0: "int", 1: "uint", 2: "float"}


class _Tensor(ctypes.Structure):
    """DLTensor of the DLPack standard, which a capsule named ``dltensor`` begins with."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("kind", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


@dataclass(frozen=True, slots=True)
class ForeignTensor:
    """Where a tensor of another library lies. It looks enough like an array to be checked like one."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Bytes from one element to the next along each axis."""
    dtype: np.dtype[Any]
    memory: str
    """``host``, or the kind of device whose memory it is, such as ``cuda``."""
    device_id: int
    owner: Any
    """What keeps the memory alive."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie one behind another, the last axis fastest."""
        step = self.dtype.itemsize
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size > 1 and stride != step:
                return False
            step *= size
        return True

    def array(self) -> Array:
        """Return an array over the memory, which must be the host's."""
        return array_at(self.address, self.shape, self.dtype, self.owner, strides=self.strides)


def is_host(tensor: Any) -> bool:
    """Tell whether the processor reads the memory of a tensor that speaks DLPack."""
    return int(tensor.__dlpack_device__()[0]) in _HOST


def read(tensor: Any) -> ForeignTensor:
    """Read where a tensor that speaks DLPack lies; nothing is copied.

    Raises:
        InputError: Its dtype has no counterpart in a graph, or its owner does not lend it.
    """
    try:
        capsule = tensor.__dlpack__()
    except (BufferError, RuntimeError, TypeError) as error:  # a tensor that requires gradients, for one
        raise InputError(f"the tensor's owner does not lend it: {error}", hint="detach it first") from error
    found = _Tensor.from_address(_pointer(capsule, b"dltensor"))
    dtype, shape = _dtype(found), tuple(found.shape[: found.ndim])
    if found.strides:
        strides = tuple(stride * dtype.itemsize for stride in found.strides[: found.ndim])
    else:  # the standard's way of saying contiguous
        strides = _packed(shape, dtype)
    return ForeignTensor(
        address=(found.data or 0) + found.byte_offset,
        shape=shape,
        strides=strides,
        dtype=dtype,
        memory="host"
        if found.device_type in _HOST
        else _MEMORIES.get(found.device_type, "an unknown device"),
        device_id=found.device_id,
        owner=(tensor, capsule),
    )


def array_at(
    address: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    owner: Any,
    *,
    strides: tuple[int, ...] | None = None,
) -> Array:
    """Return a writeable array over memory that belongs to something else, and keep that alive."""
    if 0 in shape:
        return np.empty(shape, dtype)
    plain = np.dtype(f"u{dtype.itemsize}")  # the interface has no word for bfloat16
    array: Array = np.asarray(_Lent(address, shape, plain.str, strides, owner)).view(dtype)
    return array


class _Lent:
    """What numpy asks for the memory, and keeps as the base of the array."""

    def __init__(
        self,
        address: int,
        shape: tuple[int, ...],
        typestr: str,
        strides: tuple[int, ...] | None,
        owner: Any,
    ) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": shape,
            "typestr": typestr,
            "strides": strides,
        }


def _dtype(tensor: _Tensor) -> np.dtype[Any]:
    if tensor.lanes == 1:
        if (tensor.kind, tensor.bits) == (4, 16):
            return numpy_dtype("bfloat16")
        if (tensor.kind, tensor.bits) == (6, 8):
            return np.dtype(np.bool_)
        if tensor.kind in _KINDS and tensor.bits in (8, 16, 32, 64):
            return np.dtype(f"{_KINDS[tensor.kind]}{tensor.bits}")
    raise InputError(
        f"a tensor of DLPack type (code {tensor.kind}, {tensor.bits} bits, {tensor.lanes} lanes) cannot be used"
    )


def _packed(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    strides, step = [], dtype.itemsize
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
