"""Which width near the wanted one a layer gets: the one that is cheapest for the channels it keeps."""

from collections.abc import Mapping

import numpy as np

from burnish.compress.pruning.widths import LayerTime

_CLEAR = 0.03
"""By how much, as a share of its time, a width must beat the multiple to be taken in its place."""
_SURE = 2.0
"""And by how many times the error of the two measurements."""


def nearest_multiple(wanted: float, unit: int, full: int) -> int:
    """Return the multiple of the unit nearest to the wanted width, at least one unit and at most all channels.

    A layer narrower than two units stays as it is.

    >>> nearest_multiple(57.6, 8, 64), nearest_multiple(52.0, 8, 64), nearest_multiple(6.0, 8, 12)
    (56, 56, 12)
    """
    if full < 2 * unit or wanted >= full:
        return full
    return min(full, max(unit, unit * int(wanted / unit + 0.5)))


def candidates(wanted: float, unit: int, full: int) -> list[int]:
    """Return the widths that are worth a measurement: multiples of half a unit, up to one unit away.

    >>> candidates(57.6, 8, 64)
    [52, 56, 60, 64]
    """
    grid = max(1, unit // 2)
    first = int(np.ceil((wanted - unit) / grid)) * grid
    widths = range(max(grid, first), min(full, int(wanted + unit)) + 1, grid)
    return sorted({*widths, nearest_multiple(wanted, unit, full)})


def cheapest(prior: int, wanted: float, times: Mapping[int, LayerTime]) -> int:
    """Return the width whose time lies furthest below the straight line through all of them.

    The line is what a channel costs on average: a width below it ends on a step of the staircase. The prior is kept
    unless another width is better by more than the measurement's error.

    Args:
        prior: Width that is taken when nothing speaks against it.
        wanted: Width before rounding; of equally good ones the nearest is taken.
        times: Measured, by width.

    >>> stairs = {92: 2.03, 96: 2.03, 100: 2.6, 104: 2.6, 108: 3.1, 112: 3.1}
    >>> cheapest(100, 100.0, {width: LayerTime(ms, 0.0) for width, ms in stairs.items()})
    96
    """
    if len(times) < 3 or prior not in times:
        return prior
    widths = np.array(sorted(times), np.float64)
    seconds = np.array([times[int(width)].seconds for width in widths])
    slope, offset = np.polyfit(widths, seconds, 1)
    line = slope * widths + offset
    if slope <= 0 or (line <= 0).any():
        return prior  # nothing but noise: fewer channels do not cost more
    excess = dict(zip((int(width) for width in widths), seconds / line - 1, strict=True))
    best = min(excess, key=lambda width: (round(excess[width], 3), abs(width - wanted)))
    doubt = float(np.hypot(times[best].error, times[prior].error))
    return best if excess[prior] - excess[best] > max(_CLEAR, _SURE * doubt) else prior
