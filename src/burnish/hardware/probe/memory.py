"""Memory traffic by the size of what is worked on, from the first cache to the memory itself."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from burnish.hardware.probe.sampling import Clock, Measured, ProbeConfig

Floats = npt.NDArray[np.float64]

_LINE_BYTES = 64
_ROWS = 64  # most passes of one call
_LEAST_ADD_BYTES = 1 << 19
_CACHEABLE_BYTES = 1 << 25  # of one array: a larger one is not in a cache after a first pass either
_STEP = 4  # between neighbouring sizes of the curve


@dataclass(frozen=True, slots=True)
class Traffic:
    """What passes between the cores and a working set, bytes a second, counted as STREAM does."""

    bytes: int
    """Of the working set of each thread: all its arrays together."""
    threads: int
    """That each pass over a working set of their own; the rates are of all of them together."""
    copy: Measured
    """``a = b``: two arrays pass."""
    add: Measured | None
    """``a = b + c``: three arrays pass, as in STREAM's triad, whose product costs the memory nothing. None for
    sets so small that calling numpy takes more than a few hundredths of the time."""


@dataclass(frozen=True, slots=True)
class MemoryPeak:
    """Traffic between memory and the cores, bytes a second, counted as STREAM does."""

    copy: Measured
    """``a = b``: two arrays pass."""
    add: Measured
    """``a = b + c``: three arrays pass."""
    threads: int
    """Most that worked at once; the figures are those of one thread where more moved less."""
    curve: tuple[Traffic, ...] = field(default=())
    """By working set, in ascending order; for one thread and, where there are more, for all."""

    @property
    def best(self) -> tuple[str, Measured]:
        """The faster of the two on large arrays, with its name."""
        return max((("copy", self.copy), ("add", self.add)), key=lambda named: named[1].value)


def memory_peak(config: ProbeConfig | None = None, *, threads: int = 0) -> MemoryPeak:
    """Measure what a copy and an addition move, over working sets of all sizes.

    Args:
        config: How; None for the defaults. Three arrays of ``stream_bytes`` are held.
        threads: Threads that share the work; 0 for one a core.

    Cost: at most about twice ``config.budget_s``.
    """
    config = config or ProbeConfig()
    workers = threads or len(os.sched_getaffinity(0))
    buffer = np.full(3 * (config.stream_bytes // 8), 1.0)  # touched once, so that every page is there
    largest = buffer.nbytes
    with ThreadPoolExecutor(workers) as pool:  # numpy lets go of the interpreter's lock while it works
        counts = sorted({1, workers})
        cells = [(size, n) for n in counts for size in working_sets(config.least_stream_bytes, largest // n)]
        curve = tuple(_Cell(buffer, size, n, pool).measure(config, len(cells)) for size, n in cells)
    large = [point for point in curve if point.bytes * point.threads > largest / 2]
    copy = max((point.copy for point in large), key=_value)
    add = max((point.add or point.copy for point in large), key=_value)
    return MemoryPeak(copy, add, workers, curve)


def working_sets(least: int, most: int) -> list[int]:
    """Return sizes from one to another, each several times the one before.

    >>> working_sets(1, 20)
    [1, 4, 20]
    """
    sizes = []
    size = least
    while size < most / 2:
        sizes.append(size)
        size *= _STEP
    return [*sizes, most]


class _Cell:
    """One working set of each of some threads, and what its operations move."""

    def __init__(self, buffer: Floats, size: int, threads: int, pool: ThreadPoolExecutor) -> None:
        self._size, self._threads, self._pool = size, threads, pool
        self._parts = np.array_split(buffer, threads)

    def measure(self, config: ProbeConfig, cells: int) -> Traffic:
        """Measure both operations in turns, within about a share of the time that all cells have."""
        share_s = config.budget_s / cells
        sample_s = min(config.min_sample_s, share_s / (4 * config.rounds))
        copy, add = [], []
        clock, done = Clock(config.rounds, share_s), 0
        while clock.another(done):
            copy.append(self._rate(_copy, 2, sample_s))
            if self._size >= _LEAST_ADD_BYTES:
                add.append(self._rate(_add, 3, sample_s))
            done += 1
        return Traffic(self._size, self._threads, Measured.of(copy), Measured.of(add) if add else None)

    def _rate(self, operation: Callable[..., None], arrays: int, sample_s: float) -> float:
        views = [_views(part, self._size, arrays) for part in self._parts]
        work = [partial(_repeat, operation, view, sample_s) for view in views]
        runs = [future.result() for future in [self._pool.submit(one) for one in work]]
        # From the first begin to the last end: threads that had to take turns did not share the memory.
        spent = max(run.end for run in runs) - min(run.begin for run in runs)
        return sum(run.bytes for run in runs) / max(spent, 1e-9)


class _Run(NamedTuple):
    begin: float
    end: float
    bytes: int


def _views(part: Floats, size: int, arrays: int) -> list[Floats]:
    """Lay arrays into a thread's memory; those of a small copy are rows that begin one cache line apart.

    Passing over all rows in one call of numpy passes over the working set again and again without returning to
    Python, whose part would otherwise be most of the time. An addition cannot: numpy sees that its rows overlap.
    """
    count = size // (8 * arrays)
    line = _LINE_BYTES // 8
    rows = max(1, min(_ROWS, _LEAST_ADD_BYTES // size, count // (4 * line)))
    count -= (rows - 1) * line
    # Arrays that begin at the same place of a page hinder each other: each begins some lines later than the last.
    apart = min(part.size // arrays, size // (8 * arrays) + 9 * line)
    return [as_strided(part[i * apart :], (rows, count), (_LINE_BYTES, 8)) for i in range(arrays)]


def _repeat(operation: Callable[..., None], views: list[Floats], sample_s: float) -> _Run:
    if views[0].nbytes < _CACHEABLE_BYTES:
        operation(*views)
    begin, passes = time.perf_counter(), 0
    while (end := time.perf_counter()) - begin < sample_s or not passes:
        operation(*views)
        passes += 1
    return _Run(begin, end, passes * len(views) * views[0].size * 8)


def _value(measured: Measured) -> float:
    return measured.value


def _copy(a: Floats, b: Floats) -> None:
    np.copyto(a, b)


def _add(a: Floats, b: Floats, c: Floats) -> None:
    np.add(b, c, out=a)
