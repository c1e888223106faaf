"""ONNX Runtime."""

import ctypes
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from burnish.errors import CompileError, DeviceError, InputError, UnsupportedDeviceError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array
from burnish.runtime.backend import BackendSpec, DeviceStatus, SessionOptions

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_MISSING_OP = re.compile(r"(?:implementation for|Op registered for|No Op registered for) ([A-Za-z0-9_.:]+)")


class OnnxRuntimeBackend:
    """ONNX Runtime with one execution provider, and the CPU only where the caller asked for it."""

    spec = BackendSpec(
        name="onnxruntime",
        package="onnxruntime",
        extra="",
        devices=tuple(_PROVIDERS),
        dtypes=DTYPES,
    )

    def devices(self) -> list[DeviceStatus]:
        """Tell which execution providers the installed build holds."""
        present = _runtime().get_available_providers()
        return [
            DeviceStatus(device, provider in present, "" if provider in present else _absent(provider))
            for device, provider in _PROVIDERS.items()
        ]

    def open(self, graph: ComputeGraph, *, device: str, options: SessionOptions) -> "OnnxRuntimeSession":
        """Load a graph; see `burnish.runtime.Backend.open`."""
        runtime = _runtime()
        settings = runtime.SessionOptions()
        settings.log_severity_level = 4
        settings.graph_optimization_level = getattr(
            runtime.GraphOptimizationLevel, _LEVELS[options.optimization]
        )
        if options.threads:
            settings.intra_op_num_threads = options.threads
        for key, value in options.extra.items():
            settings.add_session_config_entry(key, value)
        provider = _PROVIDERS[device]
        try:
            session = runtime.InferenceSession(graph.to_bytes(), settings, providers=[provider])
        except Exception as error:  # the binding raises classes that share no base of their own
            raise _load_error(error) from error
        if session.get_providers()[0] != provider:
            raise UnsupportedDeviceError(
                f"onnxruntime fell back from {device!r} to {session.get_providers()[0]}",
                hint="its driver or libraries are missing; run `burnish doctor`",
            )
        return OnnxRuntimeSession(session, graph)


class OnnxRuntimeSession:
    """A loaded graph."""

    def __init__(self, session: Any, graph: ComputeGraph) -> None:
        self._session = session
        signature = graph.signature
        self._outputs = signature.output_names
        # numpy has no bfloat16: such tensors cross the boundary as OrtValues over the same memory
        self._bfloat16 = any(s.dtype == "bfloat16" for s in (*signature.inputs, *signature.outputs))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `burnish.runtime.Session.run`."""
        try:
            if self._bfloat16:
                return self._run_values(inputs)
            return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
        except Exception as error:
            if type(error).__name__ == "InvalidArgument":  # such as an index that a table does not have
                raise InputError(f"onnxruntime refused the inputs' values: {_first_line(error)}") from error
            raise DeviceError(f"onnxruntime failed while running: {_first_line(error)}") from error

    def close(self) -> None:
        """Let go of the session."""
        self._session = None

    def _run_values(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        value = _runtime().OrtValue
        fed = {
            name: value.ortvalue_from_numpy_with_onnx_type(array.view("uint16"), _BFLOAT16)
            if array.dtype == ml_dtypes.bfloat16
            else value.ortvalue_from_numpy(array)
            for name, array in inputs.items()
        }
        results = self._session.run_with_ort_values(self._outputs, fed)
        return {name: _from_value(result) for name, result in zip(self._outputs, results, strict=True)}


_BFLOAT16 = 16  # onnx.TensorProto.BFLOAT16


def _from_value(value: Any) -> Array:
    if value.element_type() != _BFLOAT16:
        array: Array = value.numpy()
        return array
    shape = value.shape()  # the binding has no numpy dtype for it, but tells where the bytes lie
    raw = ctypes.string_at(value.data_ptr(), 2 * math.prod(shape))
    return np.frombuffer(bytearray(raw), ml_dtypes.bfloat16).reshape(shape)


@cache
def _runtime() -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def _absent(provider: str) -> str:
    return f"the installed onnxruntime has no {provider}"


def _load_error(error: Exception) -> CompileError | UnsupportedOpError:
    text = _first_line(error)
    missing = _MISSING_OP.search(str(error))
    if missing or "NOT_IMPLEMENTED" in text or "is not a registered function/op" in text:
        name = missing.group(1) if missing else text
        return UnsupportedOpError(
            f"onnxruntime has no kernel for {name}: {text}",
            hint="try another back end, such as torch or openvino",
        )
    return CompileError(f"onnxruntime refused the graph: {text}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


BACKEND = OnnxRuntimeBackend()
