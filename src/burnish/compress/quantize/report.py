"""What quantization did: the range of every tensor, and what stayed in floating point and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.fitting import Fitted
from burnish.compress.quantize.ranges import Grid, Histogram
from burnish.graph import ComputeGraph
from burnish.graph.fusion.values import attribute, constant
from burnish.graph.signature import Array

_CHART_BINS = 256


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """How one activation is put on integers."""

    name: str
    low: float
    """Numbers below are clipped to it."""
    high: float
    """Numbers above are clipped to it."""
    scale: float
    """Step between two integers."""
    zero_point: int
    """The integer that stands for zero."""
    calibration: str
    """Calibrator that found the range."""
    histogram: Histogram
    """The numbers that the calibration examples made."""

    @property
    def clipped(self) -> float:
        """Part of the numbers that lies beyond the range, as far as the bins tell."""
        middles = self.histogram.centers
        beyond = self.histogram.counts[(middles < self.low) | (middles > self.high)]
        return int(beyond.sum()) / max(self.histogram.total, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for a report: the histogram in few enough bins to draw."""
        edges, counts = self.histogram.coarse(_CHART_BINS)
        return {
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "scale": self.scale,
            "zero_point": self.zero_point,
            "calibration": self.calibration,
            "clipped": self.clipped,
            "minimum": self.histogram.minimum,
            "maximum": self.histogram.maximum,
            "edges": edges,
            "counts": counts,
        }


@dataclass(frozen=True, slots=True)
class WeightRecord:
    """How one weight is put on integers."""

    name: str
    node: str
    """Name of the node that multiplies by it."""
    scales: tuple[float, ...]
    """Steps between two integers: one an output channel, or one for all."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for a report."""
        return {"name": self.name, "node": self.node, "scales": list(self.scales)}


@dataclass(frozen=True, slots=True)
class QuantReport:
    """What quantization did to a graph."""

    kept: dict[str, str]
    """Multiplying nodes that stayed in floating point, each with the reason."""
    activation: Literal["uint8", "int8", ""] = ""
    """Integers of activations; empty where these stay in floating point, or get their ranges at each call."""
    reduce_range: bool = False
    """Weights have 7 bits."""
    activations: tuple[ActivationRecord, ...] = ()
    """In the order of the graph."""
    weights: tuple[WeightRecord, ...] = ()
    """In the order of the graph."""
    notes: tuple[str, ...] = field(default=())
    """What could not be done as asked, in words."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for a report."""
        return {
            "kept": dict(self.kept),
            "activation": self.activation,
            "reduce_range": self.reduce_range,
            "activations": [record.to_dict() for record in self.activations],
            "weights": [record.to_dict() for record in self.weights],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized graph and what was done to it."""

    graph: ComputeGraph
    report: QuantReport


def activation_records(
    graph: ComputeGraph,
    fitted: Fitted,
    histograms: Mapping[str, Histogram],
    grid: Grid,
) -> tuple[ActivationRecord, ...]:
    """Record the activations that a quantized graph really puts on integers.

    Args:
        graph: The quantized graph.
        fitted: Range of each tensor, by its name in the float graph.
        histograms: Of each tensor.
        grid: The integers.
    """
    stored = {name for name in graph.model.graph.initializers if name is not None}
    records = []
    for name, kept in fitted.ranges.items():
        if f"{name}_scale" in stored:
            scale, zero = grid.scale_and_zero(kept)
            records.append(
                ActivationRecord(
                    name, kept.low, kept.high, scale, zero, fitted.calibrations[name], histograms[name]
                )
            )
    return tuple(records)


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """A weight as a quantized graph has it."""

    name: str
    node: str
    numbers: Array
    """The floating-point numbers that its integers stand for."""
    scales: Array


def stored_weights(graph: ir.Graph) -> list[StoredWeight]:
    """Return the weights of multiplying nodes that a quantized graph holds as integers."""
    found = []
    for node in graph:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        value = node.inputs[1]
        maker = value.producer() if value is not None else None
        if maker is None or maker.op_type != "DequantizeLinear":
            continue
        integers, scales = constant(maker.inputs[0]), constant(maker.inputs[1])
        if integers is None or scales is None or maker.inputs[0] is None:
            continue
        axis = attribute(maker, "axis", 1) % max(integers.ndim, 1)
        shape = [-1 if one == axis else 1 for one in range(integers.ndim)] if scales.ndim else []
        numbers = integers.astype(np.float32) * scales.reshape(shape)
        name = (maker.inputs[0].name or "").removesuffix("_quantized")
        found.append(StoredWeight(name, node.name or "", numbers, scales.reshape(-1)))
    return found


def weight_records(graph: ComputeGraph) -> tuple[WeightRecord, ...]:
    """Record the weights that a quantized graph holds as integers."""
    return tuple(
        WeightRecord(weight.name, weight.node, tuple(map(float, weight.scales)))
        for weight in stored_weights(graph.model.graph)
    )
