"""Looking at activations while calibration examples pass through a float graph."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from burnish.compress.quantize.ranges import Histogram
from burnish.errors import InputError
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime import SessionOptions
from burnish.runtime.intermediates import exposed, probe_points

_BATCH_BYTES = 128 * 2**20
"""What the activations of one batch may take."""
_LARGEST_BATCH = 32
_HUGE = 1e30
"""Beyond it lie stand-ins for infinity, such as attention masks: no grid of 256 levels holds them and the rest."""


@dataclass(frozen=True, slots=True)
class Channels:
    """What the channels of one activation hold."""

    largest: NDArray[np.float64]
    """Largest magnitude of each channel."""
    mean: NDArray[np.float64]
    """Mean of each channel."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the activations of a graph hold."""

    histograms: dict[str, Histogram]
    """Of each tensor that can be given a range."""
    channels: dict[str, Channels]
    """Of each tensor that was asked for by channel."""
    ruined: dict[str, str]
    """Tensors that cannot be given a range, each with the reason."""


def batches(graph: ComputeGraph, samples: Split, size: int) -> Iterator[Split]:
    """Yield batches that the graph takes: of this size, or of its own when that is fixed.

    Raises:
        ShapeError: The samples do not fit the graph.
        InputError: There are fewer samples than the graph's fixed batch.
    """
    fixed = {
        spec.shape[0] for spec in graph.signature.inputs if spec.shape and isinstance(spec.shape[0], int)
    }
    if not fixed:
        graph.signature.check(samples.inputs)
        yield from samples.batches(size)
        return
    size = max(fixed)
    if len(samples) < size:
        raise InputError(
            f"calibration: the graph takes batches of {size} and there are {len(samples)} examples",
            hint="give more examples, or capture the graph with a symbolic batch",
        )
    for batch in samples.batches(size):
        if len(batch) == size:
            graph.signature.check(batch.inputs)
            yield batch


def observe(
    graph: ComputeGraph,
    tensors: Iterable[str],
    samples: Split,
    *,
    bins: int,
    by_channel: Mapping[str, int] | None = None,
) -> Observed:
    """Run samples through a graph and look at tensors inside it.

    Args:
        graph: Float graph.
        tensors: Names of the activations to look at, inputs of the graph among them.
        samples: Calibration examples.
        bins: Fineness of the histograms.
        by_channel: Axis of the channels of the tensors that are to be told apart by them.

    Returns:
        What was seen, exactly: in any order and batch size the same histograms.

    Raises:
        ShapeError: The samples do not fit the graph.
        InputError: An activation is NaN; the text names the example.

    Cost: one float pass a sample, and one histogram a tensor.
    """
    by_channel = by_channel or {}
    wanted = list(dict.fromkeys((*tensors, *by_channel)))
    first = next(batches(graph, samples, 1)).inputs
    points = {p.value: p for p in probe_points(graph, first) if p.dtype == ir.DataType.FLOAT}
    inside = [points[name] for name in wanted if name in points]
    looking = exposed(graph, inside)
    each = sum(point.nbytes for point in inside) // max(len(next(iter(first.values()))), 1)
    seen = _Seen(bins, by_channel)
    done = 0
    for batch in batches(graph, samples, max(1, min(_LARGEST_BATCH, _BATCH_BYTES // max(each, 1)))):
        given = looking.infer(batch.inputs, backend="onnxruntime", options=SessionOptions())
        for name in wanted:
            array = given[name] if name in given else batch.inputs.get(name)
            if array is not None:
                seen.take(name, array, done, len(batch))
        done += len(batch)
    looking.close()
    return seen.result(wanted)


class _Seen:
    """Gathers what the batches hold."""

    def __init__(self, bins: int, by_channel: Mapping[str, int]) -> None:
        self._bins, self._axes = bins, by_channel
        self._histograms: dict[str, Histogram] = {}
        self._ruined: dict[str, str] = {}
        self._largest: dict[str, Array] = {}
        self._sums: dict[str, Array] = {}
        self._counts: dict[str, int] = {}

    def take(self, name: str, array: Array, done: int, batch: int) -> None:
        if name in self._ruined:
            return
        if array.dtype != np.float32:
            self._ruined[name] = f"is {array.dtype}, not float32"
            return
        largest = float(np.abs(array).max(initial=0.0))
        if np.isnan(largest):
            raise InputError(_where(name, array, done, batch), hint="run the float graph on it and look")
        if largest > _HUGE:
            self._ruined[name] = "holds stand-ins for infinity, as masks do"
            return
        histogram = Histogram.of(array, bins=self._bins)
        earlier = self._histograms.get(name)
        self._histograms[name] = histogram if earlier is None else earlier.merge(histogram)
        if name in self._axes and array.ndim > self._axes[name] and array.size:
            self._by_channel(name, array)

    def _by_channel(self, name: str, array: Array) -> None:
        flat = np.moveaxis(array, self._axes[name], -1)
        flat = flat.reshape(-1, flat.shape[-1])
        largest, total = np.abs(flat).max(axis=0), flat.sum(axis=0, dtype=np.float64)
        self._largest[name] = np.maximum(self._largest.get(name, 0.0), largest)
        self._sums[name] = self._sums.get(name, 0.0) + total
        self._counts[name] = self._counts.get(name, 0) + len(flat)

    def result(self, wanted: list[str]) -> Observed:
        for name in wanted:
            if name not in self._histograms:
                self._ruined.setdefault(name, "cannot be looked at: its shape is unknown")
        kept = {name: seen for name, seen in self._histograms.items() if name not in self._ruined}
        channels = {
            name: Channels(self._largest[name].astype(np.float64), self._sums[name] / self._counts[name])
            for name in self._sums
            if name in kept
        }
        return Observed(kept, channels, self._ruined)


def _where(name: str, array: Array, done: int, batch: int) -> str:
    """Say which example makes a tensor NaN."""
    text = f"calibration: the activation {name!r} is NaN"
    if array.ndim == 0 or len(array) != batch:
        return f"{text} for examples {done} to {done + batch - 1}"
    bad = np.isnan(array.reshape(batch, -1)).any(axis=1)
    return f"{text} for example {done + int(bad.argmax())}"
