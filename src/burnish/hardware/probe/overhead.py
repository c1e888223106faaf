"""What an engine takes for each operator beside the operator's own work: its dispatch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from burnish.errors import BackendError
from burnish.hardware.probe.sampling import (
    Call,
    Clock,
    ProbeConfig,
    Spread,
    Timer,
    repeats_for,
    wall_clock,
)

Chain = Callable[[int], Call]
"""Given n, a call of n tiny operators, each of which waits for the one before."""


Floats = npt.NDArray[np.float64]

_FINER = 4  # more and shorter samples than of a rate: the shortest is what counts
_ATTEMPTS = 3  # a busy machine gets more rounds, until the slope can be told from none
_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Overhead:
    """Time of a call = ``call_s`` + operators * ``operator_s``.

    From the shortest sample of each length, since what disturbs a machine only ever slows it; the spreads are
    bootstrap 95% intervals over the rounds.
    """

    operator_s: Spread
    """Seconds from one operator to the next."""
    call_s: Spread
    """Seconds of a call without operators."""
    operator: str
    """What the chains are made of."""
    threads: int
    """Threads that they ran with; 0 where that was left to the engine."""


def dispatch_overhead(
    chain: Chain,
    config: ProbeConfig | None = None,
    *,
    operator: str,
    threads: int = 0,
    timer: Timer = wall_clock,
) -> Overhead:
    """Measure what one more operator adds to the time of a call.

    Args:
        chain: Makes calls of n operators that the engine neither fuses nor folds away.
        config: How; None for the defaults.
        operator: What the chains are made of, for the record.
        threads: What they were made with, for the record.
        timer: How calls are timed.

    Raises:
        BackendError: The machine was too disturbed: longer chains did not take longer.

    Cost: about half of ``config.budget_s``, three times that on a busy machine, and what building the chains takes.
    """
    config = config or ProbeConfig()
    calls = {n: chain(n) for n in sorted(set(config.chain_lengths))}
    for call in calls.values():
        call()
    repeats = {n: max(1, repeats_for(timer(call, 3), config) // _FINER) for n, call in calls.items()}
    rounds: list[list[float]] = []
    for _ in range(_ATTEMPTS):
        clock, before = Clock(_FINER * config.rounds, config.budget_s / 2), len(rounds)
        while clock.another(len(rounds) - before):
            rounds.append([timer(call, repeats[n]) for n, call in calls.items()])
        found = _overhead(list(calls), np.asarray(rounds), operator, threads)
        if found.operator_s.low > 0:
            return found
    raise BackendError(
        f"chains of up to {max(calls)} operators took no longer than those of {min(calls)}, as far as can be told",
        hint="measure again when the machine is less busy",
    )


def fit_line(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line.

    >>> fit_line([1, 2, 3], [5.0, 7.0, 9.0])
    (2.0, 3.0)
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    off = xs - xs.mean()
    slope = float(off @ (ys - ys.mean()) / (off @ off))
    return slope, float(ys.mean() - slope * xs.mean())


def _overhead(lengths: list[int], samples: Floats, operator: str, threads: int) -> Overhead:
    """Fit the lines; samples has a row for each round and a column for each length."""
    slope, intercept = fit_line(lengths, samples.min(axis=0))
    rounds = len(samples)
    draws = np.random.default_rng(0).integers(0, rounds, (_RESAMPLES, rounds))
    slopes, intercepts = zip(*(fit_line(lengths, samples[draw].min(axis=0)) for draw in draws), strict=True)
    call_s = _spread(max(intercept, 0.0), np.maximum(intercepts, 0.0), rounds)
    return Overhead(_spread(slope, np.asarray(slopes), rounds), call_s, operator, threads)


def _spread(value: float, resampled: Floats, n: int) -> Spread:
    low, high = np.quantile(resampled, (0.025, 0.975)).tolist()
    return Spread(value, low, high, n)
