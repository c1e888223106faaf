"""A histogram that merges exactly: that of two batches is that of both at once, in any order."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.errors import InputError

_CHUNK = 1 << 18
_FINEST = 30
"""Bins are never finer than the largest number by this power of two, so that their indices stay small integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How often numbers occur, in bins whose width is a power of two and whose edges are its multiples.

    The width follows from the smallest and the largest number alone, and a wider bin is always a pair of narrower
    ones: this is why merging loses nothing. Exact zeros have no bin: every quantization grid holds zero, so that
    they can take no error, and after a ReLU they would hide everything else.
    """

    bins: int
    """Fineness: between this number and twice as many bins cover the numbers."""
    exponent: int
    """Bins are ``2 ** exponent`` wide."""
    first: int
    """Index of the first bin; bin ``i`` holds numbers from ``i * width`` up to but without ``(i + 1) * width``."""
    counts: NDArray[np.int64]
    """Numbers in each bin; empty when there is none but zeros."""
    minimum: float
    """Smallest number; 0 when there is none but zeros."""
    maximum: float
    """Largest number; 0 when there is none but zeros."""
    zeros: int
    """Numbers that are exactly zero."""

    @classmethod
    def of(cls, numbers: NDArray[Any], *, bins: int = 2048) -> "Histogram":
        """Count an array of any shape.

        Args:
            numbers: What to count, within what float32 can hold.
            bins: Fineness; more than the levels of the grid that the numbers are going to be put on.

        Raises:
            InputError: A number is not finite.
        """
        flat = np.asarray(numbers).reshape(-1)
        parts = (flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK))
        return merged([cls._of_chunk(part, bins) for part in parts], bins=bins)

    @classmethod
    def _of_chunk(cls, numbers: NDArray[Any], bins: int) -> "Histogram":
        zeros = numbers.size - int(np.count_nonzero(numbers))
        some = numbers[numbers != 0] if zeros else numbers
        if some.size == 0:
            return cls(bins, 0, 0, np.zeros(0, np.int64), 0.0, 0.0, zeros)
        low, high = float(some.min()), float(some.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("a histogram takes finite numbers only", hint="look for NaN and overflow")
        exponent = _exponent(low, high, bins)
        indices = np.floor(some * np.ldexp(1.0, -exponent)).astype(
            np.int64
        )  # exact: float64 times a power of 2
        first = int(indices.min())
        return cls(bins, exponent, first, np.bincount(indices - first), low, high, zeros)

    def merge(self, other: "Histogram") -> "Histogram":
        """Return the histogram of the numbers of both; exact.

        Raises:
            ValueError: The two differ in fineness.
        """
        if self.bins != other.bins:
            raise ValueError(f"histograms of {self.bins} and {other.bins} bins cannot be merged")
        if self.counts.size == 0 or other.counts.size == 0:
            some, zeros = (other, self.zeros) if self.counts.size == 0 else (self, other.zeros)
            return _with_zeros(some, some.zeros + zeros)
        low, high = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        exponent = _exponent(low, high, self.bins)
        one, two = self._coarser(exponent), other._coarser(exponent)
        first = min(one[0], two[0])
        counts = np.zeros(max(start + part.size for start, part in (one, two)) - first, np.int64)
        for start, part in (one, two):
            counts[start - first : start - first + part.size] += part
        return Histogram(self.bins, exponent, first, counts, low, high, self.zeros + other.zeros)

    @property
    def width(self) -> float:
        """Width of a bin."""
        return float(np.ldexp(1.0, self.exponent))

    @property
    def total(self) -> int:
        """All numbers, zeros included."""
        return int(self.counts.sum()) + self.zeros

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins, one more than there are bins."""
        return np.asarray((self.first + np.arange(self.counts.size + 1)) * self.width, np.float64)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middle of each bin, moved to lie between the smallest and the largest number."""
        middles = (self.first + np.arange(self.counts.size) + 0.5) * self.width
        return np.asarray(np.clip(middles, self.minimum, self.maximum), np.float64)

    def coarse(self, bins: int) -> tuple[list[float], list[int]]:
        """Return edges and counts in at most this many bins, and one, for a chart; zeros are counted in their bin."""
        if self.counts.size == 0:
            return [0.0, 1.0], [self.zeros]
        begin, end = self.first, self.first + self.counts.size
        if self.zeros:
            begin, end = min(begin, 0), max(end, 1)
        shift = max(0, (end - begin - 1) // bins).bit_length()
        first, counts = self._coarser(self.exponent + shift)
        begin, end = begin >> shift, ((end - 1) >> shift) + 1
        whole = np.zeros(end - begin, np.int64)
        whole[first - begin : first - begin + counts.size] = counts
        if self.zeros:
            whole[-begin] += self.zeros
        edges = np.ldexp((begin + np.arange(whole.size + 1)).astype(np.float64), self.exponent + shift)
        return edges.tolist(), whole.tolist()

    def _coarser(self, exponent: int) -> tuple[int, NDArray[np.int64]]:
        """Return index of the first bin and counts, in bins of a width that is not below this one's."""
        shift = exponent - self.exponent
        indices = (self.first + np.arange(self.counts.size)) >> shift
        first = int(indices[0])
        counts = np.zeros(int(indices[-1]) - first + 1, np.int64)
        np.add.at(counts, indices - first, self.counts)
        return first, counts


def merged(histograms: list[Histogram], *, bins: int = 2048) -> Histogram:
    """Return the histogram of the numbers of all; empty for none."""
    empty = Histogram(bins, 0, 0, np.zeros(0, np.int64), 0.0, 0.0, 0)
    return reduce(Histogram.merge, histograms, empty)


def _with_zeros(histogram: Histogram, zeros: int) -> Histogram:
    return Histogram(
        histogram.bins,
        histogram.exponent,
        histogram.first,
        histogram.counts,
        histogram.minimum,
        histogram.maximum,
        zeros,
    )


def _exponent(low: float, high: float, bins: int) -> int:
    """Return the exponent of the narrowest width at which at most ``2 * bins`` bins hold all from low to high.

    It never falls when the interval grows, which is what makes merging exact.
    """
    finest = int(np.frexp(max(abs(low), abs(high)))[1]) - _FINEST
    exponent = max(finest, int(np.frexp((high - low) / (2 * bins))[1]) - 2 if high > low else finest)
    while np.floor(np.ldexp(high, -exponent)) - np.floor(np.ldexp(low, -exponent)) >= 2 * bins:
        exponent += 1
    return exponent
