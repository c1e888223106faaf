"""Whether a processor that is kept busy slows down, what it draws meanwhile, and who else takes its time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from burnish.hardware.probe.energy import Energy, Meter
from burnish.hardware.probe.sampling import Call, ProbeConfig, Spread, Timer, wall_clock

_CHUNKS = 48  # of the whole time: enough in each third for a median
_LEAST_CHUNKS = 9  # where single calls take longer than that
_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Sustained:
    """A product that was repeated for seconds."""

    seconds: float
    flops_per_s: float
    """Operations a second over all that time."""
    ratio: Spread
    """Rate of the last third of the time over that of the first, medians, with a bootstrap 95% interval."""
    stolen: float | None
    """Share of the processors' time that the hypervisor gave to others; None where it does not tell."""
    others: float | None
    """Share of the processors' time that other processes took; None where the system does not tell."""
    mhz: tuple[float, float] | None
    """Clock at the begin and at the end, mean of the cores, as the kernel reports it."""
    celsius: tuple[float, float] | None
    """Hottest sensor at the begin and at the end."""
    energy: tuple[Energy, ...] = ()


def sustain(
    call: Call,
    work: float,
    config: ProbeConfig | None = None,
    *,
    meters: Sequence[Meter] = (),
    timer: Timer = wall_clock,
) -> Sustained:
    """Repeat a call for ``config.sustain_s`` seconds and compare the end with the begin.

    Args:
        call: What keeps the processor busy.
        work: Operations of one call.
        config: How long; None for the defaults.
        meters: Count energy meanwhile, and for ``config.idle_s`` beforehand.
        timer: How calls are timed.
    """
    config = config or ProbeConfig()
    idle = _idle(meters, config.idle_s)
    call()
    repeats = max(1, round(config.sustain_s / _CHUNKS / timer(call, 1)))
    mhz, celsius, others = _mhz(), _celsius(), _Others()
    counted = {meter.name: meter.joules() for meter in meters}
    rates: list[float] = []
    begin = time.perf_counter()
    while (spent := time.perf_counter() - begin) < config.sustain_s or len(rates) < _LEAST_CHUNKS:
        rates.append(work / timer(call, repeats))
        drawn = {
            meter.name: meter.joules() - counted[meter.name] for meter in meters
        }  # sees each wrap-around
    done = work * repeats * len(rates)
    energy = [Energy(name, idle.get(name), joules / spent, joules / done) for name, joules in drawn.items()]
    return Sustained(
        spent,
        done / spent,
        _ratio(rates),
        *others.shares(),
        _pair(mhz, _mhz()),
        _pair(celsius, _celsius()),
        tuple(energy),
    )


def _idle(meters: Sequence[Meter], seconds: float) -> Mapping[str, float]:
    if not meters or not seconds:
        return {}
    before, begin = {meter.name: meter.joules() for meter in meters}, time.perf_counter()
    time.sleep(seconds)
    return {m.name: (m.joules() - before[m.name]) / (time.perf_counter() - begin) for m in meters}


def _ratio(rates: Sequence[float]) -> Spread:
    third = len(rates) // 3
    first, last = np.asarray(rates[:third]), np.asarray(rates[-third:])
    draw = np.random.default_rng(0).integers(0, third, (2, _RESAMPLES, third))
    again = np.median(last[draw[1]], axis=1) / np.median(first[draw[0]], axis=1)
    low, high = np.quantile(again, (0.025, 0.975)).tolist()
    return Spread(float(np.median(last) / np.median(first)), low, high, len(rates))


class _Others:
    """Who else took the processors' time from now on."""

    def __init__(self) -> None:
        self._times, self._own_s = psutil.cpu_times(), time.process_time()

    def shares(self) -> tuple[float | None, float | None]:
        """Return the share that a hypervisor gave to other machines, and that of other processes of this one."""
        own_s, after = time.process_time() - self._own_s, psutil.cpu_times()
        names = [name for name in after._fields if not name.startswith("guest")]  # counted as the users', too
        passed = {name: getattr(after, name) - getattr(self._times, name) for name in names}
        whole = sum(passed.values())
        if whole <= 0:  # shorter than the kernel's own ticks
            return None, None
        asleep = sum(passed.get(name, 0.0) for name in ("idle", "iowait", "steal"))
        stolen = passed["steal"] / whole if "steal" in passed else None
        return stolen, max(0.0, whole - asleep - own_s) / whole


def _mhz() -> float | None:
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError, AttributeError):  # as psutil's own page says of some systems
        return None
    return float(found.current) if found and found.current else None


def _celsius() -> float | None:
    if not hasattr(psutil, "sensors_temperatures"):  # only Linux and FreeBSD have it
        return None
    found = [one.current for group in psutil.sensors_temperatures().values() for one in group if one.current]
    return max(found, default=None)


def _pair(before: float | None, after: float | None) -> tuple[float, float] | None:
    return None if before is None or after is None else (before, after)
