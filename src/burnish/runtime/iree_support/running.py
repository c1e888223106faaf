"""A compiled IREE module on a device, called with numpy arrays."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import ConfigError
from burnish.graph.signature import Array, TensorSpec, numpy_dtype
from burnish.plugins import require
from burnish.runtime.failures import failure
from burnish.runtime.lending import lend

_starting = threading.Lock()
# IREE keeps one pool of workers a process, made when its driver is first used.
_task_threads: int | None = None


def runtime() -> Any:
    """Return IREE's runtime.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("iree.runtime", extra="iree", need="the back end 'iree'")


def task_device(threads: int) -> Any:
    """Return the device whose work is shared by worker threads, which serve the whole process.

    Args:
        threads: How many; 0 leaves it to IREE, which takes one a core.

    Raises:
        ConfigError: The threads of this process already run, and are not as many.
    """
    global _task_threads
    with _starting:
        if _task_threads is None:
            if threads:
                runtime().flags.parse_flags(f"--task_topology_group_count={threads}")
            _task_threads = threads
        elif threads not in (0, _task_threads):
            running = _task_threads or "one a core"
            raise ConfigError(
                f"iree's worker threads serve the whole process and are {running}, not {threads}",
                hint="open the session that sets them first, or take 1, which uses none",
            )
        return runtime().get_device("local-task")


class Module:
    """One entry function of a compiled module.

    Args:
        path: The compiled file, which is mapped, not read.
        entry: Name of the function.
        device: IREE device.
        host: Whether the device reads the host's memory, so that arrays can be lent to it.
    """

    def __init__(self, path: Path, entry: str, device: Any, *, host: bool) -> None:
        iree = runtime()
        instance = iree.VmInstance()
        module = iree.VmModule.mmap(instance, str(path))
        self._iree = iree
        self._device = device
        self._host = host
        self._context = iree.VmContext(instance, [iree.create_hal_module(instance, device), module])
        self._function = module.lookup_function(entry)
        # a context must not be entered twice at a time; on the CPU one call keeps every worker busy anyway
        self._running = threading.Lock()

    def __call__(self, inputs: Mapping[str, Array], results: Sequence[TensorSpec]) -> list[Array]:
        """Run once.

        Args:
            inputs: Contiguous arrays by name, in the order of the function's parameters.
            results: What it returns.

        Returns:
            Arrays that share memory with nothing else; on the CPU they are IREE's own buffers.

        Raises:
            DeviceError: IREE failed.
        """
        iree = self._iree
        arguments, returned = iree.VmVariantList(len(inputs)), iree.VmVariantList(len(results))
        # kept until the call has ended
        lent = [lend(array) for array in inputs.values()] if self._host else list(inputs.values())
        try:
            for array in lent:
                arguments.push_ref(self._view(array))
            with self._running:
                self._context.invoke(self._function, arguments, returned)
            views = [returned.get_as_object(index, iree.HalBufferView) for index in range(len(results))]
            arrays: list[Array] = []
            for view, spec in zip(views, results, strict=True):
                arrays.append(self._array(view, spec, [*lent, *arrays]))
            return arrays
        except Exception as error:  # the binding raises whatever class suits the status code
            raise failure("iree", reason(error)) from error

    def _view(self, array: Array) -> Any:
        iree = self._iree
        element = iree.dtypes.map_dtype_to_hal_element_type(array.dtype)
        allocator = self._device.allocator
        if not self._host or not array.size:
            return allocator.allocate_buffer_copy(
                memory_type=iree.MemoryType.DEVICE_LOCAL,
                allowed_usage=iree.BufferUsage.DEFAULT,
                device=self._device,
                buffer=array,
                element_type=element,
            )
        buffer = allocator.import_host_allocation(
            array.reshape(-1).view(np.uint8),  # not every dtype has a buffer protocol
            memory_type=int(iree.MemoryType.HOST_LOCAL | iree.MemoryType.DEVICE_VISIBLE),
            allowed_usage=int(iree.BufferUsage.DEFAULT | iree.BufferUsage.MAPPING),
        )
        return iree.HalBufferView(buffer, array.shape, element)

    def _array(self, view: Any, spec: TensorSpec, others: Sequence[Array]) -> Array:
        host = self._iree.DeviceArray(self._device, view).to_host()
        dtype = numpy_dtype(spec.dtype)
        array: Array = host if host.dtype == dtype else host.view(dtype)
        # IREE may give the same buffer twice, or an input's: each output has memory of its own
        return array.copy() if any(np.may_share_memory(array, other) for other in others) else array


def reason(error: Exception) -> str:
    """Return what an error of IREE says, without the place in its source that it begins with."""
    text = str(error)
    return (text.partition("; ")[2] or text).strip().partition("\n")[0][:300]
