"""A cost model learned from measured operators of one engine on one machine."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.errors import UnsupportedDeviceError
from burnish.hardware.device import Device, Dtype
from burnish.hardware.estimate import Bound, WorkTime
from burnish.hardware.fitting import Floats, Labels, Smoothness, Surface, fit, quantiles
from burnish.hardware.loops import Role
from burnish.hardware.work import Work

_TURNS = 4
"""How often the time of several operators that were measured together is shared out anew."""
_PRICING_ERROR = 0.1
"""How far off those may be priced that share a measurement, as a share: what is left for one is off by as much."""
_MOST_ERROR = 0.5
"""Of a measurement, as a share; what is less certain tells nothing."""
_FEWEST = 3
"""Measurements of a role, below which its operators are priced by those of all."""
_LEAST_S = 2e-7
"""No operator is taken for faster: what is measured below is the clock's error."""
_CACHE_BYTES = 16 << 20
"""What the caches hold of a model from one call to the next: half of the last cache of a common server, for other
processes want the rest."""
_VECTOR = 8
"""Channels that vector units like to take at once: sizes that it divides have no remainder to treat apart."""

Key = tuple[Dtype, Role]


@dataclass(frozen=True, slots=True)
class Sample:
    """A measurement: operators that ran one after the other, and what they took together."""

    key: str
    """What was run."""
    parts: tuple[tuple[Work, int], ...]
    """Operators, and how often each ran."""
    seconds: float
    """All together."""
    error: float = 0.0
    """Of the seconds, as a share; 1 where the machine was busy with other things."""

    @property
    def certain(self) -> bool:
        """Whether it is good enough to learn from."""
        return self.error < _MOST_ERROR


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything that was measured of one engine on one machine."""

    engine: str
    threads: int
    """Of the engine; 0 where that was left to it."""
    samples: tuple[Sample, ...] = ()
    complete: bool = False
    """Whether the whole design was measured."""


@dataclass(frozen=True, slots=True)
class RoleFit:
    """How well the operators of one class are known."""

    samples: int
    error: float
    """Median error of predicting a measurement by the others, as a share."""
    slowest: float
    """Share of the roofline that the slowest twentieth of the measurements reaches at most."""
    fastest: float
    """Share of the roofline that the fastest twentieth reaches at least."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    surface: Surface
    ops: tuple[str, ...]
    used: Floats
    """Which features vary among the measurements."""
    low: float
    """Measured over predicted, at the lower end of the 90% interval."""
    high: float
    told: RoleFit


@dataclass(frozen=True, slots=True)
class _Measured:
    work: Work
    seconds: float
    error: float
    group: int
    """Measurements of one group were taken together."""


class CalibratedModel:
    """Prices an operator by measured ones of its class that are like it.

    An operator's time is that of the roofline, max(arithmetic, traffic) + overhead, over an efficiency that is a
    smooth function of its sizes, learned from the measurements. No model has a part in it.

    Args:
        device: What was measured on; its peaks and bandwidth make the roofline.
        calibration: What was measured.

    Raises:
        UnsupportedDeviceError: Too little was measured to learn from.

    Cost: a second or two for some hundred measurements.
    """

    def __init__(self, device: Device, calibration: Calibration) -> None:
        self.device = device
        self.engine = calibration.engine
        """Engine whose operators were measured: a workload should be listed as that engine runs it."""
        self.threads = calibration.threads
        self.basis = f"micro-benchmarks of {calibration.engine} on this machine"
        self.doubtful = sum(not sample.certain for sample in calibration.samples) / max(
            1, len(calibration.samples)
        )
        """Share of the measurements that are too uncertain to learn from, as on a busy machine."""
        self._fitted = _fit_all(calibration.samples, self._roofline)
        if not self._fitted:
            raise UnsupportedDeviceError(
                f"too few operators of {calibration.engine} were measured to learn from",
                hint=f"run: burnish hardware calibrate --engine {calibration.engine}",
            )

    @property
    def roles(self) -> Mapping[Key, RoleFit]:
        """How well each class of operators is known."""
        return {key: fitted.told for key, fitted in self._fitted.items()}

    def time(self, work: Work) -> WorkTime:
        """Return the time of one operator; see `burnish.hardware.estimate.CostModel.time`."""
        if work.role == "free":
            return WorkTime(work, 0.0, 0.0, 0.0, "overhead")
        fitted = self._fitted.get((work.dtype, work.role)) or self._any(work.dtype)
        seconds = max(_LEAST_S, self._roofline(work) * math.exp(_slowness(fitted, [work])[0]))
        seconds += _evicted(work) / (self.device.bandwidth or math.inf)
        return WorkTime(
            work, seconds, seconds * fitted.low, seconds * fitted.high, self._bound(work, seconds)
        )

    def _any(self, dtype: Dtype) -> _Fitted:
        """Return what is known of the class with the most measurements, for one of which nothing is known."""
        known = [fitted for (of, _), fitted in self._fitted.items() if of == dtype]
        if not known:
            having = ", ".join(sorted({of for of, _ in self._fitted}))
            raise UnsupportedDeviceError(
                f"no operator of {dtype} was measured with {self.engine}, but of {having}",
                hint=f"run: burnish hardware calibrate --engine {self.engine}",
            )
        return max(known, key=lambda fitted: fitted.told.samples)

    def _parts(self, work: Work) -> dict[Bound, float]:
        return {
            "compute": work.flops / self.device.peak(work.dtype),
            "memory": work.bytes / (self.device.bandwidth or math.inf),
            "overhead": self.device.overhead_s or _LEAST_S,
        }

    def _roofline(self, work: Work) -> float:
        parts = self._parts(work)
        return max(parts["compute"], parts["memory"]) + parts["overhead"]

    def _bound(self, work: Work, seconds: float) -> Bound:
        parts = self._parts(work)
        if parts["overhead"] > seconds / 2:
            return "overhead"
        return "compute" if parts["compute"] >= parts["memory"] else "memory"


def _fit_all(samples: Sequence[Sample], roofline: Callable[[Work], float]) -> dict[Key, _Fitted]:
    """Fit every class; what several operators took together is shared out as the last fit prices them."""
    fitted: dict[Key, _Fitted] = {}
    for turn in range(_TURNS):
        by_role: defaultdict[Key, list[_Measured]] = defaultdict(list)
        for group, sample in enumerate(samples):
            for one in _shared_out(sample, group, roofline, fitted):
                by_role[one.work.dtype, one.work.role].append(one)
        searching = turn in (0, _TURNS - 1)  # the search takes far longer than a fit
        smoothness = {} if searching else {key: one.surface.smoothness for key, one in fitted.items()}
        fitted = {
            key: _fit_role(_best(measured), roofline, smoothness.get(key))
            for key, measured in by_role.items()
            if _groups(measured) >= _FEWEST
        }
    return fitted


def _best(measured: Sequence[_Measured]) -> Sequence[_Measured]:
    """Return the measurements that are certain; all where those are too few."""
    certain = [one for one in measured if one.error < _MOST_ERROR]
    return certain if _groups(certain) >= _FEWEST else measured


def _groups(measured: Sequence[_Measured]) -> int:
    return len({one.group for one in measured})


def _shared_out(
    sample: Sample, group: int, roofline: Callable[[Work], float], fitted: Mapping[Key, _Fitted]
) -> list[_Measured]:
    priced = []
    for work, count in sample.parts:
        if work.role != "free":
            known = fitted.get((work.dtype, work.role))
            slower = math.exp(_slowness(known, [work])[0]) if known is not None else 1.0
            priced.append((work, count, roofline(work) * slower))
    total = sum(count * seconds for _, count, seconds in priced)
    shared = []
    for work, count, seconds in priced:
        others = total / (count * seconds) - 1
        error = math.hypot(sample.error, _PRICING_ERROR * others)
        shared.append(_Measured(work, sample.seconds * seconds / total, error, group))
    return shared


def _fit_role(
    measured: Sequence[_Measured], roofline: Callable[[Work], float], smoothness: Smoothness | None
) -> _Fitted:
    works = [one.work for one in measured]
    ops = tuple(sorted({_kin(work.op) for work in works}))
    features = np.array([_features(work) for work in works])
    used = features.std(axis=0) > 1e-9
    slowness = np.log([max(one.seconds, _LEAST_S) / roofline(one.work) for one in measured])
    errors, groups = (
        np.array(each) for each in zip(*((one.error, one.group) for one in measured), strict=True)
    )
    surface = fit(
        features[:, used],
        slowness,
        labels=_labels(works, ops),
        errors=errors,
        groups=groups,
        smoothness=smoothness,
    )
    low, high = np.exp(-np.array(quantiles(surface.left_out, (0.95, 0.05))))
    slowest, fastest = np.exp(-np.quantile(slowness, (0.95, 0.05)))
    error = float(np.median(np.abs(np.expm1(surface.left_out))))
    told = RoleFit(len(set(groups.tolist())), error, float(slowest), float(fastest))
    return _Fitted(surface, ops, used, min(1.0, float(low)), max(1.0, float(high)), told)


def _slowness(fitted: _Fitted, works: Sequence[Work]) -> Floats:
    """Return the logarithm of how many times longer than by the roofline each takes."""
    features = np.array([_features(work) for work in works])
    return fitted.surface(features[:, fitted.used], _labels(works, fitted.ops))


def _labels(works: Sequence[Work], ops: Sequence[str]) -> Labels:
    kin = [_kin(work.op) for work in works]
    return np.array([ops.index(op) if op in ops else -1 for op in kin])


def _features(work: Work) -> list[float]:
    sizes = (
        work.m, work.n, work.k, work.count, work.kernel, work.stride, work.width, work.flops, work.bytes,
        work.weight_bytes,
    )  # fmt: skip
    inner = work.k // max(1, work.kernel)
    return [
        *(math.log(1 + size) for size in sizes),
        work.weight_bytes / max(1, work.bytes) * _beyond_caches(work.model_bytes),
        float(work.n % _VECTOR == 0),
        float(inner % _VECTOR == 0),
        float(work.count * work.n % _VECTOR == 0),
    ]


def _evicted(work: Work) -> float:
    """Return the bytes that an operator must fetch before it can write over them.

    In a network its result takes memory that was last used many operators ago. The copies in a small graph write
    where the copy before has just read, so that their times lack this, but for operators that fill the caches
    by themselves.
    """
    if not work.model_results:
        return 0.0
    share = _beyond_caches(work.model_bytes + work.model_results) - _beyond_caches(work.bytes)
    return work.result_bytes * max(0.0, share)


def _beyond_caches(size: int) -> float:
    """Return the share of so many bytes, used in turn, that the caches do not hold."""
    return max(0.0, 1 - _CACHE_BYTES / max(1, size))


def _kin(op: str) -> str:
    """Return the operator that one is a variant of."""
    return op.removeprefix("Nhwc").removeprefix("Fused")
