"""Compiling a Relax module, and running what came out."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.errors import CompileError, ConfigError
from burnish.graph.signature import Array
from burnish.logs import get_logger
from burnish.plugins import require
from burnish.runtime.failures import failure
from burnish.runtime.lending import lend
from burnish.runtime.tvm_support.importing import last_line

log = get_logger(__name__)
compiling = threading.Lock()
"""Held while anything is imported or compiled: TVM's block builder is one a process."""


def tvm() -> Any:
    """Return TVM.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("tvm", extra="tvm", need="the back end 'tvm'")


def target_of(device: Any, text: str | None) -> Any:
    """Return what to compile for.

    Args:
        device: TVM device.
        text: A target as JSON or a kind, such as ``{"kind": "llvm", "mcpu": "znver3"}``; None for the device
            itself, which on the CPU means this processor.

    Raises:
        ConfigError: TVM does not know the target.
    """
    target = tvm().target.Target
    try:
        if text is not None:
            return target(json.loads(text) if text.lstrip().startswith("{") else text)
        if device.dlpack_device_type() != 1:  # kDLCPU
            return target.from_device(device)
        cpu = require("tvm.target.codegen", extra="tvm", need="the back end 'tvm'").llvm_get_system_cpu()
        return target({"kind": "llvm", "mcpu": cpu, "num-cores": len(os.sched_getaffinity(0))})
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"tvm knows no target {text!r}: {last_line(error)}",
            hint='give a kind such as llvm, or JSON such as {"kind": "llvm", "mcpu": "znver3"}',
        ) from error


class Program:
    """A graph compiled for one set of input shapes. One thread at a time may call it.

    Args:
        module: Relax module.
        constant: For every output whether it is a constant, whose memory the program keeps.
        target: What to compile for.
        device: Where to run.
        level: How far to optimize, 0 to 3.

    Raises:
        CompileError: TVM refused the module.
    """

    def __init__(
        self, module: Any, constant: Sequence[bool], *, target: Any, device: Any, level: int
    ) -> None:
        tvm_ = tvm()
        try:
            with tvm_.transform.PassContext(opt_level=level):
                executable = tvm_.compile(module, target=target)
            # a naive allocator gives memory back when an array goes; the pooled one keeps it for good
            self._machine = tvm_.relax.VirtualMachine(executable, device, memory_cfg="naive")
        except Exception as error:  # passes raise whatever their Python or C++ happens to raise
            raise CompileError(f"tvm cannot compile the graph: {last_line(error)}") from error
        self._tvm = tvm_
        self._device = device
        self._constant = constant
        self._host = device.dlpack_device_type() == 1

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once.

        Args:
            inputs: Contiguous arrays in the order of the graph's inputs.

        Returns:
            The outputs in order; on the CPU they are TVM's own memory, which inputs may share.

        Raises:
            DeviceError: TVM failed.
        """
        try:
            arguments = [self._argument(array) for array in inputs]
            returned = self._machine["main"](*arguments)
            tensors = [returned] if hasattr(returned, "numpy") else list(returned)
            return [
                np.from_dlpack(tensor) if self._host and not constant else tensor.numpy()
                for tensor, constant in zip(tensors, self._constant, strict=True)
            ]
        except Exception as error:  # the virtual machine raises whatever its kernels raise
            raise failure("tvm", last_line(error)) from error

    def _argument(self, array: Array) -> Any:
        if not self._host or not array.size:  # an array of nothing has no memory to lend
            return self._tvm.runtime.tensor(array, self._device)
        return self._tvm.runtime.from_dlpack(lend(array))


def sizes(shapes: Mapping[str, Sequence[int]]) -> str:
    """Write input shapes for a log or an error.

    >>> sizes({"x": (1, 3)})
    'x [1, 3]'
    """
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
