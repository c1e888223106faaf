"""OpenVINO."""

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from burnish.errors import CompileError, DeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.plugins import require
from burnish.runtime.backend import BackendSpec, DeviceStatus, SessionOptions

_DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
_UNSUPPORTED = ("not supported", "Unsupported operator", "No conversion rule", "Conversion is failed")


class OpenVinoBackend:
    """OpenVINO's CPU, GPU and NPU plug-ins."""

    spec = BackendSpec(
        name="openvino",
        package="openvino",
        extra="openvino",
        devices=tuple(_DEVICES),
        dtypes=tuple(dtype for dtype in DTYPES if dtype not in ("string", "bfloat16")),
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which of OpenVINO's devices are present."""
        present = {name.partition(".")[0] for name in _core().available_devices}
        return [
            DeviceStatus(
                device,
                name in present,
                "" if name in present else f"OpenVINO finds no {name} on this machine",
            )
            for device, name in _DEVICES.items()
        ]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> "OpenVinoSession":
        """Load a graph; see `burnish.runtime.Backend.open`.

        OpenVINO always optimizes fully: ``options.optimization`` other than ``all`` is refused.
        """
        if options.optimization != "all":
            raise CompileError(
                f"openvino cannot load a graph with optimization {options.optimization!r}",
                hint="leave it at 'all', or use onnxruntime",
            )
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", **options.extra}
        if device == "cpu":
            config.setdefault("INFERENCE_PRECISION_HINT", "f32")
        if options.threads:
            config["INFERENCE_NUM_THREADS"] = options.threads
        try:
            model = _core().read_model(graph.to_bytes())
            ports = _ports(model, graph.signature.input_names)
            compiled = _core().compile_model(model, _DEVICES[device], config)
        except Exception as error:  # the binding raises plain RuntimeErrors
            raise _load_error(error) from error
        return OpenVinoSession(compiled, ports, graph.signature.output_names)


class OpenVinoSession:
    """A compiled graph with one infer request a thread."""

    def __init__(self, compiled: Any, ports: Mapping[str, int], outputs: list[str]) -> None:
        self._compiled = compiled
        self._ports = ports
        self._outputs = outputs
        self._local = threading.local()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        try:
            fed = {index: inputs[name] for name, index in self._ports.items()}
            results = request.infer(fed, share_inputs=True, share_outputs=False)
        except Exception as error:
            raise DeviceError(f"openvino failed while running: {_last_line(error)}") from error
        return {name: results[index] for index, name in enumerate(self._outputs)}

    def close(self) -> None:
        """Let go of the compiled graph and its requests."""
        self._compiled = None
        self._local = threading.local()


@cache
def _core() -> Any:
    return require("openvino", extra="openvino", need="the back end 'openvino'").Core()


def _ports(model: Any, names: list[str]) -> dict[str, int]:
    """Return which input port takes each input; one that no output depends on may have none."""
    if len(model.inputs) == len(names):  # by position: an input that is also an output takes its name
        return {name: index for index, name in enumerate(names)}
    return {
        name: index for index, port in enumerate(model.inputs) for name in port.get_names() if name in names
    }


def _load_error(error: Exception) -> CompileError | UnsupportedOpError:
    summary = [line.removeprefix("-- ") for line in str(error).splitlines() if line.startswith("-- ")]
    text = "; ".join(summary) or _last_line(error)
    if any(words in str(error) for words in _UNSUPPORTED):
        return UnsupportedOpError(
            f"openvino cannot convert an operator of the graph: {text}",
            hint="try another back end, such as onnxruntime or torch",
        )
    return CompileError(f"openvino refused the graph: {text}")


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


BACKEND = OpenVinoBackend()
