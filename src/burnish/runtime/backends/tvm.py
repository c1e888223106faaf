"""TVM: the graph is compiled to kernels of its own, untuned, once for every set of input shapes."""

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from burnish.errors import BackendError, ConfigError, DeviceError, nearest
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array, Signature
from burnish.runtime.backend import (
    BackendSpec,
    DeviceStatus,
    Placed,
    SessionOptions,
    bind_by_copy,
    copy_into,
)
from burnish.runtime.lending import trim_heap

_DEVICES = ("cpu", "cuda", "rocm", "metal", "vulkan", "opencl")
_LEVELS = {"none": 0, "basic": 1, "extended": 2, "all": 3}
_OPTIONS = ("target",)
_KEPT_PROGRAMS = 16
Shapes = tuple[tuple[int, ...], ...]


class TvmBackend:
    """TVM's Relax compiler.

    ``options.extra`` knows ``target``: what to compile for, as JSON or a kind, by default this processor or
    device. Symbolic dimensions are compiled for each size that comes, since TVM's importer takes far more
    graphs with fixed shapes than with free ones: the first request of every size waits for the compiler.
    """

    spec = BackendSpec(
        name="tvm",
        package="tvm",
        extra="tvm",
        devices=_DEVICES,
        dtypes=tuple(dtype for dtype in DTYPES if dtype not in ("string", "bfloat16")),
        compiles=True,
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which devices this build of TVM was made for and finds."""
        return [_status(device) for device in _DEVICES]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> "TvmSession":
        """Load a graph; see `burnish.runtime.Backend.open`.

        A graph with no symbol but a leading batch is compiled for one row at once, to tell what cannot be
        compiled; others are compiled when their first inputs come. ``options.threads`` is the number of
        workers of the whole process.

        Raises:
            ConfigError: An option or its value is unknown.
        """
        from burnish.runtime.tvm_support.compiling import Program, compiling, target_of, tvm
        from burnish.runtime.tvm_support.importing import check_operators, prepared, to_relax

        unknown = next((name for name in options.extra if name not in _OPTIONS), None)
        if unknown is not None:
            raise ConfigError(f"the tvm back end has no option {unknown!r}", hint=nearest(unknown, _OPTIONS))
        kind, _, index = device.partition(":")
        where = tvm().device(kind, int(index or 0))
        target = target_of(where, options.extra.get("target"))
        if options.threads:
            tvm().get_global_func("runtime.config_threadpool")(1, options.threads)
        model, level = prepared(graph.to_bytes()), _LEVELS[options.optimization]

        def build(shapes: Mapping[str, tuple[int, ...]]) -> Program:
            with compiling:
                program = Program(*to_relax(model, shapes), target=target, device=where, level=level)
            gc.collect()  # the frontend leaves a copy of the weights in a circle of references
            return program

        session = TvmSession(build, graph, place=str(where))
        if not session.compile_ahead():
            with compiling:
                check_operators(model)
        return session


class TvmSession:
    """A graph and the programs compiled from it. Calls of several threads follow one another."""

    def __init__(
        self, build: Callable[[Mapping[str, tuple[int, ...]]], Any], graph: ComputeGraph, *, place: str
    ) -> None:
        self._build: Callable[[Mapping[str, tuple[int, ...]]], Any] | None = build
        self._signature: Signature = graph.signature
        self._programs: OrderedDict[Shapes, Any] = OrderedDict()
        self._running = threading.Lock()
        self._placement = tuple(
            Placed(node.op_type, node.name or "", place if not place.startswith("cpu") else "CPU")
            for node in graph.model.graph.all_nodes()
        )

    def compile_ahead(self) -> bool:
        """Compile for one row where the leading symbol is the only one; tell whether it is."""
        batch = self._signature.batch_symbol
        shapes = []
        for spec in self._signature.inputs:
            sizes = [1 if dim == batch else dim for dim in spec.shape]
            fixed = tuple(size for size in sizes if isinstance(size, int))
            if len(fixed) != len(sizes):
                return False
            shapes.append(fixed)
        with self._running:
            self._program(tuple(shapes))
        return True

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`.

        Shapes that have not come before, or not for long, are compiled first. On the CPU, inputs whose
        address is a multiple of 64 bytes are read where they lie, others are copied first; fresh outputs are
        TVM's own memory, given ones are copied into.

        Raises:
            CompileError: TVM cannot compile the graph for these shapes.
        """
        arrays = [inputs[name] for name in self._signature.input_names]
        with self._running:
            results = self._program(tuple(array.shape for array in arrays))(arrays)
        named = dict(zip(self._signature.output_names, results, strict=True))
        if outputs is not None:
            return copy_into(outputs, named)
        return _apart(named, arrays)

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind; see `burnish.runtime.Session.bind`."""
        return bind_by_copy(self, inputs, outputs)

    def placement(self) -> tuple[Placed, ...]:
        """Tell which operator runs where: all of them on the device."""
        return self._placement

    def close(self) -> None:
        """Let go of the programs and the graph, and of what the compiler left in the process's heap."""
        with self._running:
            self._build = None
            self._programs.clear()
        trim_heap()

    def _program(self, shapes: Shapes) -> Any:
        from burnish.runtime.tvm_support.compiling import log, sizes

        if self._build is None:
            raise DeviceError("the tvm session is closed")
        program = self._programs.get(shapes)
        if program is None:
            named = dict(zip(self._signature.input_names, shapes, strict=True))
            log.info("tvm compiles", inputs=sizes(named))
            program = self._programs[shapes] = self._build(named)
            while len(self._programs) > _KEPT_PROGRAMS:
                self._programs.popitem(last=False)
        self._programs.move_to_end(shapes)
        return program


def _apart(results: dict[str, Array], inputs: list[Array]) -> dict[str, Array]:
    """Copy results that share memory with an input or another result."""
    others = list(inputs)
    for name, array in results.items():
        if any(np.may_share_memory(array, other) for other in others):
            results[name] = array.copy()
        others.append(results[name])
    return results


def _status(device: str) -> DeviceStatus:
    from burnish.runtime.tvm_support.compiling import tvm

    try:
        tvm_ = tvm()
    except BackendError as error:
        return DeviceStatus(device, False, str(error))
    if not tvm_.runtime.enabled(device):
        return DeviceStatus(device, False, f"the installed TVM cannot drive {device}, or finds no driver")
    found = bool(tvm_.device(device).exist)
    return DeviceStatus(device, found, "" if found else f"TVM finds no {device} device")


BACKEND = TvmBackend()
