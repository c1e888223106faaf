"""From how often numbers occur to the range of them that is kept."""

from typing import Literal, get_args

import numpy as np

from burnish.compress.quantize.ranges.grid import Grid, Range
from burnish.compress.quantize.ranges.histogram import Histogram
from burnish.compress.quantize.ranges.objectives import divergence, squared_error
from burnish.compress.quantize.ranges.search import best_range
from burnish.errors import ConfigError, nearest

Calibrator = Literal["minmax", "percentile", "mse", "kl"]
CALIBRATORS: tuple[Calibrator, ...] = get_args(Calibrator)

_ASYMMETRIC = Grid()


def range_of(
    histogram: Histogram,
    calibration: Calibrator,
    *,
    grid: Grid = _ASYMMETRIC,
    percentile: float = 99.99,
) -> Range:
    """Return the range that a tensor keeps when it is quantized.

    Args:
        histogram: The tensor's numbers.
        calibration: ``minmax`` keeps all of them; ``percentile`` drops equal shares of the lowest and the highest;
            ``mse`` makes the mean squared error least; ``kl`` the divergence of the distributions.
        grid: The integers that the range is going to be mapped to.
        percentile: Percent of the numbers that are kept (``percentile``).

    Returns:
        A range that holds zero and lies within what occurs (symmetric about zero on a symmetric grid).

    Raises:
        ConfigError: No calibrator has this name.

    Cost: some 500 passes over the bins for ``mse`` and ``kl``.

    >>> import numpy as np
    >>> numbers = np.append(np.linspace(0, 1, 100_000), 50.0)
    >>> [round(range_of(Histogram.of(numbers), name).high, 1) for name in CALIBRATORS]
    [50.0, 1.0, 47.7, 3.9]
    """
    if calibration not in CALIBRATORS:
        raise ConfigError(f"unknown calibration {calibration!r}", hint=nearest(calibration, CALIBRATORS))
    if calibration == "mse":
        return best_range(histogram, grid, squared_error)
    if calibration == "kl":
        return best_range(histogram, grid, divergence)
    share = 0.0 if calibration == "minmax" else (100.0 - percentile) / 100.0
    return _without(histogram, share, symmetric=grid.symmetric)


def _without(histogram: Histogram, share: float, *, symmetric: bool) -> Range:
    """Return a range beyond which at most a share of the numbers lies."""
    low, high = min(histogram.minimum, 0.0), max(histogram.maximum, 0.0)
    if symmetric:
        end = _reach(np.abs(histogram.centers), histogram, share, max(-low, high))
        return Range(-end, end)
    above = _reach(histogram.centers, histogram, share / 2, high)
    below = _reach(-histogram.centers, histogram, share / 2, -low)
    return Range(-below, above)


def _reach(position: np.ndarray, histogram: Histogram, share: float, extreme: float) -> float:
    """Return how far out one must go so that at most a share of all numbers lies further out."""
    if extreme == 0 or share == 0:
        return extreme
    order = np.argsort(position, kind="stable")
    further = np.cumsum(histogram.counts[order][::-1])[::-1]
    allowed = share * histogram.total
    kept = np.flatnonzero(further > allowed)
    reach = position[order[kept[-1]]] + histogram.width / 2 if kept.size else 0.0
    return float(np.clip(reach, 0.0, extreme))
