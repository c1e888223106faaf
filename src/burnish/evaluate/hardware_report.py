"""The page of an evaluation matrix: the choice, how firm it is, what it rests on, and where every figure is from."""

from dataclasses import fields
from typing import Any

from burnish.errors import ConfigError
from burnish.evaluate.hardware_charts import cost_chart, pareto_chart, weights_chart
from burnish.evaluate.matrix_words import (
    FLEET,
    USE,
    choice,
    fleet_cells,
    format_percent,
    numeric,
    reasons,
    use_cells,
)
from burnish.evaluate.report import Chart, Figure, Report, Section, Table, Text
from burnish.evaluate.roofline_chart import roofline
from burnish.hardware.catalog import devices as known_devices
from burnish.hardware.catalog import find
from burnish.hardware.device import Device
from burnish.hardware.matrix import Matrix, Row
from burnish.hardware.published import published_points
from burnish.units import format_ms

Block = Table | Chart | Text

_A100 = "nvidia-a100-sxm4-80gb"
_CLAIMED = 0.85  # of the peak, as has been said of ResNet-50 on an A100

_METHOD = (
    "Every operator of the fused graph is given a time by a cost model of the device, and the times are added up; "
    "brackets are the 90% interval. A fleet is sized so that a request is answered within the objective: it waits "
    "until its batch is full, then until its device is free (requests come at random, a balancer hands them out in "
    "turn, each batch takes a fixed time; Kingman's bound). Of the batch sizes with which that holds, the one with "
    "the fewest devices is taken."
)
_SCORES = (
    "A score is the weighted sum of three shares of the best: examples a second of one device, joules an example and "
    "cost of the fleet. USD/million is for a device that is at work as much as is allowed and the objective bears; "
    "USD in all is for the fleet that the traffic needs, its spare included. A device without a figure for rest is "
    "taken to draw its power under load all the time, which with a specified power is an upper bound. A bought "
    "device is priced alone unless a share of its server is given."
)


def hardware_report(matrix: Matrix, base: Matrix | None = None) -> Report:
    """Return the page of a matrix.

    Args:
        matrix: What was asked.
        base: The same for the model as it is, where the question was "what if".

    Raises:
        MissingExtraError: Altair is not installed.
    """
    demand = matrix.demand
    in_time = f"{format_percent(demand.percentile)} of them answered within {demand.slo_s * 1000:g} ms"
    sections = [Section(title="The matrix", blocks=_tables(matrix, base))]
    if matrix.front:
        sections.append(Section(title="Throughput, cost and energy", blocks=_charts(matrix)))
    sections += [
        Section(title="How firm the choice is", blocks=_firmness(matrix)),
        *_bound(matrix.winner),
        Section(
            title="What speaks against each device", blocks=[Text(text=line) for line in reasons(matrix)]
        ),
        Section(title="What published results say", blocks=_published(matrix)),
        Section(title="Assumptions", blocks=[_assumptions(matrix)]),
        Section(title="Where every figure is from", blocks=[_sources(matrix)]),
    ]
    return Report(
        title=f"{matrix.model}: which device",
        subtitle=f"{demand.traffic_rps:g} requests a second, {in_time}, on {len(matrix.rows)} devices",
        figures=_headline(matrix),
        sections=[section for section in sections if section.blocks],
    )


def _headline(matrix: Matrix) -> list[Figure]:
    winner = matrix.winner
    if winner is None or winner.fleet is None or winner.bill is None or winner.estimate is None:
        return [Figure("choice", "none", "no device is known to do what is asked")]
    one, bill = winner.estimate, winner.bill
    figures = [
        Figure("choice", f"{winner.fleet.devices} x {winner.name}", winner.verdict),
        Figure(
            "one call",
            format_ms(one.seconds * 1000),
            f"[{one.low * 1000:.3g}, {one.high * 1000:.3g}] ms at batch {winner.fleet.batch}, {one.basis}",
        ),
    ]
    if bill.tco_usd is not None and bill.yearly is not None:
        note = f"over {matrix.options.years:g} years, {bill.yearly.way}"
        figures.append(Figure("cost of the fleet", f"{bill.tco_usd:,.0f} USD", note))
    if bill.fleet_joules is not None and winner.power is not None:
        figures.append(
            Figure("energy an example, spare included", f"{bill.fleet_joules:.3g} J", winner.power.basis)
        )
    if bill.grams_per_million is not None:
        figures.append(Figure("CO2e of a million", f"{bill.grams_per_million:,.0f} g", "of its electricity"))
    return figures


def _tables(matrix: Matrix, base: Matrix | None) -> list[Block]:
    blocks: list[Block] = [Text(text=line) for line in choice(matrix)]
    if base is not None:
        blocks.append(_table(base, "The model as it is."))
    caption = "> is the choice, * stands on the Pareto front of throughput, energy and cost."
    blocks.append(_table(matrix, caption if base is None else f"The model changed as asked. {caption}"))
    blocks.append(
        Table(columns=USE, rows=use_cells(matrix), numeric=numeric(USE), caption="How each device is used.")
    )
    return [*blocks, Text(text=_METHOD), Text(text=_SCORES)]


def _table(matrix: Matrix, caption: str) -> Table:
    return Table(columns=FLEET, rows=fleet_cells(matrix), numeric=numeric(FLEET), caption=caption)


def _charts(matrix: Matrix) -> list[Block]:
    return [
        Chart(
            spec=pareto_chart(matrix),
            caption="Cost against throughput, larger is more energy; the circle marks the choice, names the front.",
        ),
        Chart(spec=cost_chart(matrix), caption="What the cost of each fleet is made of."),
    ]


def _firmness(matrix: Matrix) -> list[Block]:
    found = matrix.sensitivity
    if found is None:
        return [
            Text(text="The winner lacks one of the three figures: nothing can be said about other weights.")
        ]
    rows = [(flip.axis, f"{flip.weight:.3f}", f"{flip.distance:.3f}", flip.winner) for flip in found.flips]
    columns = ("axis", "weight", "change", "then wins")
    return [
        Chart(
            spec=weights_chart(found, matrix.weights.normalised()),
            caption="All weights of compute, power and cost; the cross marks those of this ranking.",
        ),
        Table(
            columns=columns,
            rows=rows,
            numeric=columns[1:3],
            caption="Weights at which another device takes over, the other two kept in proportion.",
        ),
    ]


def _bound(winner: Row | None) -> list[Section]:
    if winner is None or winner.estimate is None:
        return []
    caption = f"Each operator on {winner.device.title}, at batch {winner.estimate.workload.batch}."
    try:
        spec = roofline(winner.estimate)
    except ConfigError:  # no operator does arithmetic: there is no point to draw
        return []
    return [Section(title="What holds the choice up", blocks=[Chart(spec=spec, caption=caption)])]


def _assumptions(matrix: Matrix) -> Table:
    options: Any = matrix.options
    rows = [(one.name, _plain(getattr(options, one.name))) for one in fields(options)]
    return Table(columns=("assumption", "value"), rows=rows, caption="Set those that you know.")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {number:g}" for name, number in value.items()) or "-"
    return "-" if value in (None, "") else str(value)


def _published(matrix: Matrix) -> list[Block]:
    """Set the estimates beside what others measured; an A100 stands for how much of a peak can be had."""
    [best] = published_points(_A100, "resnet50")
    reached = best.utilisation(find(_A100, known_devices()))
    claimed = best.samples_per_s / reached * _CLAIMED
    blocks: list[Block] = [
        Text(
            text=f"{best.title} on {_A100}: the best published throughput, {best.samples_per_s:,.0f} images a second "
            f"(MLPerf Inference {best.round}, {best.submitter}), is {reached:.1%} of the dense INT8 peak. The claim "
            f"of {_CLAIMED:.0%} would take {claimed:,.0f}. A plan that counts on it buys {reached / _CLAIMED:.0%} of "
            "the devices that are needed, and a service with a latency objective reaches less than such a benchmark, "
            "which waits for the batches that suit it."
        )
    ]
    rows = [
        (
            row.name,
            point.title,
            f"{point.samples_per_s:,.0f}",
            f"{point.utilisation(row.device):.1%}",
            point.round,
            point.submitter,
            point.url,
        )
        for row in matrix.ordered
        for point in published_points(row.name)
    ]
    columns = ("device", "model", "samples/s of one", "of INT8 peak", "round", "submitter", "log")
    caption = "The best public result of each device here, in INT8 and offline, without a latency objective."
    table = Table(columns=columns, rows=rows, numeric=columns[2:4], long=("log",), caption=caption)
    return [*blocks, table] if rows else blocks


def _sources(matrix: Matrix) -> Table:
    rows = [
        (row.name, figure, _figure(row.device, figure), source)
        for row in matrix.ordered
        for figure, source in row.device.sources.items()
    ]
    return Table(
        columns=("device", "figure", "value", "source"), rows=rows, numeric=("value",), long=("source",)
    )


def _figure(device: Device, name: str) -> str:
    """Return a figure by the name that its source goes by, such as ``peaks.int8``."""
    table, _, key = name.partition(".")
    value = getattr(device, table)
    found = value[key] if key else value
    return f"{found:.6g}" if isinstance(found, float) else str(found)
