"""From what activations hold to the range of each, by one calibrator or by the one that suits each tensor best."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from burnish.compress.quantize.observe import batches
from burnish.compress.quantize.ranges import CALIBRATORS, Calibrator, Grid, Histogram, Range, range_of
from burnish.compress.quantize.scheme import QuantScheme
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime import SessionOptions

_JUDGES = 32
"""Calibration examples by which the calibrators of a tensor are compared."""
_SURE = 1.0
"""Standard errors by which a calibrator has to be better over the examples; less may be their chance."""
_ALIKE = 0.01
"""Ranges whose steps differ by less than this part are not compared again."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Ranges and how they were found."""

    ranges: dict[str, Range]
    calibrations: dict[str, Calibrator]


def fit(
    histograms: Mapping[str, Histogram], calibration: Calibrator, scheme: QuantScheme, grid: Grid
) -> Fitted:
    """Give every tensor its range by one calibrator."""
    ranges = {
        name: range_of(histogram, calibration, grid=grid, percentile=scheme.percentile)
        for name, histogram in histograms.items()
    }
    return Fitted(ranges, dict.fromkeys(ranges, calibration))


def fit_each(
    graph: ComputeGraph,
    quantized: ComputeGraph,
    start: Fitted,
    histograms: Mapping[str, Histogram],
    samples: Split,
    scheme: QuantScheme,
    grid: Grid,
) -> Fitted:
    """Give every tensor the range with which the whole quantized network answers most like the float one.

    From the first tensor to the last, each calibrator's range is tried while all other tensors keep theirs, and the
    one that leaves the least squared error at the outputs stays, if it is better by more than chance. No range is
    taken on a tensor's word alone: what is best for its own numbers may be worst for what is made of them.

    Args:
        graph: The float graph.
        quantized: The same in integers, with the ranges of ``start``.
        start: Where to begin.
        histograms: Of each tensor.
        samples: Calibration examples; some of them are judges.
        scheme: Settings of the calibrators.
        grid: The integers.

    Cost: three passes a tensor over 32 examples, fewer where calibrators agree.
    """
    judges = _Judges(graph, quantized, samples, grid)
    ranges, calibrations = dict(start.ranges), dict(start.calibrations)
    now = judges.errors(ranges)
    for name in judges.tensors:
        tried, before = [ranges[name]], now
        for calibration in CALIBRATORS:
            candidate = range_of(histograms[name], calibration, grid=grid, percentile=scheme.percentile)
            if any(_alike(candidate, earlier, grid) for earlier in tried):
                continue
            tried.append(candidate)
            errors = judges.errors({**ranges, name: candidate})
            if errors.mean() < now.mean() and _surely_less(errors, before):
                now, ranges[name], calibrations[name] = errors, candidate, calibration
    judges.close()
    return Fitted(ranges, calibrations)


def _surely_less(errors: Array, before: Array) -> bool:
    """Tell whether errors fell by more than may be the chance of the examples."""
    gain = before - errors
    deviation = gain.std(ddof=1) if gain.size > 1 else 0.0
    return bool(gain.mean() > _SURE * deviation / np.sqrt(gain.size))


class _Judges:
    """Measures the error at the outputs of a quantized graph for any ranges, with the graph loaded once."""

    def __init__(self, graph: ComputeGraph, quantized: ComputeGraph, samples: Split, grid: Grid) -> None:
        self._grid = grid
        self._open, self.tensors = _with_scales_as_inputs(quantized)
        judging = batches(graph, samples, _JUDGES)
        self._inputs = dict(next(judging).inputs)
        self._answers = graph.infer(self._inputs, backend="onnxruntime")

    def errors(self, ranges: Mapping[str, Range]) -> Array:
        """Return the squared error of each example, relative to the outputs' own size, summed over the outputs."""
        given: dict[str, Array] = dict(self._inputs)
        for name in self.tensors:
            scale, zero = self._grid.scale_and_zero(ranges[name])
            given[f"{name}_scale"] = np.asarray(scale, np.float32)
            given[f"{name}_zero_point"] = np.asarray(zero, np.int8 if self._grid.symmetric else np.uint8)
        # no fusions: they are made for constant scales
        answers = self._open.infer(given, backend="onnxruntime", options=SessionOptions(optimization="basic"))
        each = [_relative_errors(answers[name], right) for name, right in self._answers.items()]
        size = min(errors.size for errors in each)
        return np.asarray(sum(errors.reshape(size, -1).mean(axis=1) for errors in each))

    def close(self) -> None:
        self._open.close()


def _relative_errors(answer: Array, right: Array) -> Array:
    """Return the squared error in each row of an output; 1 is as large as the rows are on average."""
    rows = right.reshape(len(right) if right.ndim else 1, -1).astype(np.float64)
    difference = answer.reshape(rows.shape).astype(np.float64) - rows
    size = np.square(rows).sum(axis=1).mean()
    return np.asarray(np.square(difference).sum(axis=1) / (size or 1.0))


def _with_scales_as_inputs(quantized: ComputeGraph) -> tuple[ComputeGraph, tuple[str, ...]]:
    """Return a quantized graph that is given its activations' scales and zero points, and their tensors' names."""
    model = quantized.model.clone()
    tensors: dict[str, None] = {}
    for node in list(model.graph):
        if node.op_type != "QuantizeLinear":
            continue
        for value in filter(None, node.inputs[1:]):
            name = value.name or ""
            tensors.setdefault(name.removesuffix("_scale").removesuffix("_zero_point"))
            if model.graph.initializers.pop(name, None) is not None:
                value.const_value = None
                model.graph.inputs.append(value)
    return ComputeGraph(model), tuple(tensors)


def _alike(one: Range, other: Range, grid: Grid) -> bool:
    """Tell whether two ranges come to nearly the same steps."""
    (a, zero_a), (b, zero_b) = grid.scale_and_zero(one), grid.scale_and_zero(other)
    return abs(a - b) <= _ALIKE * max(a, b) and abs(zero_a - zero_b) <= 1
