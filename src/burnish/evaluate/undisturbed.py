"""Timing calls on a machine that does other things too, and telling when those got in the way.

An engine's threads wait for each other after every operator: one that loses its core for a time slice holds all up,
and one that never gets a core leaves its share to the others. The system counts the first for each process: such
calls are left out. The second shows in what other processes took of the cores meanwhile, which is told. What cannot
be told is another engine or session of the same process, whose threads go on looking for work for a while (those of
ONNX Runtime for some 60 ms) and take the cores meanwhile: close it before another is timed.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil

try:
    import resource
except ImportError:  # not on this system: no call counts as interrupted
    resource = None  # type: ignore[assignment]

_FASTEST = 3
"""Calls that are taken where all were interrupted."""
_TOLERATED, _TICKS_S = 0.15, 0.02
"""Of one core, what others may take, for a system is never wholly idle; and how far off its clock of that is."""
_LEAST = 1 / 3
"""Of the budget, what is spent in any case: what others do shows only after some time."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds a call."""

    seconds: float
    """Median of the calls that were not interrupted."""
    error: float
    """Of that, as a share: half the distance of the quartiles over the root of the number of calls."""
    calls: int
    """That were not interrupted."""
    others: float
    """Cores that other processes kept busy meanwhile."""

    def disturbed(self, threads: int) -> bool:
        """Tell whether an engine with so many threads, 0 for one a core, had to share its cores."""
        cores = len(_cores())
        return self.others > cores - min(cores, threads or cores) + _TOLERATED


def timed(call: Callable[[], object], *, budget_s: float, warmup: int = 2, enough: int = 15) -> Timed:
    """Time a call.

    Args:
        call: What to time, many times in a row.
        budget_s: When to stop for good.
        warmup: Calls beforehand.
        enough: Calls that were not interrupted, after which to stop.
    """
    for _ in range(warmup):
        call()
    clean: list[float] = []
    interrupted: list[float] = []
    busy, begin, passed = _busy_with_others_s(), time.perf_counter(), 0.0
    while passed < budget_s and (passed < budget_s * _LEAST or len(clean) < enough):
        before, start = _interruptions(), time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        (clean if _interruptions() == before else interrupted).append(seconds)
        passed = time.perf_counter() - begin
    others = max(0.0, _busy_with_others_s() - busy - _TICKS_S) / passed
    taken = clean or sorted(interrupted)[:_FASTEST]
    low, median, high = np.quantile(taken, (0.25, 0.5, 0.75))
    return Timed(float(median), float((high - low) / 2 / median / len(taken) ** 0.5), len(clean), others)


def _interruptions() -> int:
    """Return how often a thread of this process lost its core to others so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource is not None else 0


def _busy_with_others_s() -> float:
    """Return how many seconds the cores that this process may use were busy, but not with it."""
    all_cores = psutil.cpu_times(percpu=True)
    busy = sum(_busy_s(all_cores[core]) for core in _cores() if core < len(all_cores))
    return busy - time.process_time()


def _busy_s(times: tuple[float, ...]) -> float:
    named: dict[str, float] = times._asdict()  # type: ignore[attr-defined]  # psutil names the fields
    idle = sum(
        named.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice")
    )  # guests are in user
    return sum(named.values()) - idle


def _cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
