"""The range that loses least, found among those that end at fractions of what occurs."""

import numpy as np

from burnish.compress.quantize.ranges.grid import Grid, Range
from burnish.compress.quantize.ranges.histogram import Histogram
from burnish.compress.quantize.ranges.objectives import Objective

_STEPS = 128
"""Candidate ends on each side, evenly spaced."""
_ROUNDS = 3


def best_range(histogram: Histogram, grid: Grid, objective: Objective) -> Range:
    """Return the candidate range with the least loss; of equals the widest.

    First both ends shrink together. On a grid that need not be symmetric, each end is then moved by itself,
    a few times in turn, as long as the loss falls.

    Args:
        histogram: The numbers.
        grid: Where they are going.
        objective: What is lost.
    """
    low, high = _extremes(histogram, grid)
    if low == high:
        return Range(low, high)

    def loss(below: float, above: float) -> float:
        return objective(histogram, Range(low * below, high * above), grid)

    fractions = candidates()
    below = above = min(fractions, key=lambda f: loss(f, f))
    if not grid.symmetric and low < 0 < high:
        for _ in range(_ROUNDS):
            before = (below, above)
            below = min((below, *fractions), key=lambda f: loss(f, above))
            above = min((above, *fractions), key=lambda f: loss(below, f))
            if (below, above) == before:
                break
    return Range(low * below, high * above)


def candidates() -> tuple[float, ...]:
    """Return the fractions of an end that are tried, the whole first."""
    return tuple(float(fraction) for fraction in np.arange(_STEPS, 0, -1) / _STEPS)


def _extremes(histogram: Histogram, grid: Grid) -> tuple[float, float]:
    low, high = min(histogram.minimum, 0.0), max(histogram.maximum, 0.0)
    if grid.symmetric:
        high = max(-low, high)
        low = -high
    return low, high
