"""F4: one stream against a fixed limit; does an event happen more often than a service level allows?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from burnish.rollout.evidence.beta import Floats, log_betainc
from burnish.rollout.evidence.eprocess import EProcess


def tail_log_e(events: npt.ArrayLike, trials: npt.ArrayLike, *, limit: float) -> Floats:
    """Return the logarithm of the evidence that a rate exceeds ``limit``, element by element.

    The null hypothesis is that every trial is an event with probability at most ``limit``, whatever happened
    before. The evidence mixes the likelihood ratios over a beta prior with mean ``limit``, cut to the part
    above it.

    Args:
        events: Counts of events (errors, answers slower than a threshold).
        trials: Counts of trials.
        limit: The rate that is still allowed, strictly between 0 and 1.

    References:
        Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv:1810.08240 (beta-binomial mixture).
    """
    k, n = np.asarray(events, np.float64), np.asarray(trials, np.float64)
    b = (1 - limit) / limit
    posterior = special.betaln(k + 1, n - k + b) + log_betainc(n - k + b, k + 1, 1 - limit)
    prior = b * math.log1p(-limit) - math.log(b)  # the same at k = n = 0, in closed form
    return np.asarray(posterior - prior - k * math.log(limit) - (n - k) * math.log1p(-limit), np.float64)


@dataclass(slots=True)
class TailTest(EProcess):
    """The running form of `tail_log_e`."""

    limit: float = 0.01
    events: int = 0
    trials: int = 0

    def update(self, events: int, trials: int) -> float:
        """Count further trials and return the evidence."""
        self.events += events
        self.trials += trials
        return self._advance(float(tail_log_e(self.events, self.trials, limit=self.limit)))
