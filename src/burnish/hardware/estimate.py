"""How long a model will take on a device: each operator's time by a cost model, summed, with an interval."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from burnish.hardware.device import Device
from burnish.hardware.work import Work, Workload

Bound = Literal["compute", "memory", "overhead"]


@dataclass(frozen=True, slots=True)
class WorkTime:
    """How long one operator takes, and what holds it up."""

    work: Work
    seconds: float
    low: float
    """Lower end of the 90% interval."""
    high: float
    bound: Bound
    """The largest part of ``seconds``."""
    cause: str = ""
    """What its error comes from: operators of one cause are wrong together; empty for their role."""


class CostModel(Protocol):
    """Says how long one operator takes on one device: max(arithmetic, traffic) + overhead."""

    @property
    def device(self) -> Device:
        """The device that it speaks of."""
        ...

    @property
    def basis(self) -> str:
        """In a few words, what it rests on, such as ``measured with onnxruntime`` or ``data sheet``."""
        ...

    def time(self, work: Work) -> WorkTime:
        """Return the time of one operator.

        Raises:
            UnsupportedDeviceError: The device does not have the operator's dtype.
        """
        ...


@dataclass(frozen=True)
class Estimate:
    """Predicted latency of one call."""

    workload: Workload
    device: Device
    basis: str
    times: tuple[WorkTime, ...]

    @cached_property
    def seconds(self) -> float:
        """Of one call."""
        return sum(time.seconds for time in self.times)

    @cached_property
    def low(self) -> float:
        """Lower end of the 90% interval."""
        return max(0.0, self.seconds - _spread(self.times, upper=False))

    @cached_property
    def high(self) -> float:
        """Upper end of the 90% interval."""
        return self.seconds + _spread(self.times, upper=True)

    @property
    def flops_per_s(self) -> float:
        """Operations a second that the estimate amounts to."""
        return self.workload.flops / self.seconds if self.seconds else 0.0

    def by_bound(self) -> dict[Bound, float]:
        """Return the share of the time of the operators that each bound holds up."""
        shares: dict[Bound, float] = {"compute": 0.0, "memory": 0.0, "overhead": 0.0}
        for time in self.times:
            shares[time.bound] += time.seconds / (self.seconds or 1.0)
        return shares


def estimate(workload: Workload, model: CostModel) -> Estimate:
    """Predict the latency of one call.

    Operators without a cost rule are not in it: `Workload.uncosted` names them.

    Raises:
        UnsupportedDeviceError: The device does not have the dtype of some operator.
    """
    times = tuple(model.time(work) for work in workload.works)
    return Estimate(workload, model.device, model.basis, times)


def _spread(times: Sequence[WorkTime], *, upper: bool) -> float:
    """Add up the ends: operators of one cause are wrong together, causes are independent of each other."""
    by_cause: defaultdict[str, float] = defaultdict(float)
    for time in times:
        by_cause[time.cause or time.work.role] += (
            (time.high - time.seconds) if upper else (time.seconds - time.low)
        )
    return math.sqrt(sum(value**2 for value in by_cause.values()))
