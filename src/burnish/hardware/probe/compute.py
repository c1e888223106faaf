"""Sustained matrix products: the fastest engine at its best size, by dtype.

The peak is that of the fastest engine because a share of the peak should tell how much is left to gain,
whichever engine could gain it.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from burnish.hardware.device import Dtype
from burnish.hardware.probe.sampling import (
    Call,
    Clock,
    Measured,
    ProbeConfig,
    Timer,
    repeats_for,
    wall_clock,
)

Product = Callable[[int], Call]
_Key = tuple[str, int]

_HOPELESS = (
    0.1  # share of the fastest at one size below which larger ones will not help: it emulates the dtype
)
_TRIES = 3
_TRIES_S = 0.3


@dataclass(frozen=True, slots=True)
class ComputePeak:
    """The fastest matrix product of one dtype that was seen."""

    flops: Measured
    """Operations a second; a multiply-add counts as two."""
    engine: str
    size: int
    threads: int
    """Threads that it ran with; 0 where that was left to the engine."""
    dtype: Dtype = "float32"
    by_engine: Mapping[str, Measured] = field(default_factory=dict)
    """Each engine at its own best size; a single sample where it was too slow to go on."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Engines that do not multiply this dtype, and why."""


def compute_peak(
    products: Mapping[str, Product],
    config: ProbeConfig | None = None,
    *,
    threads: int = 0,
    dtype: Dtype = "float32",
    refused: Mapping[str, str] | None = None,
    timer: Timer = wall_clock,
) -> ComputePeak:
    """Measure the fastest matrix product of several engines and sizes.

    Args:
        products: Engines by name.
        config: How; None for the defaults.
        threads: What the products were made with, for the record.
        dtype: What they multiply, for the record.
        refused: Engines that do not, for the record.
        timer: How calls are timed; a device that works on after a call has returned needs its own.

    Cost: at most about ``config.budget_s``, and what building the products takes.
    """
    config = config or ProbeConfig()
    if not products:
        raise ValueError("a peak needs at least one engine to measure it with")
    calls, rates = _contenders(products, config, timer)
    repeats = {key: repeats_for(_work(key) / rates[key][0], config) for key in calls}
    clock, done = Clock(config.rounds, config.budget_s), 1
    while clock.another(done):  # in turns, so that a busy moment of the machine hits all alike
        for key, call in calls.items():
            time.sleep(config.pause_s)
            rates[key].append(_work(key) / timer(call, repeats[key]))
        done += 1
    found = sorted(((key, Measured.of(samples)) for key, samples in rates.items()), key=_value)
    (name, size), best = found[-1]
    by_engine = {engine: measured for (engine, _), measured in found}  # the fastest size of each comes last
    return ComputePeak(best, name, size, threads, dtype, by_engine, dict(refused or {}))


def numpy_product(size: int, dtype: npt.DTypeLike = np.float32) -> Call:
    """Return a product of floats by the library that numpy was built with."""
    generator = np.random.default_rng(0)  # zeros would multiply faster on some machines, and burn less power
    left, right = (generator.standard_normal((size, size)).astype(dtype) for _ in range(2))
    into = np.empty_like(left)
    return lambda: np.matmul(left, right, out=into)


def _contenders(
    products: Mapping[str, Product], config: ProbeConfig, timer: Timer
) -> tuple[dict[_Key, Call], dict[_Key, list[float]]]:
    """Return the calls that are fast enough to go on, and the first rate of every one that was tried."""
    calls: dict[_Key, Call] = {}
    first: dict[_Key, float] = {}
    hopeful = list(products)
    for size in sorted(config.sizes):
        for name in hopeful:
            key = name, size
            before = max((rate for (engine, _), rate in first.items() if engine == name), default=None)
            if before and _work(key) / before > config.budget_s / 4:
                continue
            calls[key] = products[name](size)
            time.sleep(config.pause_s)
            first[key] = _work(key) / _first_s(calls[key], timer)
        best = max((rate for (_, one), rate in first.items() if one == size), default=0.0)
        hopeful = [name for name in hopeful if first.get((name, size), 0.0) >= _HOPELESS * best]
    least = config.contend_share * max(first.values())
    going_on = {key: call for key, call in calls.items() if first[key] >= least}
    return going_on, {key: [rate] for key, rate in first.items()}


def _first_s(call: Call, timer: Timer) -> float:
    """Return the shortest of a few calls after one that warms up; one disturbed call ends no engine's part."""
    call()
    shortest, spent = math.inf, 0.0
    for _ in range(_TRIES):
        once = timer(call, 1)
        shortest, spent = min(shortest, once), spent + once
        if spent > _TRIES_S:
            break
    return shortest


def _work(key: _Key) -> int:
    return 2 * key[1] ** 3


def _value(found: tuple[_Key, Measured]) -> float:
    return found[1].value
