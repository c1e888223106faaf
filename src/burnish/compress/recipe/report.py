"""The page of a run: what was tried, what was chosen, and what each step did to each layer."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from burnish.compress.recipe import report_charts, report_layers
from burnish.compress.recipe.candidates import FLOAT
from burnish.compress.recipe.measure import EAGER, Option
from burnish.compress.recipe.outcome import Outcome
from burnish.compress.reporter import format_figure, format_points
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.report import Chart, Figure, Report, Section, Table, Text
from burnish.units import format_bytes, format_count, format_ms

Block = Table | Chart | Text


def build_report(outcome: Outcome) -> Report:
    """Tell a run as one page.

    Raises:
        MissingExtraError: Altair is not installed.
    """
    sections = [
        Section(title="Candidates", blocks=_candidates(outcome)),
        Section(title="Latency on each engine", blocks=_latencies(outcome)),
        Section(title="Pruning", blocks=_pruning(outcome)),
        Section(
            title="Quantized tensors",
            blocks=[*report_layers.tensors(outcome), *report_layers.left_float(outcome)],
        ),
        Section(title="Mixed precision", blocks=report_layers.searches(outcome)),
        Section(title="Steps and their evidence", blocks=_steps(outcome)),
        Section(title="Settings", blocks=[_settings(outcome)]),
    ]
    return Report(
        title=f"{outcome.task}: compressed",
        subtitle=f"Every figure was measured in this run, on {outcome.measured.machine}.",
        figures=_figures(outcome),
        sections=[section for section in sections if section.blocks],
    )


def _figures(outcome: Outcome) -> list[Figure]:
    best = outcome.best
    base = next(o for o in outcome.measured.options if o.candidate == FLOAT and o.backend == best.backend)
    head = "chosen" if outcome.chosen is not None else "none chosen; the one that loses least"
    timing = best.timings[0]
    return [
        Figure(head, best.candidate, f"on {best.backend}" if not outcome.missed else outcome.missed),
        Figure(
            "accuracy against the float model",
            f"{best.test_difference.value * 100:+.2f} points",
            f"95% interval {_range(best.test_difference.scaled(100), '+.2f')}, {best.test.n} test examples",
        ),
        Figure(
            "speed against PyTorch eager",
            f"{timing.eager_speedup.value:.2f}x",
            f"{_range(timing.eager_speedup, '.2f')}; batch {timing.batch}, same rounds",
        ),
        Figure(
            "speed against float on the same engine",
            f"{timing.engine_speedup.value:.2f}x",
            f"{_range(timing.engine_speedup, '.2f')}; {format_ms(best.latency.median_ms)}",
        ),
        Figure(
            "size",
            f"{100 * (1 - best.size_bytes / base.size_bytes):.1f}% less",
            f"{format_bytes(base.size_bytes)} to {format_bytes(best.size_bytes)}",
        ),
        Figure(
            "multiply-adds",
            f"{100 * (1 - best.macs / max(1, base.macs)):.1f}% less",
            f"{format_count(base.macs)} to {format_count(best.macs)}; parameters "
            f"{format_count(base.parameters)} to {format_count(best.parameters)}",
        ),
    ]


def _candidates(outcome: Outcome) -> list[Block]:
    floor, options = outcome.config.floor_points, outcome.measured.options
    text = (
        f"The best by {outcome.config.prefer} among those that lose at most {floor:g} points, by the lower end of "
        "the 95% interval of the paired difference to the float model, on the valid split and in the engine itself. "
        "The test split chose nothing."
    )
    named = {o.candidate: o for o in sorted(outcome.front, key=lambda o: -o.latency.median_ms)}.values()
    rows = [
        {
            "name": o.candidate,
            "engine": o.backend,
            "latency_ms": o.latency.median_ms,
            "size_kib": o.size_bytes / 1024,
            "accuracy": o.test.value * 100,
            "low": o.test.low * 100,
            "high": o.test.high * 100,
            "front": o in outcome.front,
            "chosen": o is outcome.chosen,
            "label": o.candidate if o in named else "",
        }
        for o in options
    ]
    blocks: list[Block] = [
        Text(text=text),
        Chart(
            spec=report_charts.pareto(rows),
            caption="Score on the test split with its interval, over latency; larger is more bytes. Dark points are "
            "on the Pareto front of latency, size and accuracy; the ring is the choice.",
        ),
        _options(outcome),
        _networks(outcome),
    ]
    refused = [(one.candidate.name, *pair) for one in outcome.judged for pair in one.refused.items()]
    refused += [
        (one.step, "every engine", one.facts["not_made"])
        for one in outcome.evidence
        if "not_made" in one.facts
    ]
    if refused:
        blocks.append(
            Table(
                columns=("candidate", "engine", "reason"),
                rows=refused,
                long=("reason",),
                caption="What could not be made or run.",
            )
        )
    return blocks


def _options(outcome: Outcome) -> Table:
    further = outcome.measured.figures
    columns = (
        *("", "candidate", "engine", "valid, points", "test, %", "test, points", *further, "latency"),
        *("than eager", "than float here", "size", "integer"),
    )
    rows = [_option(option, outcome) for option in outcome.measured.options]
    eager = next(iter(outcome.measured.eager.values()))
    first = ("", "the module itself", EAGER, *[""] * (3 + len(further)), format_ms(eager.median_ms), "1")
    return Table(
        columns=columns,
        rows=[(*first, "", "", ""), *rows],
        numeric=columns[3:],
        caption="* on the Pareto front, > chosen. Times faster than the module in PyTorch and than the float file on "
        "the same engine. Points are against the float model, paired by example. Integer: multiplying kernels that "
        "compute with integers, by the engine's own account."
        + (f" On the test split the task tells also: {', '.join(further)}." if further else ""),
    )


def _option(option: Option, outcome: Outcome) -> tuple[str, ...]:
    mark = ">" if option is outcome.chosen else "*" if option in outcome.front else ""
    timing, test = option.timings[0], option.test.scaled(100)
    return (
        mark,
        option.candidate,
        option.backend,
        format_points(option.valid_difference),
        f"{test.value:.2f}",
        format_points(option.test_difference),
        *(format_figure(option.figures.get(name)) for name in outcome.measured.figures),
        format_ms(option.latency.median_ms),
        f"{timing.eager_speedup.value:.2f}",
        f"{timing.engine_speedup.value:.2f}",
        format_bytes(option.size_bytes),
        "" if option.kernels is None else str(option.kernels),
    )


def _networks(outcome: Outcome) -> Table:
    floats = [one for one in outcome.judged if one.candidate.name == one.candidate.network]
    base = floats[0]
    rows = [
        (
            one.candidate.name,
            format_count(one.parameters),
            f"{1 - one.parameters / max(1, base.parameters):.1%}",
            format_count(one.macs),
            f"{1 - one.macs / max(1, base.macs):.1%}",
        )
        for one in floats
    ]
    columns = ("network", "parameters", "removed", "multiply-adds", "removed ")
    return Table(
        columns=columns, rows=rows, numeric=columns[1:], caption="The networks behind the candidates."
    )


def _latencies(outcome: Outcome) -> list[Block]:
    blocks: list[Block] = []
    for batch in outcome.config.batches:
        rows: list[dict[str, Any]] = []
        eager = outcome.measured.eager[batch].median
        rows.append({"name": "the module itself", "engine": EAGER, **_bar(eager)})
        for option in outcome.measured.options:
            timing = next(one for one in option.timings if one.batch == batch)
            rows.append({"name": option.candidate, "engine": option.backend, **_bar(timing.latency.median)})
        blocks.append(
            Chart(
                spec=report_charts.latencies(rows, batch),
                caption=f"Batch {batch}: medians of {eager.n} rounds in which every contender took its turn, with "
                "their 95% intervals.",
            )
        )
    return blocks


def _bar(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _pruning(outcome: Outcome) -> list[Block]:
    if not outcome.cuts:
        return []
    base = next(o.valid.value for o in outcome.measured.options if o.candidate == FLOAT)
    rows = [
        {
            "name": f"{cut.reached.channels:.1%} of channels",
            "removed": cut.reached.parameters * 100,
            "points": cut.difference.value * 100,
            "low": cut.difference.low * 100,
            "high": cut.difference.high * 100,
            "before": (cut.recalibrated_score - base) * 100,
            "verdict": "kept" if cut.accepted else "refused",
        }
        for cut in outcome.cuts
    ]
    columns = ("cut", "parameters removed", "MACs removed", "before training", "difference", "verdict")
    table = [
        (
            f"{cut.reached.channels:.1%} of channels",
            f"{cut.reached.parameters:.1%}",
            f"{cut.reached.macs:.1%}",
            f"{cut.recalibrated_score * 100:.2f}%",
            format_points(cut.difference),
            "kept" if cut.accepted else "below the floor",
        )
        for cut in outcome.cuts
    ]
    return [
        Chart(
            spec=report_charts.course(rows, outcome.config.prune.floor),
            caption="Each cut after its training, with the interval that is judged by its lower end; crosses are the "
            "score before training, with the statistics estimated anew. The dashed line is the floor.",
        ),
        Table(columns=columns, rows=table, numeric=columns[1:5]),
        *report_layers.widths(outcome),
    ]


def _steps(outcome: Outcome) -> list[Block]:
    rows = [(cut.folder.name, "", str(cut.folder)) for cut in outcome.cuts]
    rows += [(one.step, f"{one.seconds:.1f}", str(one.folder)) for one in outcome.evidence]
    return [
        Table(
            columns=("step", "seconds", "folder"),
            rows=rows,
            numeric=("seconds",),
            long=("folder",),
            caption="Each folder holds what the step made and result.json with what it found. Steps that an earlier "
            "run had finished keep the time that they took then.",
        )
    ]


def _settings(outcome: Outcome) -> Table:
    rows = [(name, _plain(value)) for name, value in _flat("", asdict(outcome.config))]
    return Table(columns=("setting", "value"), rows=rows, long=("value",))


def _flat(prefix: str, settings: dict[str, Any]) -> Sequence[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in settings.items():
        inner = _flat(f"{prefix}{name}.", value) if isinstance(value, dict) else [(f"{prefix}{name}", value)]
        found.extend(inner)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)


def _range(interval: Interval, form: str) -> str:
    return f"{interval.low:{form}} to {interval.high:{form}}"
