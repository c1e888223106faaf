"""ONNX Runtime."""

import re

from burnish.errors import BackendError, CompileError, InputError, UnsupportedDeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES
from burnish.runtime.backend import BackendSpec, DeviceStatus, SessionOptions
from burnish.runtime.devices import kind_of
from burnish.runtime.failures import failure, is_out_of_memory
from burnish.runtime.ort_support.providers import PROVIDERS, chosen, runtime, start, statuses
from burnish.runtime.ort_support.running import OnnxRuntimeSession

_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_MISSING_OP = re.compile(r"(?:implementation for|Op registered for|No Op registered for) ([A-Za-z0-9_.:]+)")
_NO_SUCH_DEVICE = re.compile(
    r"invalid device ordinal|invalid device id|no CUDA-capable device", re.IGNORECASE
)


class OnnxRuntimeBackend:
    """ONNX Runtime with the execution provider of one device, and the processor's only for what is allowed to it.

    Every key of ``options.extra`` is a session configuration entry of ONNX Runtime.
    """

    spec = BackendSpec(
        name="onnxruntime",
        package="onnxruntime",
        extra="",
        devices=tuple(PROVIDERS),
        dtypes=DTYPES,
        device_tensors=True,
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which execution providers the installed wheel holds and which of them start here."""
        return statuses()

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> OnnxRuntimeSession:
        """Load a graph; see `burnish.runtime.Backend.open`."""
        settings = runtime().SessionOptions()
        settings.log_severity_level = 4
        settings.graph_optimization_level = getattr(
            runtime().GraphOptimizationLevel, _LEVELS[options.optimization]
        )
        settings.enable_mem_pattern = options.memory != "low"  # the pattern's block comes on top of the arena
        if options.threads:
            settings.intra_op_num_threads = options.threads
        if kind_of(device) != "cpu":
            settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        for key, value in options.extra.items():
            settings.add_session_config_entry(key, value)
        try:
            with graph.engine_source() as source:
                session = start(source, settings, chosen(device))
        except UnsupportedDeviceError:
            raise
        except Exception as error:  # the binding raises classes that share no base of their own
            raise _load_error(error, device) from error
        return OnnxRuntimeSession(session, graph)


def _load_error(error: Exception, device: str) -> BackendError | InputError:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if _NO_SUCH_DEVICE.search(text):
        return UnsupportedDeviceError(f"onnxruntime finds no device {device!r}: {text}")
    if is_out_of_memory(text):
        return failure("onnxruntime", text)
    missing = _MISSING_OP.search(str(error))
    if missing or "NOT_IMPLEMENTED" in text or "is not a registered function/op" in text:
        name = missing.group(1) if missing else text
        return UnsupportedOpError(
            f"onnxruntime has no kernel for {name}: {text}",
            hint="try another back end, such as torch or openvino",
        )
    return CompileError(f"onnxruntime refused the graph: {text}")


BACKEND = OnnxRuntimeBackend()
