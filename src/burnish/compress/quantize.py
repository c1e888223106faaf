"""Post-training quantization to INT8 in the form that every engine here reads: QDQ nodes in ONNX."""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from burnish.errors import InputError, UnsupportedOpError
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.machine import fingerprint

_MULTIPLYING = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantScheme:
    """How numbers become 8-bit integers."""

    calibration: Literal["minmax", "percentile"] = "minmax"
    """How the range of an activation is found from the samples."""
    samples: int = 256
    """Calibration examples, taken from the front of the split."""
    per_channel: bool = True
    """A scale for each output channel of a weight."""
    reduce_range: bool | None = None
    """7-bit weights; None decides by the machine: on AVX2 without VNNI, 8-bit products saturate."""
    keep_ends_float: bool = False
    """Leave the first and the last multiplying node in floating point."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, got {self.samples}")


def quantize(graph: ComputeGraph, samples: Split, scheme: QuantScheme | None = None) -> ComputeGraph:
    """Quantize weights and activations after training.

    Args:
        graph: Float graph; not changed.
        samples: Calibration examples, preprocessed as at inference; never the examples that will judge.
        scheme: How; None for the defaults.

    Returns:
        A graph with QuantizeLinear and DequantizeLinear nodes, which engines fuse into integer kernels.

    Raises:
        InputError: There are no samples, or a sample is not finite.
        UnsupportedOpError: The graph has nothing that can be quantized.

    Cost: one float pass per sample.

    References:
        Jacob et al. 2018, arXiv:1712.05877.
    """
    scheme = scheme or QuantScheme()
    nodes = [node for node in graph.model.graph if node.op_type in _MULTIPLYING]
    if not nodes:
        raise UnsupportedOpError(f"the graph has none of {', '.join(_MULTIPLYING)}: nothing to quantize")
    _check_samples(samples, scheme)
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
            _Reader(samples, scheme.samples),
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

    def __init__(self, samples: Split, limit: int) -> None:
        count = min(limit, len(samples))
        self._batches: Iterator[Split] = samples.take(np.arange(count)).batches(1)

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._batches, None)
        return dict(batch.inputs) if batch is not None else None


def _check_samples(samples: Split, scheme: QuantScheme) -> None:
    if len(samples) == 0:
        raise InputError("calibration needs at least one example", hint="give data of the training split")
    for name, array in samples.take(np.arange(min(len(samples), scheme.samples))).inputs.items():
        if array.dtype.kind != "f":
            continue
        bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if bad.any():
            raise InputError(
                f"calibration input {name!r} is not finite in {int(bad.sum())} examples, "
                f"first in example {int(bad.argmax())}",
                hint="clean the data: one NaN would spoil every range",
            )


class _quiet:  # noqa: N801 - used as a verb in a with statement
    """Keep the quantizer's advice about its own pre-processing out of the user's terminal."""

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.ERROR)

    def __exit__(self, *_: Any) -> None:
        logging.getLogger().setLevel(self._level)
