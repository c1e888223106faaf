"""Probing a processor or an accelerator of this machine part by part; each part is kept as soon as it is done."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from burnish.errors import BurnishError, UnsupportedDeviceError
from burnish.hardware.device import Dtype
from burnish.hardware.probe import (
    Chain,
    ComputePeak,
    MemoryPeak,
    Meter,
    Overhead,
    ProbeConfig,
    Product,
    Sustained,
    Timer,
    compute_peak,
    dispatch_overhead,
    read_host,
    sustain,
    wall_clock,
)
from burnish.hardware.store import Kept, ProbeStore
from burnish.runtime.machine import fingerprint

N = TypeVar("N", bound=str)
T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Told the part that begins now (empty at the end), how many are done, and how many there are."""

_SUSTAINED_DTYPE: Dtype = "float32"
_SUSTAINED, _METERED = "sustained", "sustained-energy"
"""Names of the last part, which is taken anew when energy can be counted that could not before."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is probed, and how its work is made."""

    name: str
    """Tells apart what is kept of one subject from what is kept of another."""
    dtypes: tuple[Dtype, ...]
    products: Callable[[Dtype], tuple[Mapping[str, Product], Mapping[str, str]]]
    """Makes the products of a dtype by engine, and tells why other engines have none."""
    memory: Callable[[ProbeConfig], MemoryPeak]
    chains: Mapping[str, Callable[[], Chain]]
    """Chains of operators by engine."""
    operator: str
    """What the chains are made of."""
    meter: Callable[[], tuple[Meter | None, str]]
    """Makes a counter of energy, or tells why there is none."""
    size_factor: int = 1
    """How many times larger than a processor's its products must be, so that all of it is busy."""
    threads: int = 0
    """Threads of the engines; 0 leaves them to each."""
    timer: Timer = wall_clock
    """How products are timed."""


@dataclass(frozen=True)
class Probe:
    """All that was measured of a subject."""

    subject: str
    peaks: Mapping[Dtype, Kept[ComputePeak]]
    no_peaks: Mapping[Dtype, str]
    """Dtypes that no engine here multiplies, and why."""
    memory: Kept[MemoryPeak]
    overheads: Mapping[str, Kept[Overhead]]
    """By engine."""
    no_overheads: Mapping[str, str]
    """Engines whose dispatch could not be measured, and why."""
    sustained: Kept[Sustained]
    no_energy: str
    """Why energy cannot be counted; empty where it can."""


def machine_store(folder: Path | None = None) -> ProbeStore:
    """Return the store of what was measured on this machine, with these engines and this share of it.

    Args:
        folder: Of the cache; None for the user's.
    """
    return ProbeStore(f"{fingerprint()!r} quota {read_host().quota}", folder)


def probe(
    subject: Subject,
    store: ProbeStore,
    config: ProbeConfig | None = None,
    *,
    refresh: bool = False,
    on_progress: Progress | None = None,
) -> Probe:
    """Measure a subject, or take from the store what is known of it.

    Every part is kept when it is done, so that a run that was interrupted goes on where it stopped.

    Args:
        subject: What to measure.
        store: Where parts are kept.
        config: How; None for the defaults. Parts that were measured with less effort are measured again.
        refresh: Whether to forget all parts first.
        on_progress: Told before each part.

    Raises:
        UnsupportedDeviceError: No engine multiplies float32.

    Cost: less than a minute with the default config.
    """
    parts = _Parts(subject, store, config or ProbeConfig(), on_progress)
    if refresh:
        parts.forget()
    return parts.all()


def kept_peak(
    subject: Subject, dtype: Dtype, store: ProbeStore, config: ProbeConfig, *, refresh: bool = False
) -> Kept[ComputePeak]:
    """Return the peak of one dtype, measured only where it is not known.

    Raises:
        UnsupportedDeviceError: No engine multiplies this dtype; the text says why.
    """

    def measure() -> ComputePeak:
        products, refused = subject.products(dtype)
        if not products:
            reasons = "; ".join(f"{engine}: {reason}" for engine, reason in refused.items())
            raise UnsupportedDeviceError(f"no engine here multiplies {dtype}: {reasons}")
        larger = replace(config, sizes=tuple(size * subject.size_factor for size in config.sizes))
        return compute_peak(
            products, larger, threads=subject.threads, dtype=dtype, refused=refused, timer=subject.timer
        )

    kind = _kind(subject, f"peak-{dtype}")
    return store.once(kind, ComputePeak, measure, effort=config.rounds, refresh=refresh)


class _Parts:
    """The parts of one subject's measurement.

    Args:
        subject: What to measure.
        store: Where parts are kept.
        config: How to measure.
        told: Told before each part.
    """

    def __init__(
        self, subject: Subject, store: ProbeStore, config: ProbeConfig, told: Progress | None
    ) -> None:
        self._subject, self._store, self._config = subject, store, config
        self._told = told or (lambda _part, _done, _all: None)
        self._all = len(subject.dtypes) + len(subject.chains) + 2
        self._done = 0

    def forget(self) -> None:
        """Remove every part that is kept."""
        peaks = (f"peak-{dtype}" for dtype in self._subject.dtypes)
        for part in (*peaks, "memory", *map(_dispatch, self._subject.chains), _SUSTAINED, _METERED):
            self._store.forget(_kind(self._subject, part))

    def all(self) -> Probe:
        """Measure the parts that are missing."""
        peaks, no_peaks = _each(self._subject.dtypes, self._peak)
        if _SUSTAINED_DTYPE not in peaks:
            raise UnsupportedDeviceError(no_peaks[_SUSTAINED_DTYPE])
        self._begin("memory traffic")
        measure = partial(self._subject.memory, self._config)
        memory = self._once("memory", MemoryPeak, measure, self._config.rounds)
        overheads, no_overheads = _each(self._subject.chains, self._overhead)
        sustained, no_energy = self._sustained(peaks[_SUSTAINED_DTYPE].value)
        self._told("", self._all, self._all)
        name = self._subject.name
        return Probe(name, peaks, no_peaks, memory, overheads, no_overheads, sustained, no_energy)

    def _peak(self, dtype: Dtype) -> Kept[ComputePeak]:
        self._begin(f"{dtype} product")
        return kept_peak(self._subject, dtype, self._store, self._config)

    def _overhead(self, engine: str) -> Kept[Overhead]:
        self._begin(f"dispatch of {engine}")

        def measure() -> Overhead:
            chain = self._subject.chains[engine]()
            return dispatch_overhead(
                chain, self._config, operator=self._subject.operator, threads=self._subject.threads
            )

        return self._once(_dispatch(engine), Overhead, measure, self._config.rounds)

    def _sustained(self, peak: ComputePeak) -> tuple[Kept[Sustained], str]:
        self._begin("sustained product")
        meter, no_energy = self._subject.meter()

        def measure() -> Sustained:
            product = self._subject.products(peak.dtype)[0][peak.engine]
            meters = [] if meter is None else [meter]
            return sustain(
                product(peak.size), 2.0 * peak.size**3, self._config, meters=meters, timer=self._subject.timer
            )

        part = _SUSTAINED if meter is None else _METERED
        return self._once(part, Sustained, measure, self._config.sustain_s), no_energy

    def _begin(self, part: str) -> None:
        self._told(part, self._done, self._all)
        self._done += 1

    def _once(self, part: str, cls: type[T], measure: Callable[[], T], effort: float) -> Kept[T]:
        return self._store.once(_kind(self._subject, part), cls, measure, effort=effort)


def _kind(subject: Subject, part: str) -> str:
    return f"{subject.name}-{part}-{subject.threads}"


def _dispatch(engine: str) -> str:
    return f"dispatch-{engine}"


def _each(names: Iterable[N], measure: Callable[[N], T]) -> tuple[dict[N, T], dict[N, str]]:
    """Measure all that can be measured, and keep the reasons of the others."""
    found: dict[N, T] = {}
    refused: dict[N, str] = {}
    for name in names:
        try:
            found[name] = measure(name)
        except BurnishError as error:
            refused[name] = str(error)
    return found, refused
