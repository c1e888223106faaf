"""Counting copies: two tensors at one address are one, and a copy needs memory of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish.runtime.dlpack import ForeignTensor
from burnish.runtime.tensors import as_tensor


def address_of(tensor: Any) -> int:
    """Return where the first element of a tensor lies.

    Args:
        tensor: A numpy array, ONNX Runtime's OrtValue, OpenVINO's Tensor, torch's, or whatever speaks DLPack or
            has a buffer.
    """
    if hasattr(tensor, "data_ptr"):  # torch's and ONNX Runtime's own word for it
        return int(tensor.data_ptr())
    found = as_tensor("tensor", tensor.data if hasattr(tensor, "element_type") else tensor)
    if isinstance(found, ForeignTensor):
        return found.address
    return int(found.__array_interface__["data"][0])


def same_memory(first: Any, second: Any) -> bool:
    """Tell whether two tensors begin at the same address."""
    return address_of(first) == address_of(second)


def peak_growth_bytes(action: Callable[[], Any]) -> int:
    """Return by how much an action raises the process's peak of resident memory above where it began.

    Linux only: the kernel's high-water mark is set back first.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status_bytes("VmRSS")
    result = action()
    grown = _status_bytes("VmHWM") - before
    del result
    return grown


def _status_bytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024
