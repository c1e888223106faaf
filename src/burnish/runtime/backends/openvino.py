"""OpenVINO."""

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from burnish.errors import BackendError, CompileError, InputError, UnsupportedDeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Signature, TensorSpec, numpy_dtype
from burnish.runtime.backend import BackendSpec, DeviceStatus, SessionOptions
from burnish.runtime.devices import index_of, kind_of
from burnish.runtime.failures import failure, is_out_of_memory
from burnish.runtime.importing import refuse_known
from burnish.runtime.ov_support.refused import REFUSED
from burnish.runtime.ov_support.running import OpenVinoSession, openvino

_DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU", "auto": "AUTO"}
_UNSUPPORTED = (
    "not supported",
    "doesn't support",
    "Unsupported operator",
    "No conversion rule",
    "Conversion is failed",
    "Cannot fallback on ngraph reference implementation",
)


class OpenVinoBackend:
    """OpenVINO's CPU, GPU and NPU plug-ins, and AUTO, which chooses among those that are present.

    Every key of ``options.extra`` is a property of OpenVINO.
    """

    spec = BackendSpec(
        name="openvino",
        package="openvino",
        extra="openvino",
        devices=tuple(_DEVICES),
        dtypes=tuple(dtype for dtype in DTYPES if dtype != "string"),
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which of OpenVINO's devices are present."""
        present = {name.partition(".")[0] for name in _core().available_devices}
        if present:
            present.add("AUTO")
        return [
            DeviceStatus(
                device,
                name in present,
                "" if name in present else f"OpenVINO finds no {name} on this machine",
            )
            for device, name in _DEVICES.items()
        ]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> OpenVinoSession:
        """Load a graph; see `burnish.runtime.Backend.open`.

        OpenVINO always optimizes fully: ``options.optimization`` other than ``all`` is refused. So is what it is
        known to answer wrongly, see `burnish.runtime.ov_support.refused`.
        """
        if options.optimization != "all":
            raise CompileError(
                f"openvino cannot load a graph with optimization {options.optimization!r}",
                hint="leave it at 'all', or use onnxruntime",
            )
        refuse_known(graph.model, REFUSED, engine="openvino")
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", **options.extra}
        if device == "cpu":
            config.setdefault("INFERENCE_PRECISION_HINT", "f32")
        if options.threads:
            config["INFERENCE_NUM_THREADS"] = options.threads
        target = _target(device)
        try:
            with graph.engine_source() as source:
                model = _core().read_model(source)
                ports = _ports(model, graph.signature)
                compiled = _core().compile_model(model, target, config)
        except Exception as error:  # the binding raises plain RuntimeErrors
            raise _load_error(error) from error
        return OpenVinoSession(compiled, ports, graph.signature)


@cache
def _core() -> Any:
    return openvino().Core()


def _target(device: str) -> str:
    """Return OpenVINO's name of a device."""
    name, index = _DEVICES[kind_of(device)], index_of(device)
    if not index:
        return name
    if f"{name}.{index}" not in _core().available_devices:
        raise UnsupportedDeviceError(
            f"OpenVINO finds no device {device!r}", hint=f"present: {', '.join(_core().available_devices)}"
        )
    return f"{name}.{index}"


def _ports(model: Any, signature: Signature) -> dict[str, int]:
    """Return which input port takes each input; one that no output depends on may have none.

    Raises:
        CompileError: A port cannot be told to belong to one input.
    """
    names = signature.input_names
    if len(model.inputs) == len(names):  # by position: an input that is also an output takes its name
        return {name: index for index, name in enumerate(names)}
    ports = {
        name: index for index, port in enumerate(model.inputs) for name in port.get_names() if name in names
    }
    for index, port in enumerate(model.inputs):
        if index in ports.values():
            continue
        # folded to an output, it bears that output's name: it is the one input that is left and fits
        left = [spec for spec in signature.inputs if spec.name not in ports and _fits(port, spec)]
        if len(left) != 1:
            raise CompileError(
                f"openvino has renamed input port {index}, and {len(left)} inputs of the graph fit it",
                hint="try another back end, such as onnxruntime",
            )
        ports[left[0].name] = index
    return ports


def _fits(port: Any, spec: TensorSpec) -> bool:
    rank, kind = port.get_partial_shape().rank, port.get_element_type()
    same_rank = rank.is_dynamic or rank.get_length() == len(spec.shape)
    dtype = np.dtype(ml_dtypes.bfloat16 if kind.get_type_name() == "bf16" else kind.to_dtype())
    return bool(same_rank and dtype == numpy_dtype(spec.dtype))


def _load_error(error: Exception) -> BackendError | InputError:
    summary = [line.removeprefix("-- ") for line in str(error).splitlines() if line.startswith("-- ")]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = "; ".join(summary) or (lines[-1] if lines else type(error).__name__)
    if is_out_of_memory(text):
        return failure("openvino", text)
    if any(words in str(error) for words in _UNSUPPORTED):
        return UnsupportedOpError(
            f"openvino cannot convert an operator of the graph: {text}",
            hint="try another back end, such as onnxruntime or torch",
        )
    return CompileError(f"openvino refused the graph: {text}")


BACKEND = OpenVinoBackend()
