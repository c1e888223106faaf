"""IREE: the graph is compiled ahead of time to a module with code of its own for every operator."""

from collections.abc import Callable, Mapping
from typing import Any

import onnx_ir as ir

from burnish.errors import BackendError, ConfigError, DeviceError, nearest
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.runtime.backend import (
    BackendSpec,
    DeviceStatus,
    Placed,
    SessionOptions,
    bind_by_copy,
    copy_into,
)

# The driver that runs a device, and the code generator that compiles for it.
_DEVICES = {
    "cpu": ("local-task", "llvm-cpu"),
    "cuda": ("cuda", "cuda"),
    "rocm": ("hip", "rocm"),
    "vulkan": ("vulkan", "vulkan-spirv"),
    "metal": ("metal", "metal-spirv"),
}
# Levels above O1 refuse some graphs that the lower ones compile (LayerNormalization of MiniLM: "exceeded
# stack allocation limit"); ``extra={"iree-opt-level": "O3"}`` asks for one all the same.
_LEVELS = {"none": "O0", "basic": "O0", "extended": "O1", "all": "O1"}
_DRIVERS = ("local-task", "local-sync")


class IreeBackend:
    """IREE's compiler and runtime.

    Every key of ``options.extra`` is a flag of ``iree-compile`` without its dashes, except ``driver``, which
    is ``local-task`` (workers on every core) or ``local-sync`` (the caller's thread alone) on the CPU.
    """

    spec = BackendSpec(
        name="iree",
        package="iree",
        extra="iree",
        devices=tuple(_DEVICES),
        dtypes=tuple(dtype for dtype in DTYPES if dtype != "string"),
        compiles=True,
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which devices this build of IREE has a driver for and finds."""
        return [_status(device, driver) for device, (driver, _) in _DEVICES.items()]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> "IreeSession":
        """Compile and load a graph; see `burnish.runtime.Backend.open`.

        Cost: half a second for a small graph, several for a large one; opened again in the same process with
        the same options, nothing is compiled. One thread means that the caller's thread does the work;
        other counts hold for the whole process.

        Raises:
            ConfigError: The driver is unknown, or the process already runs another number of threads.
        """
        from burnish.runtime.iree_support.compiling import compiled
        from burnish.runtime.iree_support.importing import ENTRY, to_mlir
        from burnish.runtime.iree_support.running import Module

        extra = dict(options.extra)
        where = _open_device(device, extra.pop("driver", None), options.threads)
        kind = device.partition(":")[0]
        _, target = _DEVICES[kind]
        extra.setdefault("iree-opt-level", _LEVELS[options.optimization])
        if kind == "cpu":
            extra.setdefault("iree-llvmcpu-target-cpu", "host")
        if _has_doubles(graph):  # by default IREE would make floats of them
            extra.setdefault("iree-input-demote-f64-to-f32", "false")
        flags = [f"--{name}={value}" for name, value in sorted(extra.items())]
        path = compiled(lambda: to_mlir(graph), key=graph.digest, target=target, flags=flags)
        module = Module(path, ENTRY, where, host=kind == "cpu")
        return IreeSession(module, graph, place="CPU" if kind == "cpu" else device)


class IreeSession:
    """A compiled graph. Calls of several threads follow one another."""

    def __init__(self, module: Any, graph: ComputeGraph, *, place: str) -> None:
        self._module = module
        self._inputs = graph.signature.input_names
        self._results = graph.signature.outputs
        self._placement = tuple(
            Placed(node.op_type, node.name or "", place) for node in graph.model.graph.all_nodes()
        )

    def run(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`.

        On the CPU, inputs whose address is a multiple of 64 bytes are read where they lie, others are copied
        first; fresh outputs are IREE's own buffers, given ones are copied into.
        """
        module = self._module
        if module is None:
            raise DeviceError("the iree session is closed")
        arrays = module({name: inputs[name] for name in self._inputs}, self._results)
        results = {spec.name: array for spec, array in zip(self._results, arrays, strict=True)}
        return results if outputs is None else copy_into(outputs, results)

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind; see `burnish.runtime.Session.bind`."""
        return bind_by_copy(self, inputs, outputs)

    def placement(self) -> tuple[Placed, ...]:
        """Tell which operator runs where: all of them on the device."""
        return self._placement

    def close(self) -> None:
        """Let go of the module and unmap its file."""
        self._module = None


def _open_device(device: str, driver: str | None, threads: int) -> Any:
    from burnish.runtime.iree_support.running import runtime, task_device

    kind, _, index = device.partition(":")
    if kind != "cpu":
        if driver is not None:
            raise ConfigError(f"the iree back end chooses the driver of {device!r} itself, got {driver!r}")
        found = runtime().get_driver(_DEVICES[kind][0])
        return found.create_device(found.query_available_devices()[int(index or 0)])
    driver = driver or ("local-sync" if threads == 1 else "local-task")
    if driver not in _DRIVERS:
        raise ConfigError(f"iree has no driver {driver!r} for the CPU", hint=nearest(driver, _DRIVERS))
    return task_device(threads) if driver == "local-task" else runtime().get_device(driver)


def _has_doubles(graph: ComputeGraph) -> bool:
    signature, inner = graph.signature, graph.model.graph
    if any(spec.dtype == "float64" for spec in (*signature.inputs, *signature.outputs)):
        return True
    casts = (node.attributes.get("to") for node in inner.all_nodes() if node.op_type == "Cast")
    return any(value.dtype == ir.DataType.DOUBLE for value in inner.initializers.values()) or any(
        cast is not None and cast.value == ir.DataType.DOUBLE for cast in casts
    )


def _status(device: str, driver: str) -> DeviceStatus:
    from burnish.runtime.iree_support.running import reason, runtime

    try:
        iree = runtime()
    except BackendError as error:
        return DeviceStatus(device, False, str(error))
    if driver not in iree.query_available_drivers():
        return DeviceStatus(device, False, f"the installed IREE has no driver {driver!r}")
    try:
        found = iree.get_driver(driver).query_available_devices()
    except Exception as error:  # the binding raises whatever class suits the driver's status code
        return DeviceStatus(device, False, reason(error))
    return DeviceStatus(device, bool(found), "" if found else f"IREE's driver {driver!r} finds no device")


BACKEND = IreeBackend()
