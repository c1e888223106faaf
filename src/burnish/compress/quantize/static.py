"""Post-training quantization to INT8 in the form that every engine here reads: QDQ nodes in ONNX."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from burnish.compress.quantize.scheme import QuantScheme
from burnish.errors import UnsupportedOpError
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.machine import fingerprint

_MULTIPLYING = ("Conv", "Gemm", "MatMul")


def quantize_static(graph: ComputeGraph, samples: Split, scheme: QuantScheme) -> ComputeGraph:
    """Quantize weights and activations after training.

    Args:
        graph: Float graph; not changed.
        samples: Calibration examples, preprocessed as at inference; never the examples that will judge.
        scheme: How.

    Returns:
        A graph with QuantizeLinear and DequantizeLinear nodes, which engines fuse into integer kernels.

    Raises:
        InputError: There are no samples, or a sample is not finite.
        ShapeError: The samples do not fit the graph.
        UnsupportedOpError: The graph has nothing that can be quantized.

    Cost: one float pass per sample.

    References:
        Jacob et al. 2018, arXiv:1712.05877.
    """
    nodes = [node for node in graph.model.graph if node.op_type in _MULTIPLYING]
    if not nodes:
        raise UnsupportedOpError(f"the graph has none of {', '.join(_MULTIPLYING)}: nothing to quantize")
    chosen = samples.take(np.arange(min(scheme.samples, len(samples))))
    chosen.check("calibration")
    graph.signature.check(chosen.inputs)
    from onnxruntime import quantization as ort

    ends = [str(nodes[0].name), str(nodes[-1].name)] if scheme.keep_ends_float else []
    reduce_range = not fingerprint().has_int8_dot if scheme.reduce_range is None else scheme.reduce_range
    method = {"minmax": ort.CalibrationMethod.MinMax, "percentile": ort.CalibrationMethod.Percentile}
    with tempfile.TemporaryDirectory(prefix="burnish-quantize-") as folder, _quiet():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(onnx.load_model_from_string(graph.to_bytes())), source)
        ort.quantize_static(
            source,
            target,
            _Reader(chosen),
            quant_format=ort.QuantFormat.QDQ,
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            per_channel=scheme.per_channel,
            reduce_range=reduce_range,
            calibrate_method=method[scheme.calibration],
            nodes_to_exclude=ends,
        )
        return ComputeGraph(target)


class _Reader:
    """Hands the calibrator one example at a time, as its interface wants."""

    def __init__(self, samples: Split) -> None:
        self._batches: Iterator[Split] = samples.batches(1)

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._batches, None)
        return dict(batch.inputs) if batch is not None else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizer's advice about its own pre-processing out of the user's terminal."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
