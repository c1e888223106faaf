"""How fast a step learns."""

import math

_FIRST, _LAST = 1 / 25, 1e-4
"""Shares of the peak with which the cycle begins and ends."""


def one_cycle(step: int, steps: int, *, peak: float, warmup: float) -> float:
    """Return the learning rate of a step: a cosine up to the peak, then a cosine down to nearly nothing.

    Args:
        step: Number of the step, from 0.
        steps: Steps in all.
        peak: Highest learning rate.
        warmup: Share of the steps in which it rises.

    References:
        Smith and Topin 2017, arXiv:1708.07120.

    >>> [round(one_cycle(step, 10, peak=1.0, warmup=0.2), 3) for step in (0, 2, 6, 10)]
    [0.04, 1.0, 0.5, 0.0]
    """
    rise = max(1.0, warmup * steps)
    if step < rise:
        return peak * (_FIRST + (1 - _FIRST) * (1 - math.cos(math.pi * step / rise)) / 2)
    fallen = (step - rise) / max(1.0, steps - rise)
    return peak * (_LAST + (1 - _LAST) * (1 + math.cos(math.pi * fallen)) / 2)
