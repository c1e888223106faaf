"""How many devices a traffic needs so that its latency objective holds, and in which batches they run.

For every batch size the time of a request is bounded as `burnish.hardware.queueing` says. Of the sizes with which
the objective holds, that with the fewest devices is taken, and among those the one with the highest throughput. An
estimate is an interval, so that a fleet is sized three times: at the slow end, the estimate and the fast end.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from burnish.errors import ConfigError
from burnish.hardware.estimate import Estimate
from burnish.hardware.queueing import Response, response

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Batch sizes that are tried where the graph leaves the batch open."""

Verdict = Literal["feasible", "uncertain", "infeasible"]

_SETTLED = 0.01  # of the service time: a wait below it is not shortened by more devices in a way that matters
_HALVINGS = 30  # of the loads between one that holds and one that does not
_LEAST_S = 1e-9  # an interval may begin at nothing, which no device reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of a fleet."""

    slo_s: float
    """Within this a request must be answered."""
    traffic_rps: float
    """Requests a second, one example each."""
    utilisation: float = 0.6
    """Share of the time that a device may be at work, at most."""
    percentile: float = 0.99
    """Share of the requests that must be answered in time."""

    def __post_init__(self) -> None:
        for name, value in (("latency objective", self.slo_s), ("traffic", self.traffic_rps)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} = {value:g} is not above 0", hint="give a positive number")
        if not 0 < self.utilisation <= 1:
            raise ConfigError(
                f"utilisation = {self.utilisation:g} is not within (0, 1]", hint="such as 0.6 for 60%"
            )
        if not 0 < self.percentile < 1:
            raise ConfigError(f"percentile = {self.percentile:g} is not between 0 and 1", hint="such as 0.99")


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet that carries the traffic within the objective."""

    batch: int
    devices: int
    response: Response
    demand: Demand

    @property
    def traffic_rps(self) -> float:
        """Requests a second, over all devices."""
        return self.demand.traffic_rps

    @property
    def rows_per_s(self) -> float:
        """Most that one device does."""
        return self.batch / self.response.service_s

    @property
    def load(self) -> float:
        """Share of the time that a device is at work under the traffic."""
        return self.traffic_rps / (self.devices * self.rows_per_s)

    @property
    def held_load(self) -> float:
        """Highest share of the time at work, of the allowed, with which these devices still hold the objective.

        The time to fill a batch falls with the load, the wait for a device rises, and both are convex: from the load
        under the traffic, where the objective holds, upward it holds until one point and not beyond.
        """
        holds, fails = self.load, self.demand.utilisation
        if fails <= holds or self._holds(fails):
            return fails
        for _ in range(_HALVINGS):
            middle = (holds + fails) / 2
            holds, fails = (middle, fails) if self._holds(middle) else (holds, middle)
        return holds

    def _holds(self, load: float) -> bool:
        times = response(
            self.response.service_s,
            self.batch,
            self.devices,
            traffic_rps=load * self.devices * self.rows_per_s,
            late=1 - self.demand.percentile,
        )
        return times.total_s <= self.demand.slo_s


@dataclass(frozen=True, slots=True)
class Sizing:
    """A fleet at the estimate and at both ends of its interval."""

    verdict: Verdict
    fleet: Fleet | None
    """At the estimate, with a batch size that holds at the slow end where there is one; None where it is too slow."""
    slow: Fleet | None = None
    fast: Fleet | None = None
    reasons: tuple[str, ...] = ()
    """Why it is not simply feasible."""


def smallest_fleet(services_s: Mapping[int, float], demand: Demand) -> Fleet | None:
    """Return the smallest fleet that holds the objective; None where no batch size does.

    Args:
        services_s: Time of one call by batch size.
        demand: Traffic and objective.
    """
    found = [
        made for batch, time in services_s.items() if (made := _fleet_of(batch, time, demand)) is not None
    ]
    return min(found, key=lambda one: (one.devices, -one.rows_per_s)) if found else None


def size_fleet(estimates: Mapping[int, Estimate], demand: Demand) -> Sizing:
    """Size a fleet from the estimates of each batch size, each with its interval.

    Batches that the device has no memory for are left out. Operators without a cost rule make a fleet uncertain at
    best, for their time is not in the estimate, and so does a memory of unknown size. Where no operator has a time
    there is nothing to size a fleet by.
    """
    fitting = {batch: one for batch, one in estimates.items() if _missing_bytes(one) <= 0}
    if not fitting:
        return Sizing("infeasible", None, reasons=(_too_small(estimates[min(estimates)]),))
    least = fitting[min(fitting)]
    if not least.seconds:
        return Sizing("uncertain", None, reasons=(_untimed(least), *_unsure(least)))
    slow, middle, fast = (
        smallest_fleet({batch: getattr(one, end) for batch, one in fitting.items()}, demand)
        for end in ("high", "seconds", "low")
    )
    reasons = _reasons(fitting, demand, slow, middle)
    if fast is None:
        return Sizing("infeasible", None, reasons=reasons)
    if slow is not None:
        middle = _fleet_of(slow.batch, fitting[slow.batch].seconds, demand) or middle
    verdict: Verdict = "uncertain" if reasons else "feasible"
    return Sizing(verdict, middle, slow, fast, reasons)


def _fleet_of(batch: int, service_s: float, demand: Demand) -> Fleet | None:
    """Return the smallest fleet for one batch size; more devices shorten the wait and lengthen the gathering."""
    service_s = max(service_s, _LEAST_S)
    if service_s > demand.slo_s:
        return None
    devices = math.ceil(demand.traffic_rps * service_s / (batch * demand.utilisation))
    while True:
        times = response(
            service_s, batch, devices, traffic_rps=demand.traffic_rps, late=1 - demand.percentile
        )
        if times.total_s <= demand.slo_s:
            return Fleet(batch, devices, times, demand)
        if service_s + times.gather_s > demand.slo_s or times.wait_s < _SETTLED * service_s:
            return None
        devices += 1


def _missing_bytes(one: Estimate) -> float:
    room = one.device.memory_bytes
    return _needed_bytes(one) - room if room is not None else 0.0


def _needed_bytes(one: Estimate) -> int:
    return one.workload.weight_bytes + one.workload.activation_bytes


def _too_small(one: Estimate) -> str:
    room = one.device.memory_bytes or 0.0
    return (
        f"memory: weights and activations need {_needed_bytes(one) / 1e9:.2f} GB at batch {one.workload.batch}, "
        f"the device has {room / 1e9:.2f} GB"
    )


def _reasons(
    estimates: Mapping[int, Estimate], demand: Demand, slow: Fleet | None, middle: Fleet | None
) -> tuple[str, ...]:
    least = estimates[min(estimates)]
    reasons = []
    if slow is None:
        reasons.append(_late(least, demand, certain=middle is None))
    if least.workload.uncosted:
        reasons.append(f"no cost rule for {_uncosted(least)}: the time is a lower bound")
    return *reasons, *_unsure(least)


def _untimed(one: Estimate) -> str:
    if one.workload.uncosted:
        return f"no cost rule for {_uncosted(one)}, and nothing else takes time: no fleet can be sized"
    return "no operator of the model takes time: no fleet can be sized"


def _uncosted(one: Estimate) -> str:
    return ", ".join(f"{count} x {op}" for op, count in sorted(one.workload.uncosted.items()))


def _unsure(one: Estimate) -> tuple[str, ...]:
    if one.device.memory_bytes is not None:
        return ()
    return (
        f"memory unknown: nothing says whether {_needed_bytes(one) / 1e9:.2f} GB of weights and activations fit "
        "(memory_bytes in a file of your own devices does)",
    )


def _late(least: Estimate, demand: Demand, *, certain: bool) -> str:
    batch = least.workload.batch
    spread = (
        f"{least.seconds * 1000:.3g} ms [{least.low * 1000:.3g}, {least.high * 1000:.3g}] at batch {batch}"
    )
    slo = f"the objective of {demand.slo_s * 1000:.3g} ms"
    if least.low > demand.slo_s:
        over = (least.seconds - demand.slo_s) * 1000
        return f"{spread} is {over:.3g} ms over {slo}"
    if certain and least.seconds > demand.slo_s:
        return f"{spread} is over {slo}, and only its fast end is not"
    if certain:
        return f"{spread} leaves too little of {slo} for waiting"
    return f"the interval of {spread} straddles {slo} with what waiting takes"
