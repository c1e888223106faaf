"""ONNX Runtime's execution providers: which the installed wheel holds, and which of them start here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from burnish.errors import UnsupportedDeviceError
from burnish.runtime.backend import DeviceStatus
from burnish.runtime.devices import index_of, kind_of


@dataclass(frozen=True, slots=True)
class Provider:
    """What runs a device."""

    name: str
    wheel: str
    """Package of ONNX Runtime that holds it."""
    index_option: str = "device_id"
    """The provider's option that chooses among several devices; empty when it has one device only."""
    helper: str = ""
    """Provider on the same device that takes the operators which this one lacks."""


PROVIDERS: dict[str, Provider] = {
    "cpu": Provider("CPUExecutionProvider", "onnxruntime", ""),
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", helper="CUDAExecutionProvider"),
    "rocm": Provider("ROCMExecutionProvider", "onnxruntime-rocm"),
    "migraphx": Provider("MIGraphXExecutionProvider", "onnxruntime-migraphx"),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime for macOS", ""),
    "openvino-ep": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino", ""),
}


def statuses() -> list[DeviceStatus]:
    """Tell for every device whether its provider is in the installed wheel and starts on this machine."""
    return [_status(device) for device in PROVIDERS]


def chosen(device: str) -> list[tuple[str, dict[str, str]]]:
    """Return the providers argument of a session on a device.

    Raises:
        UnsupportedDeviceError: The device has a number, but its provider takes none.
    """
    provider, index = PROVIDERS[kind_of(device)], index_of(device)
    if index and not provider.index_option:
        raise UnsupportedDeviceError(f"{provider.name} has one device only, got {device!r}")
    options = {provider.index_option: str(index)} if provider.index_option else {}
    return [(name, dict(options)) for name in (provider.name, provider.helper) if name]


@cache
def runtime() -> Any:
    """Import ONNX Runtime, and keep it from writing to the terminal what burnish says by itself."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def start(model: bytes | Path, settings: Any, providers: Sequence[tuple[str, Mapping[str, str]]]) -> Any:
    """Open a session with these providers and no others, apart from the processor's, which is always there.

    Raises:
        UnsupportedDeviceError: ONNX Runtime left the provider out, as it does for want of a driver.
        Exception: ONNX Runtime's own, which share no base.
    """
    # without this word it would print that it failed, and try again on the processor
    session = runtime().InferenceSession(
        model if isinstance(model, bytes) else str(model),
        settings,
        providers=list(providers),
        enable_fallback=0,
    )
    session.disable_fallback()
    asked, got = providers[0][0], session.get_providers()[0]
    if got != asked:
        raise UnsupportedDeviceError(
            f"onnxruntime fell back from {asked} to {got}",
            hint="its driver or libraries are missing; run `burnish doctor`",
        )
    return session


def _status(device: str) -> DeviceStatus:
    provider = PROVIDERS[device]
    if provider.name not in runtime().get_available_providers():
        reason = f"the installed onnxruntime has no {provider.name}, which comes with {provider.wheel}"
        return DeviceStatus(device, False, reason)
    if device == "cpu":
        return DeviceStatus(device, True)
    failure = _cannot_start(device)
    return DeviceStatus(device, not failure, failure)


@cache
def _cannot_start(device: str) -> str:
    """Return why a provider does not start here; a wheel lists it whether the machine has its device or not."""
    settings = runtime().SessionOptions()
    settings.log_severity_level = 4
    try:
        start(_one_node(), settings, chosen(device))
    except Exception as error:  # whatever class the provider raises
        text = str(error).strip().splitlines()
        return f"it does not start here: {text[0] if text else type(error).__name__}"
    return ""


def _one_node() -> bytes:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", [x], [y])
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    data: bytes = model.SerializeToString()
    return data
