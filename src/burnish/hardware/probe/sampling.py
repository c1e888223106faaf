"""How a rate is sampled: calls repeated until a sample lasts, several samples, the best of them and their spread."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

Call = Callable[[], object]
Timer = Callable[[Call, int], float]
"""Seconds that one call takes, when it is repeated so many times."""

LEAST_STREAM_BYTES = 1 << 17
_LEAST_ROUNDS = 3  # whatever they take: fewer have no spread


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeConfig:
    """How to measure, and how long at most."""

    sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    """Sizes n of the n x n products; small ones fit the caches, large ones keep every core busy."""
    rounds: int = 7
    """Samples of each measurement."""
    min_sample_s: float = 0.05
    """A sample repeats a call until it lasts this long, so that clocks have settled."""
    budget_s: float = 4.0
    """Time after which a measurement takes no further round, provided that it has had three."""
    pause_s: float = 0.002
    """Pause between engines: threads of the last one that still spin would slow the next."""
    contend_share: float = 0.6
    """An engine at a size goes on only with this share of the fastest rate seen in the first tries."""
    stream_bytes: int = 1 << 28
    """Size of each array of the memory measurement: several times the last cache."""
    least_stream_bytes: int = 16 << 10
    """Smallest working set of a thread on the way there: it lies in the first cache."""
    chain_lengths: tuple[int, ...] = (16, 48, 96, 160)
    """Numbers of operators in the chains that show what dispatching one costs."""
    sustain_s: float = 5.0
    """How long the processor is kept busy, to see whether it slows down."""
    idle_s: float = 2.0
    """How long energy is counted while nothing runs, where it can be counted at all."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or not self.sizes or min(self.sizes) < 1 or self.stream_bytes < LEAST_STREAM_BYTES:
            raise ValueError("a probe needs sizes, at least one round and arrays larger than a cache")
        if not 0 <= self.contend_share <= 1 or self.least_stream_bytes < 1 << 10:
            raise ValueError("contend_share lies between 0 and 1, and least_stream_bytes is at least 1024")
        if len(set(self.chain_lengths)) < 2 or min(self.chain_lengths) < 1:
            raise ValueError("a slope needs chains of at least two lengths")
        if self.sustain_s <= 0 or self.idle_s < 0:
            raise ValueError("sustain_s must be positive and idle_s not negative")

    @classmethod
    def quick(cls) -> Self:
        """Return a config for a first look: a few seconds, wider spreads."""
        return cls(
            sizes=(256, 512, 1024),
            rounds=3,
            min_sample_s=0.02,
            budget_s=1.0,
            stream_bytes=1 << 26,
            sustain_s=1.0,
            idle_s=0.5,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate that was measured several times."""

    value: float
    """The best sample: what disturbs a machine only ever slows it, and a peak is what it can do undisturbed."""
    median: float
    low: float
    """The worst sample."""
    n: int

    @classmethod
    def of(cls, rates: Sequence[float]) -> Self:
        """Sum up samples, of which there is at least one."""
        return cls(max(rates), float(median(rates)), min(rates), len(rates))


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure that was worked out of many samples."""

    value: float
    low: float
    high: float
    n: int
    """Samples or rounds."""


def wall_clock(call: Call, repeats: int) -> float:
    """Time a call that has done its work when it returns."""
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return max(time.perf_counter() - begin, 1e-9) / repeats


def repeats_for(once_s: float, config: ProbeConfig) -> int:
    """Return how often a call of this length fills a sample."""
    return max(1, round(config.min_sample_s / max(once_s, 1e-7)))


class Clock:
    """Tells when a measurement has had its rounds, or its time."""

    def __init__(self, rounds: int, budget_s: float) -> None:
        self._rounds = rounds
        self._end = time.perf_counter() + budget_s

    def another(self, done: int) -> bool:
        """Tell whether a further round is due after so many."""
        return done < self._rounds and (done < _LEAST_ROUNDS or time.perf_counter() < self._end)
