"""In what steps a network is narrowed: small ones lose less, since the network recovers after each."""

import math
from typing import Literal

ScheduleName = Literal["even", "shrinking", "one-shot"]
"""``even`` removes the same number of channels at each step, ``shrinking`` the same share of those that are left, so
that the steps become smaller as the network does; ``one-shot`` goes to the end at once."""

_DIGITS = 6


def ratios(schedule: ScheduleName, step: float, last: float) -> list[float]:
    """Return the share of the original channels that is gone after each step.

    Args:
        schedule: How the steps follow each other.
        step: Share that the first step removes; the following ones as the schedule says.
        last: Share that is gone at the end.

    >>> ratios("even", 0.2, 0.5)
    [0.2, 0.4, 0.5]
    >>> ratios("shrinking", 0.2, 0.5)
    [0.2, 0.36, 0.488, 0.5]
    >>> ratios("one-shot", 0.2, 0.5)
    [0.5]
    """
    if schedule == "one-shot":
        return [last]
    if schedule == "even":
        count = math.ceil(last / step - 1e-9)
        gone = [step * (i + 1) for i in range(count)]
    else:
        count = math.ceil(math.log(1 - last) / math.log(1 - step) - 1e-9)
        gone = [1 - (1 - step) ** (i + 1) for i in range(count)]
    return [min(last, round(ratio, _DIGITS)) for ratio in gone]


def halfway(low: float, high: float) -> float:
    """Return the ratio in the middle of two."""
    return round((low + high) / 2, _DIGITS)
