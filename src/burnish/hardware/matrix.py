"""The evaluation matrix: every device with what it can do, takes and costs, scored, and how firm the choice is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from burnish.hardware.bill import Bill, bill
from burnish.hardware.capacity import Demand, Fleet, Sizing, Verdict
from burnish.hardware.device import Device, Dtype
from burnish.hardware.estimate import Bound, Estimate
from burnish.hardware.power import Power, power_of, tops_per_w
from burnish.hardware.sensitivity import Point, Sensitivity, dot, sensitivity
from burnish.hardware.tco import CostOptions, price_known
from burnish.hardware.weights import AXES, Weights
from burnish.pareto import pareto_front

End = Literal["fast", "estimate", "slow"]
Axes = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One device."""

    device: Device
    dtype: Dtype | None
    """Of most of the arithmetic; None where the device has not the one asked for."""
    estimate: Estimate | None = None
    """Of one call, at the batch size of the fleet."""
    single: Estimate | None = None
    """Of one call at the smallest batch size."""
    sizing: Sizing
    power: Power | None = None
    bills: Mapping[End, Bill]
    """At the estimate, and at both ends of its interval where a fleet holds there."""
    notes: tuple[str, ...] = ()
    """What is not known, and what that means."""

    @property
    def name(self) -> str:
        """Of the device."""
        return self.device.name

    @property
    def fleet(self) -> Fleet | None:
        """The fleet, where one holds."""
        return self.sizing.fleet

    @property
    def verdict(self) -> Verdict:
        """Whether it can do what is asked."""
        return self.sizing.verdict

    @property
    def bill(self) -> Bill | None:
        """At the estimate."""
        return self.bills.get("estimate")

    @property
    def bound(self) -> Bound | None:
        """What holds up most of the time."""
        if self.estimate is None:
            return None
        shares = self.estimate.by_bound()
        return max(shares, key=lambda name: shares[name])

    @property
    def peak_share(self) -> float | None:
        """Operations a second over the device's peak: what is achieved of it."""
        if self.estimate is None or self.dtype is None or self.dtype not in self.device.peaks:
            return None
        return self.estimate.flops_per_s / self.device.peaks[self.dtype]

    @property
    def tops_per_w_spec(self) -> float | None:
        """Tera-operations a second per watt at the peak, both as specified: another power given changes nothing."""
        if self.dtype is None or self.dtype not in self.device.peaks:
            return None
        return self.device.tops_per_w(self.dtype)

    @property
    def tops_per_w(self) -> float | None:
        """As achieved by the estimate, at the power that counts here."""
        if self.power is None or not self.power.load_w or self.estimate is None:
            return None
        return tops_per_w(self.estimate.flops_per_s, self.power.load_w)

    def axes(self, end: End = "estimate") -> Axes:
        """Return rows a second of one device, joules a row and the cost in USD, of the fleet; None where unknown."""
        fleet = {"fast": self.sizing.fast, "estimate": self.fleet, "slow": self.sizing.slow}[end]
        made = self.bills.get(end)
        if fleet is None or made is None:
            return None, None, None
        return fleet.rows_per_s, made.fleet_joules, made.tco_usd


def row(
    device: Device,
    dtype: Dtype | None,
    estimates: Mapping[int, Estimate],
    sizing: Sizing,
    options: CostOptions,
) -> Row:
    """Return the row of a device from its estimates by batch size and the fleet that they need."""
    power = power_of(device, load_w=options.power_w.get(device.name), idle_w=options.idle_w.get(device.name))
    ends: dict[End, Fleet | None] = {"estimate": sizing.fleet, "fast": sizing.fast, "slow": sizing.slow}
    bills = {end: bill(device, fleet, power, options) for end, fleet in ends.items() if fleet is not None}
    notes = []
    if power is None:
        notes.append("power unknown: no energy, and no cost of buying (--power gives it)")
    cost = bills["estimate"].yearly if sizing.fleet is not None else None
    if sizing.fleet is not None and not price_known(device, options):
        notes.append("no price: left out where cost counts (--price or --rent gives one)")
    alone = device.kind != "edge" and not options.host_usd  # an edge device is a computer of its own
    if cost is not None and cost.way == "bought" and alone:
        notes.append("bought alone: the server around it is not in the cost (--host adds its share)")
    single = estimates[min(estimates)] if estimates else None
    return Row(
        device=device,
        dtype=dtype,
        estimate=single if sizing.fleet is None else estimates[sizing.fleet.batch],
        single=single,
        sizing=sizing,
        power=power,
        bills=bills,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class Matrix:
    """All devices for one model, traffic and objective."""

    model: str
    rows: tuple[Row, ...]
    demand: Demand
    options: CostOptions
    weights: Weights

    @cached_property
    def ranked(self) -> dict[str, float]:
        """Scores by device, the best first; who cannot do it, or lacks a figure that counts, is not among them."""
        shares = self.weights.normalised()
        scores = {name: dot(part, shares) for name, part in self._parts.items()}
        return dict(sorted(scores.items(), key=lambda item: -item[1]))

    @property
    def winner(self) -> Row | None:
        """The device with the best score that surely does what is asked; where there is none, that may do it."""
        order = [self.of(name) for name in self.ranked]
        sure = [one for one in order if one.verdict == "feasible"]
        return next(iter(sure or order), None)

    @cached_property
    def front(self) -> tuple[str, ...]:
        """Devices that no other beats in throughput, energy and cost at once; all three must be known."""
        known = [
            (row.name, (-compute, power, cost))
            for row in self._able()
            for compute, power, cost in [row.axes()]
            if compute is not None and power is not None and cost is not None
        ]
        return tuple(name for name, _ in pareto_front(known, lambda one: one[1]))

    @cached_property
    def sensitivity(self) -> Sensitivity | None:
        """How the ranking hangs on the weights, among the ranked devices whose three figures are known.

        Their scores are those of the ranking; only devices that are as sure as the winner could take its place.
        """
        winner = self.winner
        if winner is None or None in winner.axes():
            return None
        rivals = [self.of(name) for name in self.ranked]
        known = [row.name for row in rivals if row.verdict == winner.verdict and None not in row.axes()]
        return sensitivity({name: self._parts[name] for name in known}, self.weights.normalised())

    @cached_property
    def rivals_within_interval(self) -> tuple[str, ...]:
        """Devices that would win if they were as fast, and the winner as slow, as the estimates' intervals allow."""
        winner = self.winner
        if winner is None:
            return ()
        end: End = "slow" if "slow" in winner.bills else "estimate"
        usual = {row.name: row.axes() for row in self._able()} | {winner.name: winner.axes(end)}
        return tuple(
            row.name
            for row in self._able()
            if row is not winner
            and row.name in self.ranked
            and _beats(row.name, winner.name, usual | {row.name: row.axes("fast")}, self.weights)
        )

    @property
    def ordered(self) -> list[Row]:
        """All rows: the ranked ones by score, then those that could, then those that cannot."""
        rest = sorted(
            (row for row in self.rows if row.name not in self.ranked),
            key=lambda row: row.verdict == "infeasible",
        )
        return [self.of(name) for name in self.ranked] + rest

    def of(self, name: str) -> Row:
        """Return the row of a device."""
        return next(row for row in self.rows if row.name == name)

    @cached_property
    def _parts(self) -> dict[str, Point]:
        return normalised({row.name: row.axes() for row in self._able()}, self.weights)

    def _able(self) -> list[Row]:
        return [row for row in self.rows if row.verdict != "infeasible"]


def normalised(axes: Mapping[str, Axes], weights: Weights) -> dict[str, Point]:
    """Bring compute, power and cost to shares of the best; a device without a figure that counts is left out.

    A share of the best, unlike a place between best and worst, does not change when a poor device joins.
    """
    counting = [i for i, value in enumerate(weights.values) if value > 0]
    kept = {name: one for name, one in axes.items() if all(one[i] is not None for i in counting)}
    parts: dict[str, list[float]] = {name: [] for name in kept}
    for i, _ in enumerate(AXES):
        column = {name: value for name, one in kept.items() if (value := one[i]) is not None}
        best = max(column.values(), default=0.0) if i == 0 else min(column.values(), default=0.0)
        for name in kept:
            parts[name].append(_share(column.get(name), best, more_is_better=i == 0))
    return {name: (part[0], part[1], part[2]) for name, part in parts.items()}


def _share(value: float | None, best: float, *, more_is_better: bool) -> float:
    if value is None:
        return 0.0
    if value == best:
        return 1.0
    return value / best if more_is_better else best / value


def _beats(rival: str, winner: str, axes: Mapping[str, Axes], weights: Weights) -> bool:
    parts, shares = normalised(axes, weights), weights.normalised()
    return dot(parts[rival], shares) > dot(parts[winner], shares)
