"""Fitting the shares of the data sheet to published results: least squares of logarithms, with a prior for each.

The priors make a few results enough: what they say little about stays where the prior puts it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from mlperf_workloads import Tally
from scipy.stats import t as student

from burnish.hardware.datasheet import DataSheetModel
from burnish.hardware.device import Device, Kind
from burnish.hardware.efficiency import Efficiency, KindFactors, Spread, sort_of

NOISE = 0.1  # of a result, as a logarithm
SHARES = {
    "conv": (0.6, 0.5),
    "matmul": (0.6, 0.5),
    "product_traffic": (0.8, 0.5),
    "other_traffic": (1.0, 1.0),
}
"""Prior of each share: its middle, and its width as a logarithm."""
SPEED_WIDTH = 0.3  # a kind of device is like all others, within a third
FLOOR_S = (7e-6, 1.0)
FLOOR_WIDTH = 0.7


@dataclass(frozen=True, slots=True)
class Result:
    """What was published of one device: how long one call took."""

    device: Device
    family: str
    tally: Tally
    seconds: float
    offline: bool


def fit(results: Sequence[Result]) -> Efficiency:
    """Return the shares with which estimates come closest to results; their spread is not set."""
    kinds = sorted({result.device.kind for result in results})
    middle = [math.log(value) for value, _ in SHARES.values()] + [math.log(FLOOR_S[0])]
    widths = [width for _, width in SHARES.values()] + [FLOOR_S[1]]
    middle += [0.0] * (2 * len(kinds))
    widths += [SPEED_WIDTH] * len(kinds) + [FLOOR_WIDTH] * len(kinds)
    start, scale = np.array(middle), np.array(widths)

    def misses(theta: np.ndarray) -> np.ndarray:
        shares = _shares(theta, kinds)
        data = [math.log(seconds(result, shares) / result.seconds) / NOISE for result in results]
        return np.array([*data, *(theta - start) / scale])

    best = _shares(_least_squares(misses, start), kinds)
    seen = tuple(sorted({sort_of(result.device) for result in results}))
    return replace(best, seen=seen)


def seconds(result: Result, efficiency: Efficiency) -> float:
    """Return the estimate of a result."""
    model = DataSheetModel(result.device, efficiency)
    return sum(model.time(work).seconds * count for work, count in result.tally.items())


def interval(result: Result, efficiency: Efficiency) -> tuple[float, float, float]:
    """Return the estimate of a result and the ends of its interval: all operators are wrong together."""
    model = DataSheetModel(result.device, efficiency)
    times = [(model.time(work), count) for work, count in result.tally.items()]
    return (
        sum(time.seconds * count for time, count in times),
        sum(time.low * count for time, count in times),
        sum(time.high * count for time, count in times),
    )


def leave_out(results: Sequence[Result], group: Callable[[Result], str]) -> list[tuple[Result, Efficiency]]:
    """Return every result with what was fitted without its group."""
    left = []
    for name in sorted({group(result) for result in results}):
        rest = [result for result in results if group(result) != name]
        if rest:
            shares = fit(rest)
            left += [(result, shares) for result in results if group(result) == name]
    return left


def with_spread(efficiency: Efficiency, results: Sequence[Result]) -> Efficiency:
    """Add how far estimates are off, from fits that leave out what they are tested on.

    A family at a time tells it for devices of a known sort, a kind of device at a time for all others. Latency was
    published of too few kinds to tell: there it is taken to grow as that of throughput does.
    """
    by_family = leave_out(results, lambda result: result.family)
    by_kind = leave_out(results, lambda result: result.device.kind)
    throughput = _factor([pair for pair in by_family if pair[0].offline], lambda result: result.family)
    latency = _factor([pair for pair in by_family if not pair[0].offline], lambda result: result.family)
    wide = _factor([pair for pair in by_kind if pair[0].offline], lambda result: result.device.kind)
    wide = max(wide, throughput)
    return replace(
        efficiency,
        known=Spread(throughput=throughput, latency=latency),
        unknown=Spread(throughput=wide, latency=latency * wide / throughput),
    )


def _factor(left: Sequence[tuple[Result, Efficiency]], group: Callable[[Result], str]) -> float:
    """Return the factor of a 90% interval for a new group, from how far the fits without each group were off.

    Results of one group are wrong together, so that it is groups that count: few of them make it wide (Student).
    """
    squares: defaultdict[str, list[float]] = defaultdict(list)
    for result, shares in left:
        squares[group(result)].append(math.log(seconds(result, shares) / result.seconds) ** 2)
    n = len(squares)
    off = math.sqrt(float(np.mean([np.mean(some) for some in squares.values()])))
    return math.exp(float(student.ppf(0.95, n - 1)) * off * math.sqrt(1 + 1 / n))


def _shares(theta: np.ndarray, kinds: Sequence[Kind]) -> Efficiency:
    values = [float(value) for value in theta]
    floor, speeds = values[len(SHARES)], values[len(SHARES) + 1 :]
    factors = {
        kind: KindFactors(speed=math.exp(speeds[index]), floor_s=math.exp(floor + speeds[len(kinds) + index]))
        for index, kind in enumerate(kinds)
    }
    shares = {name: math.exp(value) for name, value in zip(SHARES, values, strict=False)}
    return Efficiency(**shares, kinds=factors, pooled=KindFactors(floor_s=math.exp(floor)))


def _least_squares(misses: Callable[[np.ndarray], np.ndarray], theta: np.ndarray) -> np.ndarray:
    """Levenberg and Marquardt's method, with slopes by small steps."""
    damping, now = 1e-3, misses(theta)
    for _ in range(60):
        slopes = np.stack([(misses(theta + step) - now) / 1e-4 for step in np.eye(len(theta)) * 1e-4], axis=1)
        curve, gradient = slopes.T @ slopes, slopes.T @ now
        while damping < 1e9:
            step = -np.linalg.solve(curve + damping * np.diag(np.diag(curve)), gradient)
            new = misses(theta + step)
            if new @ new < now @ now:
                break
            damping *= 4
        else:
            return theta
        theta, now, damping, gained = theta + step, new, damping / 8, now @ now - new @ new
        if gained < 1e-9:
            break
    return theta
