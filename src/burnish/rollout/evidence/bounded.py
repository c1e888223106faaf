"""F3: any quantity between 0 and 1, such as a per-example score; is its mean above a value?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from burnish.rollout.evidence.beta import Floats
from burnish.rollout.evidence.eprocess import EProcess


def bounded_log_e(values: Floats, mean: npt.ArrayLike, *, alpha: float) -> Floats:
    """Return the logarithm of the evidence that the mean exceeds ``mean`` after all ``values``.

    The wealth of a gambler who bets against the null hypothesis with predictable plug-in stakes.

    Args:
        values: Observations in [0, 1], in order.
        mean: One or several null means, each strictly between 0 and 1.
        alpha: The level at which the stakes are tuned; any level may be tested.

    References:
        Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86(1),
        arXiv:2010.09686.
    """
    x = np.asarray(values, np.float64)
    i = np.arange(1, x.size + 1)
    mu = (0.5 + np.cumsum(x)) / (i + 1)
    spread = (0.25 + np.cumsum((x - mu) ** 2)) / (i + 1)
    spread_before = np.concatenate([[0.25], spread[:-1]]) if x.size else spread
    stake = np.sqrt(2 * math.log(1 / alpha) / (spread_before * i * np.log1p(i)))
    m = np.asarray(mean, np.float64)[..., None]
    return np.asarray(np.log1p(np.minimum(stake, 0.5 / m) * (x - m)).sum(axis=-1), np.float64)


def lower_bound(values: Floats, *, alpha: float) -> float:
    """Return the lower confidence bound of the mean, valid at any time: the largest mean that is rejected.

    The evidence falls as the null mean rises, so that the bound is found by bisection.
    """
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if bounded_log_e(values, middle, alpha=alpha) >= -math.log(alpha):
            low = middle
        else:
            high = middle
    return low


@dataclass(slots=True)
class BoundedTest(EProcess):
    """The running form of `bounded_log_e` for one null mean."""

    mean: float = 0.5
    alpha: float = 0.01
    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def update(self, value: float) -> float:
        """Count one observation in [0, 1] and return the evidence."""
        spread = (0.25 + self.squares) / (self.n + 1)
        self.n += 1
        stake = math.sqrt(2 * math.log(1 / self.alpha) / (spread * self.n * math.log1p(self.n)))
        log_e = self.log_e + math.log1p(min(stake, 0.5 / self.mean) * (value - self.mean))
        self.total += value
        self.squares += (value - (0.5 + self.total) / (self.n + 1)) ** 2
        return self._advance(log_e)
