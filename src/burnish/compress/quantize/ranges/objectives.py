"""What a range costs, told from a histogram."""

from typing import Protocol

import numpy as np

from burnish.compress.quantize.ranges.grid import Grid, Range
from burnish.compress.quantize.ranges.histogram import Histogram

_SMALL = 1e-4
"""Probability given to a bin that a clipped distribution leaves empty, so that the divergence stays finite."""


class Objective(Protocol):
    """Tells how much is lost; the range that loses least wins."""

    def __call__(self, histogram: Histogram, kept: Range, grid: Grid) -> float:
        """Return the loss of keeping a range of these numbers on a grid."""
        ...


def squared_error(histogram: Histogram, kept: Range, grid: Grid) -> float:
    """Return the mean squared error of rounding and clipping; zeros are exact on every grid."""
    error = histogram.centers - grid.rounded(histogram.centers, kept)
    return float(np.dot(histogram.counts, error * error)) / max(histogram.total, 1)


def divergence(histogram: Histogram, kept: Range, grid: Grid) -> float:
    """Return the Kullback-Leibler divergence of what the grid can tell apart from what there was.

    The reference distribution counts what is clipped in the last bins that are kept. The candidate is what is left
    when the bins that fall on one level lose their differences: each level's count, without the clipped, is shared
    evenly by those of its bins that hold something.

    References:
        Migacz 2017, 8-bit inference with TensorRT, GTC.
    """
    centers, counts = histogram.centers, histogram.counts.astype(np.float64)
    inside = np.flatnonzero((centers >= kept.low) & (centers <= kept.high))
    if inside.size == 0:
        return float("inf")
    begin, end = int(inside[0]), int(inside[-1]) + 1
    reference = counts[begin:end].copy()
    reference[0] += counts[:begin].sum()
    reference[-1] += counts[end:].sum()
    level = grid.levels_of(centers[begin:end], kept) - grid.lowest
    some = reference > 0
    mass = np.bincount(level, weights=counts[begin:end], minlength=grid.levels)
    sharers = np.bincount(level, weights=some, minlength=grid.levels)
    candidate = np.where(some, mass[level] / np.maximum(sharers[level], 1), 0.0)
    p, q = reference[some], candidate[some]
    if q.sum() == 0:
        return float("inf")
    p, q = p / p.sum(), q / q.sum()
    q = np.where(q > 0, q, _SMALL)
    return float(np.sum(p * np.log(p / (q / q.sum()))))
