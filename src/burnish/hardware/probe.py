"""What this machine really does: sustained matrix products and memory traffic, measured.

This room knows no engine. Whoever has some hands them in as *products*: functions that, given a size n, return
a call that multiplies two n x n matrices. The peak is that of the fastest engine at its best size, because a
share of the peak should tell how much is left to gain, whichever engine could gain it.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Call = Callable[[], object]
Product = Callable[[int], Call]
Floats = npt.NDArray[np.float64]

_BLOCK_BYTES = 1 << 17  # of one array: three of them stay in a core's own cache


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeConfig:
    """How to measure."""

    sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    """Sizes n of the n x n products; small ones fit the caches, large ones keep every core busy."""
    rounds: int = 7
    """Samples of each measurement."""
    min_sample_s: float = 0.05
    """A sample repeats a product until it lasts this long, so that clocks have settled."""
    stream_bytes: int = 1 << 28
    """Size of each array of the memory measurement: several times the last cache."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or not self.sizes or min(self.sizes) < 1 or self.stream_bytes < _BLOCK_BYTES:
            raise ValueError("a probe needs sizes, at least one round and arrays larger than a cache")


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate that was measured several times."""

    value: float
    """The best sample: what disturbs a machine only ever slows it, and a peak is what it can do undisturbed."""
    median: float
    low: float
    """The worst sample."""
    n: int


@dataclass(frozen=True, slots=True)
class ComputePeak:
    """The fastest float32 matrix product that was seen."""

    flops: Measured
    """Operations a second; a multiply-add counts as two."""
    engine: str
    size: int
    threads: int
    """Threads that it ran with; 0 where that was left to the engine."""


@dataclass(frozen=True, slots=True)
class MemoryPeak:
    """Traffic between memory and the cores, bytes a second, counted as STREAM does."""

    copy: Measured
    """``a = b``: two arrays pass."""
    triad: Measured
    """``a = b + s * c``: three arrays pass."""
    threads: int


def compute_peak(
    products: Mapping[str, Product], config: ProbeConfig | None = None, *, threads: int = 0
) -> ComputePeak:
    """Measure the fastest matrix product of several engines and sizes.

    Args:
        products: Engines by name.
        config: How; None for the defaults.
        threads: What the products were made with, for the record.

    Cost: the default sizes take about a second an engine.
    """
    config = config or ProbeConfig()
    if not products:
        raise ValueError("a peak needs at least one engine to measure it with")
    work = {(name, size): 2 * size**3 for name in products for size in config.sizes}
    calls = {(name, size): products[name](size) for name, size in work}
    repeats = {key: _repeats(call, config) for key, call in calls.items()}
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in calls}
    for _ in range(config.rounds):  # in turns, so that a busy moment of the machine hits all alike
        for key, call in calls.items():
            rates[key].append(work[key] / _timed(call, repeats[key]))
    name, size = max(rates, key=lambda key: max(rates[key]))
    return ComputePeak(_measured(rates[name, size]), name, size, threads)


def memory_peak(config: ProbeConfig | None = None, *, threads: int = 0) -> MemoryPeak:
    """Measure what a copy and a triad of large arrays move.

    Args:
        config: How; None for the defaults. Three arrays of ``stream_bytes`` are held.
        threads: Threads that share the arrays; 0 for one a core.
    """
    config = config or ProbeConfig()
    workers = threads or len(os.sched_getaffinity(0))
    count = config.stream_bytes // 8
    a, b, c = (np.full(count, fill, np.float64) for fill in (0.0, 1.0, 2.0))
    parts = [slice(count * i // workers, count * (i + 1) // workers) for i in range(workers)]
    with ThreadPoolExecutor(workers) as pool:  # numpy lets go of the interpreter's lock while it copies

        def shared(work: Callable[[Floats, Floats, Floats], None]) -> Call:
            return lambda: list(pool.map(lambda part: work(a[part], b[part], c[part]), parts))

        copy = _rate(shared(lambda x, y, _: np.copyto(x, y)), 2 * a.nbytes, config)
        triad = _rate(shared(_triad), 3 * a.nbytes, config)
    return MemoryPeak(copy, triad, workers)


def numpy_product(size: int) -> Call:
    """Return a float32 product by the library that numpy was built with."""
    left, right = _matrices(size)
    into = np.empty_like(left)
    return lambda: np.matmul(left, right, out=into)


def _matrices(size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    generator = np.random.default_rng(0)  # zeros would multiply faster on some machines, and burn less power
    left, right = (generator.standard_normal((size, size), np.float32) for _ in range(2))
    return left, right


def _triad(a: Floats, b: Floats, c: Floats) -> None:
    step = _BLOCK_BYTES // a.itemsize
    scaled = np.empty(step)
    for begin in range(0, a.size, step):  # in blocks, so that the scaled values never leave the cache
        block = slice(begin, begin + step)
        part = scaled[: min(step, a.size - begin)]
        np.multiply(c[block], 3.0, out=part)
        np.add(b[block], part, out=a[block])


def _rate(call: Call, work: float, config: ProbeConfig) -> Measured:
    repeats = _repeats(call, config)
    return _measured([work / _timed(call, repeats) for _ in range(config.rounds)])


def _repeats(call: Call, config: ProbeConfig) -> int:
    call()
    return max(1, round(config.min_sample_s / max(_timed(call, 1), 1e-7)))


def _timed(call: Call, repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begin) / repeats


def _measured(rates: Sequence[float]) -> Measured:
    return Measured(max(rates), float(np.median(rates)), min(rates), len(rates))
