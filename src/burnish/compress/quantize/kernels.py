"""Counting the integer kernels that an engine really runs, in the graph that the engine made for itself.

A file full of QuantizeLinear proves nothing: where an engine does not recognise the pattern, it takes every number
back to floating point and multiplies there, slower than without.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from burnish.errors import CompileError, NotFoundError, nearest
from burnish.graph import ComputeGraph
from burnish.runtime import SessionOptions
from burnish.runtime.ort_support.providers import chosen, runtime, start
from burnish.runtime.ov_support.running import openvino

_ORT_INTEGER = frozenset(
    "ConvInteger DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulInteger MatMulInteger16 MatMulIntegerToFloat "
    "QAttention QGemm QLinearConv QLinearMatMul".split()
)
_ORT_FLOAT = frozenset(
    "Attention Conv ConvTranspose Einsum FusedConv FusedGemm FusedMatMul GRU Gemm GroupQueryAttention LSTM MatMul "
    "MatMulNBits MultiHeadAttention RNN TransposeMatMul".split()
)
_ORT_INT8_ACCURACY = 4
"""Value of MatMulNBits' ``accuracy_level`` at which it multiplies 8-bit integers."""
_OV_MULTIPLYING = frozenset(
    "Convolution Deconvolution FullyConnected LSTMCell LSTMSequence MHA MatMul RNNCell RNNSeq "
    "ScaledDotProductAttention".split()
)
_OV_INTEGER = ("i8", "u8")


@dataclass(frozen=True, slots=True)
class KernelCount:
    """The multiplying kernels that an engine runs for one graph."""

    backend: str
    integer: dict[str, int]
    """Kernels that multiply integers, by type."""
    floating: dict[str, int]
    """Kernels that multiply floating-point numbers, by type."""
    floating_nodes: tuple[str, ...]
    """Names of the nodes behind the latter, as the engine has them."""

    @property
    def share(self) -> float:
        """Part of the multiplying kernels that is integer; 0 when there is none at all."""
        integer, floating = sum(self.integer.values()), sum(self.floating.values())
        return integer / (integer + floating) if integer + floating else 0.0

    def __str__(self) -> str:
        integer, total = sum(self.integer.values()), sum((*self.integer.values(), *self.floating.values()))
        return f"{integer} of {total} multiplying kernels are integer in {self.backend}"


def integer_kernels(graph: ComputeGraph, backend: str, options: SessionOptions | None = None) -> KernelCount:
    """Count how many multiplying nodes an engine runs with integer kernels on the processor.

    Args:
        graph: What is run.
        backend: ``onnxruntime``, which is asked for the graph after its own fusions, or ``openvino``, which is asked
            for the kernels that it compiled.
        options: How the session runs; of these, ``extra`` changes the kernels. On x86, ONNX Runtime runs activations
            that are ``int8`` with integer kernels only under ``{"session.qdqisint8allowed": "1"}``.

    Raises:
        NotFoundError: The engine does not tell which kernels it runs.
        CompileError: The engine refused the graph.
        MissingExtraError: The engine is not installed.
    """
    if backend not in _COUNTERS:
        known = nearest(backend, _COUNTERS)
        raise NotFoundError(f"{backend!r} does not tell which kernels it runs", hint=known)
    return _COUNTERS[backend](graph, dict((options or SessionOptions()).extra))


def _onnxruntime(graph: ComputeGraph, extra: dict[str, str]) -> KernelCount:
    with tempfile.TemporaryDirectory(prefix="burnish-kernels-") as folder:
        path = Path(folder) / "optimized.onnx"
        settings = runtime().SessionOptions()
        settings.log_severity_level = 4
        settings.optimized_model_filepath = str(path)
        for key, value in extra.items():
            settings.add_session_config_entry(key, value)
        with graph.engine_source() as source:
            try:
                start(source, settings, chosen("cpu"))
            except Exception as error:  # the binding raises classes that share no base of their own
                raise CompileError(f"onnxruntime refused the graph: {error}") from error
        optimized = onnx.load(path, load_external_data=False)
    found = [(node.op_type, node.name, _is_integer(node)) for node in optimized.graph.node]
    return _counted("onnxruntime", [one for one in found if one[0] in _ORT_INTEGER | _ORT_FLOAT])


def _is_integer(node: onnx.NodeProto) -> bool:
    accuracy = next((a.i for a in node.attribute if a.name == "accuracy_level"), 0)
    packed = node.op_type == "MatMulNBits" and accuracy == _ORT_INT8_ACCURACY
    return node.op_type in _ORT_INTEGER or packed


def _openvino(graph: ComputeGraph, extra: dict[str, str]) -> KernelCount:
    core, config = openvino().Core(), {"INFERENCE_PRECISION_HINT": "f32", **extra}
    try:
        with graph.engine_source() as source:
            compiled = core.compile_model(core.read_model(source), "CPU", config)
    except RuntimeError as error:
        raise CompileError(f"openvino refused the graph: {error}") from error
    found = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        kind, precision = _told(node, "layerType"), _told(node, "runtimePrecision")
        if kind in _OV_MULTIPLYING:
            found.append((kind, node.get_friendly_name(), precision in _OV_INTEGER))
    return _counted("openvino", found)


def _told(node: Any, key: str) -> str:
    told = node.get_rt_info()
    return str(told[key].astype(str)) if key in told else ""


def _counted(backend: str, found: list[tuple[str, str, bool]]) -> KernelCount:
    return KernelCount(
        backend,
        dict(Counter(kind for kind, _, integer in found if integer)),
        dict(Counter(kind for kind, _, integer in found if not integer)),
        tuple(name for _, name, integer in found if not integer),
    )


_COUNTERS: dict[str, Callable[[ComputeGraph, dict[str, str]], KernelCount]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
