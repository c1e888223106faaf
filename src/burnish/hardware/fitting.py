"""Learning a smooth surface from scattered measurements: ridge regression, then a Gaussian process for the rest.

The regression (linear and quadratic in the features) carries trends, the process bends them where neighbouring
measurements agree that they should. Features are held within the range of the measurements, so that far outside
it the surface is that of the nearest edge.

References:
    Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapter 2 and section 5.4.2 (the error
    of leaving one measurement out, without another fit).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_LENGTHS = (0.5, 1.0, 2.0)
"""Of the process, in standard deviations of the features: how far a measurement speaks for its neighbours."""
_NOISES = (0.05, 0.2)
"""Of a measurement, as a share of the spread of all."""
_TREND = 0.2
"""Weight of the regression's prior beside the bend's: how freely trends may be steep."""
_SHARED = (0.3, 0.7)
"""How much of what measurements of one label tell holds for those of another, beside a constant."""


@dataclass(frozen=True, slots=True)
class Smoothness:
    """What is searched for: how a measurement speaks for others."""

    length: float
    noise: float
    shared: float


@dataclass(frozen=True, slots=True)
class Surface:
    """What was learned: predicts one number of a row of features and a label."""

    center: Floats
    scale: Floats
    low: Floats
    """Of the scaled features, over the measurements."""
    high: Floats
    points: Floats
    labels: Labels
    weights: Floats
    """Of the kernel around each point."""
    mean: float
    spread: float
    smoothness: Smoothness
    left_out: Floats
    """Prediction of each measurement by those of other groups, minus the measurement."""

    def __call__(self, features: Floats, labels: Labels | None = None) -> Floats:
        """Predict.

        Args:
            features: [rows, features].
            labels: Of each row; one that was never measured is like all others. None where all are of one.

        Returns:
            A number for each row.
        """
        labels = np.zeros(len(features), np.int64) if labels is None else labels
        rows = np.clip((features - self.center) / self.scale, self.low, self.high)
        same = labels[:, None] == self.labels[None, :]
        kernel = _kernel(_distances(rows, self.points), _products(rows, self.points), same, self.smoothness)
        predicted: Floats = self.mean + self.spread * kernel @ self.weights
        return predicted


def fit(
    features: Floats,
    values: Floats,
    *,
    labels: Labels | None = None,
    errors: Floats | None = None,
    groups: Labels | None = None,
    smoothness: Smoothness | None = None,
) -> Surface:
    """Learn a surface.

    Args:
        features: [measurements, features].
        values: A number for each measurement.
        labels: Of each: those of one label are alike beyond their features. None: all are of one.
        errors: Standard error of each value. None: they are exact.
        groups: Number of the group of each; measurements of one group are left out together. None: each is alone.
        smoothness: None takes that which predicts measurements best that were left out.

    Raises:
        ValueError: There are fewer than two groups.

    Cost: n^3 for n measurements and each smoothness tried, some milliseconds for a hundred.
    """
    labels = np.zeros(len(values), np.int64) if labels is None else labels
    errors = np.zeros(len(values)) if errors is None else errors
    groups = np.arange(len(values)) if groups is None else groups
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    if len(members) < 2:
        raise ValueError(f"a surface needs at least 2 groups of measurements, got {len(members)}")
    center, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    points = (features - center) / scale
    mean, spread = float(np.median(values)), float(max(values.std(), 1e-3))
    aims, doubts = (values - mean) / spread, (errors / spread) ** 2
    distances, products, same = (
        _distances(points, points), _products(points, points), labels[:, None] == labels[None, :]
    )  # fmt: skip
    best: tuple[float, Floats, Floats, Smoothness] | None = None
    for tried in [smoothness] if smoothness is not None else _candidates(labels):
        covariance = _kernel(distances, products, same, tried) + np.diag(tried.noise**2 + doubts)
        inverse: Floats = np.linalg.inv(covariance).astype(np.float64)
        weights = inverse @ aims
        residuals = _left_out(inverse, weights, members)
        loss = float(
            np.mean(np.sqrt(residuals**2 + 0.01))
        )  # as an absolute error: a few odd ones do not rule
        if best is None or loss < best[0]:
            best = loss, weights, residuals, tried
    if best is None:
        raise ValueError("no smoothness was given to try")
    _, weights, residuals, smoothness = best
    return Surface(
        center, scale, points.min(axis=0), points.max(axis=0), points, labels, weights, mean, spread, smoothness,
        residuals * spread,
    )  # fmt: skip


def _candidates(labels: Labels) -> list[Smoothness]:
    shared = _SHARED if len(np.unique(labels)) > 1 else (1.0,)
    return [Smoothness(*each) for each in product(_LENGTHS, _NOISES, shared)]


def _left_out(inverse: Floats, weights: Floats, members: Sequence[Labels]) -> Floats:
    """Return how far off each group is predicted by the others, from the fit to all."""
    residuals = np.empty_like(weights)
    for group in members:
        residuals[group] = -np.linalg.solve(inverse[np.ix_(group, group)], weights[group])
    return residuals


def quantiles(values: Floats, levels: Sequence[float]) -> tuple[float, ...]:
    """Return quantiles, widened for what few values cannot show (the conformal rank, n + 1 for n)."""
    ordered, count = np.sort(values), len(values)
    ranks = [np.clip(level * (count + 1) - 1, 0, count - 1) for level in levels]
    return tuple(float(np.interp(rank, np.arange(count), ordered)) for rank in ranks)


def _distances(a: Floats, b: Floats) -> Floats:
    """Return squared distances, by the number of features."""
    squared: Floats = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    kept: Floats = np.maximum(squared, 0) / max(1, a.shape[1])
    return kept


def _products(a: Floats, b: Floats) -> Floats:
    products: Floats = a @ b.T / max(1, a.shape[1])
    return products


def _kernel(
    distances: Floats, products: Floats, same: npt.NDArray[np.bool_], smoothness: Smoothness
) -> Floats:
    """Return the prior covariance: a bend and a second-degree polynomial, partly shared; a constant a label."""
    bend = np.exp(-distances / (2 * smoothness.length**2))
    sizes = bend + _TREND * (1 + products) ** 2
    kernel: Floats = sizes * np.where(same, 1.0, smoothness.shared) + same
    return kernel
