"""F2: two randomised arms, each request served by one; does an event happen more often in the canary?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from burnish.rollout.evidence.beta import Floats
from burnish.rollout.evidence.eprocess import EProcess

_HITS = 0.18
_TRIALS = 0.36


def streams_log_e(
    event: npt.NDArray[np.bool_], canary: npt.NDArray[np.bool_], share: npt.ArrayLike
) -> Floats:
    """Return the logarithm of the evidence after each request of one stream.

    The null hypothesis is that, at each request, the event is no more likely in the canary than in the
    primary. Base rate and canary share may change over time as long as the share is fixed before the request
    and the arm is drawn by it.

    Args:
        event: Whether the event (an error, a slow answer) happened, in order of the requests.
        canary: Whether the canary served the request.
        share: The canary's share at each request, or one share for all.

    References:
        Turner, Ly and Gruenwald 2024, "Generic e-variables for exact sequential k-sample tests",
        arXiv:2106.02693.
    """
    y, arm = event.astype(np.float64), canary.astype(np.float64)

    def before(values: Floats) -> Floats:
        return np.cumsum(values) - values

    theta_canary = (before(y * arm) + _HITS) / (before(arm) + _TRIALS)
    theta_primary = (before(y * (1 - arm)) + _HITS) / (before(1 - arm) + _TRIALS)
    pi = np.broadcast_to(np.asarray(share, np.float64), y.shape)
    pooled = pi * theta_canary + (1 - pi) * theta_primary
    own = np.where(canary, theta_canary, theta_primary)
    with np.errstate(divide="ignore"):
        factor = np.where(event, np.log(own / pooled), np.log1p(-own) - np.log1p(-pooled))
    return np.cumsum(np.where(theta_canary > theta_primary, factor, 0.0))


@dataclass(slots=True)
class StreamsTest(EProcess):
    """The same question asked in blocks of requests, without knowing by which share the arms were drawn.

    A block holds at least one request of either arm. Given the arms, its likelihood ratio is that of two
    rates, known from the past only, against their average weighted by the block's sizes; where the arms are
    equal its expectation is at most 1 by the inequality of arithmetic and geometric means. So pinned users, a
    few heavy users, or a weight that lapsed for a while cannot raise a false alarm, at the price of a little
    power compared to `streams_log_e`.

    References:
        Turner, Ly and Gruenwald 2024, arXiv:2106.02693, section 2.
    """

    canary_events: int = 0
    canary_requests: int = 0
    primary_events: int = 0
    primary_requests: int = 0

    def update(self, canary: Sequence[bool], primary: Sequence[bool]) -> float:
        """Count one block and return the evidence.

        Args:
            canary: Whether the event happened, for each of the block's requests that the canary served.
            primary: The same for the primary; neither may be empty.
        """
        theta_canary = (self.canary_events + _HITS) / (self.canary_requests + _TRIALS)
        theta_primary = (self.primary_events + _HITS) / (self.primary_requests + _TRIALS)
        n_canary, n_primary = len(canary), len(primary)
        k_canary, k_primary = sum(canary), sum(primary)
        log_e = self.log_e
        if theta_canary > theta_primary:
            pooled = (n_canary * theta_canary + n_primary * theta_primary) / (n_canary + n_primary)
            log_e += _log_ratio(k_canary, n_canary, theta_canary, pooled)
            log_e += _log_ratio(k_primary, n_primary, theta_primary, pooled)
        self.canary_events += k_canary
        self.canary_requests += n_canary
        self.primary_events += k_primary
        self.primary_requests += n_primary
        return self._advance(log_e)


def _log_ratio(events: int, trials: int, rate: float, pooled: float) -> float:
    return events * math.log(rate / pooled) + (trials - events) * (math.log1p(-rate) - math.log1p(-pooled))
