"""Paired non-inferiority: is the candidate *not worse by more than a margin* on the same requests?

Each labelled pair gives D in {-1, 0, 1}: candidate right minus primary right. Ties are evidence here, for a
pair on which both agree shows that nothing was lost.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from burnish.rollout.evidence.beta import Floats
from burnish.rollout.evidence.eprocess import EProcess

_N_STAKES = 128
# The quantiles of the arcsine law, as fractions of the largest stake that cannot go bankrupt.
_STAKES: Floats = np.sin(np.pi * (np.arange(_N_STAKES) + 0.5) / (2 * _N_STAKES)) ** 2


def margin_log_e(wins: npt.ArrayLike, losses: npt.ArrayLike, ties: npt.ArrayLike, *, margin: float) -> Floats:
    """Return the logarithm of the evidence that the mean of D is above ``-margin``, element by element.

    The null hypothesis is that E[D | past] <= -margin. It is the bounded-mean test F3 with X = (D + 1) / 2,
    but instead of one plug-in stake the wealth is spread over a grid of constant stakes (a discrete universal
    portfolio), so that the evidence depends on the three counts alone: it needs no tuning level, it can be
    replayed in any order, and it grows at the rate of the best constant stake less a term of order ln n.

    To test for harm, swap wins and losses and negate the margin: evidence that E[D] < -margin.

    Args:
        wins: Pairs on which only the candidate was right.
        losses: Pairs on which only the primary was right.
        ties: Pairs on which both were right or both wrong.
        margin: Between -1 and 1 exclusive; 0.02 is two points of accuracy.

    >>> float(np.exp(margin_log_e(0, 0, 0, margin=0.02)).round(6))
    1.0
    >>> bool(margin_log_e(0, 0, 300, margin=0.02) > np.log(100))
    True

    References:
        Orabona and Jun 2024, "Tight concentrations and confidence sequences from the regret of universal
        portfolio", IEEE Trans. Inf. Theory 70(1), arXiv:2110.14099; Waudby-Smith and Ramdas 2024,
        arXiv:2010.09686 (every stake in the range gives a test martingale).
    """
    w, n_l, t = (np.asarray(v, np.float64)[..., None] for v in (wins, losses, ties))
    stakes = _STAKES / (1 - margin)
    wealth = w * np.log1p(stakes * (1 + margin)) + n_l * np.log1p(-_STAKES) + t * np.log1p(stakes * margin)
    return np.asarray(np.logaddexp.reduce(wealth, axis=-1) - math.log(_N_STAKES), np.float64)


def difference_interval(wins: int, losses: int, ties: int, *, alpha: float) -> tuple[float, float]:
    """Return an interval for the mean of D that holds at all times at once with chance 1 - ``alpha``.

    It inverts `margin_log_e` on either side at ``alpha / 2``. Without data it is (-1, 1).
    """
    return (
        _lower_end(wins, losses, ties, alpha=alpha / 2),
        -_lower_end(losses, wins, ties, alpha=alpha / 2),
    )


def _lower_end(wins: int, losses: int, ties: int, *, alpha: float) -> float:
    low, high = -1.0 + 1e-9, 1.0 - 1e-9
    if margin_log_e(wins, losses, ties, margin=-low) < -math.log(alpha):
        return -1.0
    for _ in range(40):  # the evidence falls as the null mean rises
        middle = (low + high) / 2
        if margin_log_e(wins, losses, ties, margin=-middle) >= -math.log(alpha):
            low = middle
        else:
            high = middle
    return low


@dataclass(slots=True)
class MarginTest(EProcess):
    """The running form of `margin_log_e`."""

    margin: float = 0.01
    wins: int = 0
    losses: int = 0
    ties: int = 0

    def update(self, wins: int, losses: int, ties: int) -> float:
        """Count further pairs and return the evidence."""
        self.wins += wins
        self.losses += losses
        self.ties += ties
        return self._advance(float(margin_log_e(self.wins, self.losses, self.ties, margin=self.margin)))
