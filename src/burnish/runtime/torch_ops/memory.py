"""Arrays as tensors and back, over the same memory wherever that can be."""

from collections.abc import Iterable

import ml_dtypes
import numpy as np
import torch

from burnish.graph.signature import Array
from burnish.runtime.backend import check_result
from burnish.runtime.lending import lend


def from_array(array: Array, device: str) -> torch.Tensor:
    """Return an array as a tensor on a device: on the CPU over the array's own memory, which must outlive it.

    On CUDA the copy goes through pinned memory, so that it need not wait for what the device does.
    """
    lent = lend(
        array, alignment=array.dtype.itemsize
    )  # torch warns of read-only arrays, though it only reads
    if array.dtype == ml_dtypes.bfloat16:
        tensor = torch.from_numpy(lent.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(lent)
    if device == "cpu":
        return tensor
    if device.startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_array(tensor: torch.Tensor) -> Array:
    """Return a tensor as an array: from the CPU over the tensor's own memory, unless it is not contiguous."""
    tensor = tensor.detach()
    if tensor.is_cuda:
        tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(
            tensor, non_blocking=True
        )
        torch.cuda.current_stream().synchronize()
    tensor = tensor.cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        array: Array = tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return array
    plain: Array = tensor.numpy()
    return plain


def write_into(name: str, tensor: torch.Tensor, array: Array) -> None:
    """Copy a tensor from wherever it lies into an array.

    Raises:
        ShapeError: They differ in shape.
    """
    check_result(name, tensor.shape, array)
    if array.dtype == ml_dtypes.bfloat16:
        torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).copy_(tensor)
    else:
        torch.from_numpy(array).copy_(tensor)


def storages(tensors: Iterable[torch.Tensor]) -> set[int]:
    """Return the addresses of the blocks of memory that tensors lie in."""
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}
