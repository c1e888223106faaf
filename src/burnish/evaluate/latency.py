"""Latency measured so that contenders can be compared: interleaved rounds, medians, intervals.

Machines are shared and noisy. Every round runs each contender once, in an order that rotates, so that a slow
moment hits all of them alike; a pause between contenders lets the threads of one engine go to sleep before
another starts, since spinning threads of the first would slow the second.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from burnish.evaluate.accuracy import Floats, Interval, bootstrap_median, bootstrap_ratio

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """How to measure."""

    rounds: int = 30
    """Rounds; one sample a contender each."""
    warmup: int = 5
    """Calls of each contender before the first round."""
    min_sample_ms: float = 2.0
    """A sample repeats short calls until it lasts this long, and is divided by their number."""
    pause_s: float = 0.002
    """Pause between contenders."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.warmup < 1:
            raise ValueError(f"rounds and warmup must be at least 1, got {self.rounds} and {self.warmup}")


@dataclass(frozen=True, slots=True)
class Latency:
    """Measured latency of one contender, in milliseconds a call."""

    samples_ms: tuple[float, ...]
    """One sample a round, in order."""
    calls_per_sample: int

    @property
    def median(self) -> Interval:
        """Median over the rounds with its bootstrap interval."""
        return bootstrap_median(np.asarray(self.samples_ms))

    @property
    def median_ms(self) -> float:
        """Median over the rounds."""
        return float(np.median(self.samples_ms))


class Rounds:
    """A measurement under way: what the finished rounds showed can be asked for at any time.

    Args:
        contenders: What to call, by name.
        config: How; None for the defaults.
    """

    def __init__(
        self, contenders: Mapping[str, Callable[[], object]], config: BenchConfig | None = None
    ) -> None:
        self.done = 0
        """Finished rounds."""
        self._contenders = dict(contenders)
        self._config = config or BenchConfig()
        self._repeats: dict[str, int] = {}
        self._rounds: list[dict[str, float]] = []

    def run(self, on_round: Progress | None = None) -> None:
        """Warm up and run the rounds that are left.

        Args:
            on_round: Told after each round how many are done and how many there are.
        """
        for name, call in self._contenders.items():
            if name not in self._repeats:
                self._repeats[name] = _repeats(call, self._config)
        names = list(self._contenders)
        while self.done < self._config.rounds:
            shift = self.done % len(names) if names else 0
            samples = {}
            for name in (*names[shift:], *names[:shift]):
                samples[name] = _sample_ms(self._contenders[name], self._repeats[name])
                time.sleep(self._config.pause_s)
            self._rounds.append(samples)
            self.done += 1
            if on_round is not None:
                on_round(self.done, self._config.rounds)

    def results(self) -> dict[str, Latency]:
        """Return latency by name; samples with the same index were taken in the same round."""
        return {
            name: Latency(tuple(samples[name] for samples in self._rounds), self._repeats[name])
            for name in self._contenders
            if self._rounds
        }


def benchmark(
    contenders: Mapping[str, Callable[[], object]],
    config: BenchConfig | None = None,
    *,
    on_round: Progress | None = None,
) -> dict[str, Latency]:
    """Measure contenders against each other.

    Args:
        contenders: What to call, by name.
        config: How; None for the defaults.
        on_round: Told after each round how many are done and how many there are.

    Returns:
        Latency by name; samples with the same index were taken in the same round.
    """
    rounds = Rounds(contenders, config)
    rounds.run(on_round)
    return rounds.results()


def ratio(slow: Latency, fast: Latency) -> Interval:
    """Return how many times faster ``fast`` is than ``slow``, measured in the same rounds."""
    return bootstrap_ratio(_array(slow), _array(fast))


def verdict(times_faster: Interval) -> Literal["faster", "slower", "no difference"]:
    """Say in words what an interval of `ratio` shows; where 1 lies inside it, that is nothing.

    >>> verdict(Interval(1.3, 1.2, 1.4, n=30)), verdict(Interval(1.01, 0.97, 1.06, n=30))
    ('faster', 'no difference')
    """
    if times_faster.low > 1:
        return "faster"
    return "slower" if times_faster.high < 1 else "no difference"


def _repeats(call: Callable[[], object], config: BenchConfig) -> int:
    for _ in range(config.warmup):
        call()
    once_ms = min(_sample_ms(call, 1) for _ in range(3))
    return max(1, round(config.min_sample_ms / max(once_ms, 1e-4)))


def _sample_ms(call: Callable[[], object], repeats: int) -> float:
    begin = time.perf_counter_ns()
    for _ in range(repeats):
        call()
    return (time.perf_counter_ns() - begin) / repeats / 1e6


def _array(latency: Latency) -> Floats:
    return np.asarray(latency.samples_ms, np.float64)
