"""Estimates with intervals: a gate compares intervals, never points."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval around it."""

    value: float
    low: float
    high: float
    n: int
    """Observations behind it."""
    level: float = 0.95

    def scaled(self, factor: float) -> "Interval":
        """Return the same interval in another unit.

        >>> Interval(0.5, 0.4, 0.6, n=100).scaled(100)
        Interval(value=50.0, low=40.0, high=60.0, n=100, level=0.95)
        """
        return Interval(self.value * factor, self.low * factor, self.high * factor, self.n, self.level)


def proportion_interval(successes: float, n: int, *, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion.

    Args:
        successes: Sum of scores, each in [0, 1]; for scores that are not 0 or 1 the interval is conservative.
        n: Number of scores, at least 1.
        level: Confidence level.

    References:
        Wilson 1927, JASA 22(158).

    >>> interval = proportion_interval(95, 100)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.888, 0.978)
    """
    if n < 1:
        raise ValueError("a proportion needs at least one observation")
    z = _z(level)
    p = successes / n
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, center - half), min(1.0, center + half), n, level)


def paired_difference(a: Floats, b: Floats, *, level: float = 0.95) -> Interval:
    """Return the interval of mean(b) - mean(a) for scores of the same examples.

    Half a pseudo-pair in each cell of the 2x2 table (Agresti and Min) keeps equal answers on every example
    from claiming an interval of width zero.

    Args:
        a: Scores in [0, 1], one an example.
        b: Scores of the same examples in the same order.
        level: Confidence level.

    References:
        Agresti and Min 2005, Statistics in Medicine 24(5): intervals for matched pairs.
    """
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"paired scores must be two equal non-empty vectors, got {a.shape} and {b.shape}")
    difference = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    total = difference.size + 2  # of the two pseudo-pairs, one is discordant, half in each direction
    mean = difference.sum() / total
    spread = (np.square(difference).sum() + 1.0) / total - mean * mean
    half = _z(level) * math.sqrt(max(spread, 0.0) / total)
    return Interval(
        float(difference.mean()), max(-1.0, float(mean - half)), min(1.0, float(mean + half)), a.size, level
    )


def bootstrap_median(samples: Floats, *, level: float = 0.95, seed: int = 0, rounds: int = 2000) -> Interval:
    """Return the median of samples with its percentile bootstrap interval."""
    data = np.asarray(samples, np.float64)
    if not data.size:
        raise ValueError("a median needs at least one sample")
    draws = np.random.default_rng(seed).choice(data, size=(rounds, data.size))
    return _percentiles(float(np.median(data)), np.median(draws, axis=1), data.size, level)


def bootstrap_ratio(
    numerator: Floats, denominator: Floats, *, level: float = 0.95, seed: int = 0, rounds: int = 2000
) -> Interval:
    """Return median(numerator) / median(denominator) of interleaved rounds with its bootstrap interval.

    Rounds are drawn in pairs, so that a slow moment of the machine, which hits both, cancels out.
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if above.shape != below.shape or not above.size:
        raise ValueError(f"a ratio needs equally many rounds of both, got {above.size} and {below.size}")
    picks = np.random.default_rng(seed).integers(above.size, size=(rounds, above.size))
    draws = np.median(above[picks], axis=1) / np.median(below[picks], axis=1)
    return _percentiles(float(np.median(above) / np.median(below)), draws, above.size, level)


def _percentiles(value: float, draws: Floats, n: int, level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n, level)


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, got {level}")
    return float(ndtri((1 + level) / 2))
