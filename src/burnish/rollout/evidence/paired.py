"""F1: two versions answer the same requests; is one right where the other is wrong more often than not?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from burnish.rollout.evidence.beta import Floats, log_betainc
from burnish.rollout.evidence.eprocess import EProcess


def paired_log_e(wins: npt.ArrayLike, losses: npt.ArrayLike, *, prior: float = 1.0) -> Floats:
    """Return the logarithm of the paired evidence after so many wins and losses, element by element.

    A win is a request that only the candidate answered rightly, a loss one that only the primary did;
    requests on which both agree in correctness carry no information here. The null hypothesis is that a
    discordant request is a win with probability at most 1/2, whatever happened before. The evidence mixes
    the likelihood ratios against 1/2 over a symmetric beta prior cut to the half above 1/2.

    Args:
        wins: Counts of wins.
        losses: Counts of losses.
        prior: Both parameters of the beta prior: 1 in general, 10 when an effect of a point or less is
            sought.

    >>> float(np.exp(paired_log_e(0, 0)).round(6)), float(np.exp(paired_log_e(10, 0)).round(1))
    (1.0, 186.1)

    References:
        Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; Lindon and Malek
        2022, arXiv:2011.03567 (sequential multinomial tests).
    """
    w, n_l = np.asarray(wins, np.float64), np.asarray(losses, np.float64)
    mixture = special.betaln(w + prior, n_l + prior) - special.betaln(prior, prior)
    above_half = log_betainc(n_l + prior, w + prior, 0.5) + math.log(2)
    return np.asarray((w + n_l) * math.log(2) + mixture + above_half, np.float64)


@dataclass(slots=True)
class PairedTest(EProcess):
    """The running form of `paired_log_e`. Swap the two counts to test for harm."""

    prior: float = 1.0
    wins: int = 0
    losses: int = 0

    def update(self, wins: int, losses: int) -> float:
        """Count further discordant requests and return the evidence."""
        self.wins += wins
        self.losses += losses
        return self._advance(float(paired_log_e(self.wins, self.losses, prior=self.prior)))
