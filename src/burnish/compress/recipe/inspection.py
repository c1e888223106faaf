"""What quantization does to each tensor of a file: its range, what lies outside, the scales, the noise."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.ranges import CALIBRATORS, Histogram, merged, range_of
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.resume import Facts
from burnish.runtime.intermediates import exposed, probe_points
from burnish.runtime.session import open_session

_BINS = 96
_BATCH = 8
_INTEGERS = {
    ir.DataType.INT4: (-8, 7),
    ir.DataType.UINT4: (0, 15),
    ir.DataType.INT8: (-128, 127),
    ir.DataType.UINT8: (0, 255),
    ir.DataType.INT16: (-32768, 32767),
    ir.DataType.UINT16: (0, 65535),
}


@dataclass(frozen=True, slots=True)
class ActivationFacts:
    """One activation that a file quantizes, as examples made it."""

    name: str
    node: str
    """Operator that reads it."""
    low: float
    """Lowest number that its integers stand for."""
    high: float
    """Highest number that its integers stand for: where larger ones are cut off."""
    scale: float
    minimum: float
    """Of the examples."""
    maximum: float
    clipped: float
    """Share of the numbers outside the range."""
    sqnr_db: float | None
    """Signal over quantization noise, in decibel; None where nothing is lost."""
    edges: tuple[float, ...]
    """Of the histogram's bins, one more than there are bins."""
    counts: tuple[int, ...]
    """Numbers in each bin."""
    ranges: dict[str, tuple[float, float]]
    """What each calibrator would keep of these numbers, by its name."""


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """The scales of one weight that a file stores as integers."""

    name: str
    bits: int
    channels: int
    """Number of scales: one, or one a channel or block."""
    smallest: float
    median: float
    largest: float


@dataclass(frozen=True, slots=True)
class _Grid:
    """How one activation is quantized."""

    value: str
    reader: str
    scale: float
    zero_point: int
    low: int
    high: int

    def dequantized(self, x: Array) -> Array:
        integers: Array = np.clip(np.rint(x / self.scale) + self.zero_point, self.low, self.high)
        return (integers - self.zero_point) * self.scale

    def limit(self, integer: int) -> float:
        return (integer - self.zero_point) * self.scale

    def rectified(self, x: Array) -> Array:
        """Return what is quantized: a range that begins at 0 stands for the ReLU before it as well."""
        return np.maximum(x, 0) if self.low == self.zero_point else x


def inspect(graph: ComputeGraph, samples: Split) -> Facts:
    """Look at every quantized tensor of a QDQ graph.

    Args:
        graph: Quantized; one without QuantizeLinear nodes has no activations to show.
        samples: Examples, such as those of the calibration.

    Returns:
        ``activations`` and ``weights``: facts as plain data, in the order of the graph.

    Cost: one pass over the samples, and the search of each calibrator for each activation.
    """
    grids = list(_grids(graph))
    return {
        "activations": [asdict(one) for one in _activations(graph, grids, samples)],
        "weights": [asdict(one) for one in _weights(graph)],
    }


def _activations(graph: ComputeGraph, grids: list[_Grid], samples: Split) -> list[ActivationFacts]:
    if not grids:
        return []
    seen = {grid.value: _Seen(grid) for grid in grids}
    for values in _values(graph, grids, samples):
        for name, array in values.items():
            seen[name].add(array)
    return [one.facts() for one in seen.values() if one.histogram.total]


class _Seen:
    """What the examples showed of one activation so far."""

    def __init__(self, grid: _Grid) -> None:
        self.histogram = merged([])
        self._grid = grid
        self._clipped = 0
        self._signal = self._noise = 0.0

    def add(self, x: Array) -> None:
        grid = self._grid
        self.histogram = self.histogram.merge(Histogram.of(x))
        half = grid.scale / 2
        self._clipped += int(((x < grid.limit(grid.low) - half) | (x > grid.limit(grid.high) + half)).sum())
        self._signal += float(np.square(x, dtype=np.float64).sum())
        self._noise += float(np.square(x - grid.dequantized(x), dtype=np.float64).sum())

    def facts(self) -> ActivationFacts:
        grid, histogram = self._grid, self.histogram
        ratio = self._signal / self._noise if self._noise and self._signal else None
        edges, counts = histogram.coarse(_BINS)
        ranges = {name: range_of(histogram, name) for name in CALIBRATORS}
        return ActivationFacts(
            name=grid.value,
            node=grid.reader,
            low=grid.limit(grid.low),
            high=grid.limit(grid.high),
            scale=grid.scale,
            minimum=histogram.minimum,
            maximum=histogram.maximum,
            clipped=self._clipped / histogram.total,
            sqnr_db=None if ratio is None else float(10 * np.log10(ratio)),
            edges=tuple(edges),
            counts=tuple(counts),
            ranges={name: (found.low, found.high) for name, found in ranges.items()},
        )


def _values(graph: ComputeGraph, grids: list[_Grid], samples: Split) -> Iterator[dict[str, Array]]:
    """Yield the activations before they are quantized, a few examples at a time."""
    by_value = {grid.value: grid for grid in grids}
    wanted = set(by_value)
    inputs = wanted & set(graph.signature.input_names)
    points = [p for p in probe_points(graph, samples.take(np.arange(1)).inputs) if p.value in wanted]
    with open_session(exposed(graph, points)) as session:
        for batch in samples.batches(_BATCH):
            outputs = session.run(batch.inputs)
            found = {point.value: outputs[point.value] for point in points}
            found |= {name: batch.inputs[name] for name in inputs}
            yield {name: by_value[name].rectified(array) for name, array in found.items()}


def _grids(graph: ComputeGraph) -> Iterator[_Grid]:
    """Find the QuantizeLinear nodes of activations with one fixed scale, each activation once."""
    done: set[str] = set()
    for node in graph.model.graph:
        if (
            node.op_type != "QuantizeLinear"
            or node.inputs[0] is None
            or _constant(node.inputs[0]) is not None
        ):
            continue
        scale, kind = _constant(node.inputs[1]), node.outputs[0].dtype or ir.DataType.UINT8
        zero = _constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
        name = node.inputs[0].name or ""
        if scale is None or zero is None or scale.size != 1 or kind not in _INTEGERS or name in done:
            continue
        done.add(name)
        kind = kind if len(node.inputs) < 3 or node.inputs[2] is None else node.inputs[2].dtype or kind
        low, high = _INTEGERS.get(kind, (0, 255))
        yield _Grid(name, _reader(node), float(scale.item()), int(zero.item()), low, high)


def _reader(node: ir.Node) -> str:
    """Return the operator that computes with what a QuantizeLinear node gives."""
    for user in node.outputs[0].consumers():
        if user.op_type != "DequantizeLinear":
            return f"{user.op_type} {user.name or ''}".strip()
        for reader in user.outputs[0].consumers():
            return f"{reader.op_type} {reader.name or ''}".strip()
    return "output"


def _weights(graph: ComputeGraph) -> Iterator[WeightFacts]:
    for node in graph.model.graph:
        if node.op_type != "DequantizeLinear" or node.inputs[0] is None:
            continue
        stored, scale = node.inputs[0].const_value, _constant(node.inputs[1])
        if stored is None or scale is None or stored.dtype not in _INTEGERS:
            continue
        yield WeightFacts(
            node.inputs[0].name or "",
            stored.dtype.bitwidth,
            int(scale.size),
            float(scale.min()),
            float(np.median(scale)),
            float(scale.max()),
        )


def _constant(value: ir.Value | None) -> Array | None:
    tensor = ir.convenience.get_const_tensor(value) if value is not None else None
    return None if tensor is None else tensor.numpy()
