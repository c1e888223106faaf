"""The demo's report: what was tried, what was chosen, and what happened in production."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from burnish.compress import CompressResult, Option
from burnish.evaluate import charts
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.report import Chart, Figure, Report, Section, Table, Text
from burnish.pipeline.demo.config import DemoConfig
from burnish.pipeline.demo.model import base_option
from burnish.pipeline.demo.service import LoadResult
from burnish.runtime.machine import fingerprint
from burnish.units import format_bytes, format_count, format_ms

_CURVE_POINTS = 400


@dataclass(slots=True)
class Story:
    """Everything that the report tells."""

    task: str
    config: DemoConfig
    capture: dict[str, Any] = field(default_factory=dict)
    compressed: CompressResult = field(init=False)
    registry: Path = field(init=False)
    release: dict[str, Any] = field(default_factory=dict)
    loads: dict[str, LoadResult] = field(default_factory=dict)
    promotion: dict[str, Any] = field(default_factory=dict)
    rollbacks: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def build_report(story: Story) -> Report:
    """Tell the story as one page."""
    return Report(
        title=f"From a trained network to a safe release: {story.task}",
        subtitle=f"Every figure below was measured in this run, on {fingerprint()}.",
        figures=_figures(story),
        sections=[
            _engines(story),
            _candidates(story),
            _release(story),
            _serving(story),
            _rollout(story.promotion, "Release under shadow evidence"),
            _rollout(story.rollbacks, "A planted fault, and the automatic rollback"),
            _times(story),
        ],
    )


def _figures(story: Story) -> list[Figure]:
    chosen, base = story.compressed.chosen, base_option(story.compressed)
    difference = chosen.test_difference.scaled(100)
    return [
        Figure(
            "accuracy against the float model",
            f"{difference.value:+.2f} points",
            f"95% interval {difference.low:+.2f} to {difference.high:+.2f}, {difference.n} held-out examples",
        ),
        Figure(
            "speed against the float model",
            f"{chosen.speedup.value:.2f}x",
            f"95% interval {chosen.speedup.low:.2f} to {chosen.speedup.high:.2f}, one example at a time",
        ),
        Figure(
            "size",
            f"{base.size_bytes / chosen.size_bytes:.1f}x smaller",
            f"{format_bytes(base.size_bytes)} to {format_bytes(chosen.size_bytes)}",
        ),
        Figure(
            "alarm to 0% of the traffic",
            f"{story.rollbacks['final']['alarm_to_zero_ms']:.0f} ms",
            f"{story.rollbacks['final']['fault_to_alarm_s']:.1f} s from the fault to the alarm",
        ),
    ]


def _engines(story: Story) -> Section:
    facts = story.capture
    rows = [
        (
            row["backend"],
            row["output"],
            f"{row['max_abs']:.2e}",
            f"{row['range_rel']:.2e}",
            f"{row['cosine']:.7f}",
            "-" if row["top1_agreement"] is None else f"{row['top1_agreement']:.1%}",
            "agrees" if row["ok"] else "differs",
        )
        for row in facts["parity"]
    ]
    columns = ["engine", "output", "largest error", "relative", "cosine", "same top class", ""]
    missing = [Text(text=f"{name} could not run: {reason}") for name, reason in facts["unavailable"].items()]
    return Section(
        title="One graph, several engines",
        blocks=[
            Text(
                text=f"The network became one ONNX graph with {format_count(facts['parameters'])} parameters and "
                f"{format_count(facts['macs'])} multiply-adds. Each engine answered the same 64 examples; the "
                f"reference is {facts['reference']}."
            ),
            Table(columns=columns, rows=rows, numeric=columns[2:6]),
            *missing,
        ],
    )


def _candidates(story: Story) -> Section:
    result = story.compressed
    front = {(o.candidate, o.backend) for o in result.front}
    points = [
        {
            "name": o.candidate,
            "engine": o.backend,
            "latency_ms": round(o.latency.median_ms, 4),
            "size_kib": round(o.size_bytes / 1024, 1),
            "accuracy": round(o.valid.value * 100, 3),
            "low": round(o.valid.low * 100, 3),
            "high": round(o.valid.high * 100, 3),
            "front": (o.candidate, o.backend) in front,
            "chosen": o is result.chosen,
        }
        for o in result.options
    ]
    cuts = [
        (
            f"{cut.ratio:.1%}",
            format_count(cut.parameters),
            f"{cut.recalibrated_score:.2%}",
            f"{cut.score:.2%}",
            _points(cut.difference),
            "kept" if cut.accepted else "refused",
        )
        for cut in result.cuts
    ]
    floor = story.config.compress.floor_points
    return Section(
        title="Smaller and faster, within a floor",
        blocks=[
            Text(
                text=f"Channels were cut step by step, each cut recovered by training with the original as the "
                f"teacher, and kept only while the lower end of the interval of the paired difference stayed above "
                f"-{floor:g} points on the validation split. Each kept network was exported, quantized to INT8, and "
                f"measured on each engine in interleaved rounds."
            ),
            Chart(
                spec=charts.pareto(points),
                caption="Validation accuracy with 95% intervals against latency. The dashed line joins the options "
                "that no other beats in latency, size and accuracy at once; the circle marks the chosen one.",
            ),
            Table(
                columns=[
                    "channels cut",
                    "parameters",
                    "after recalibration",
                    "after training",
                    "difference, points",
                    "",
                ],
                rows=cuts,
                numeric=[
                    "channels cut",
                    "parameters",
                    "after recalibration",
                    "after training",
                    "difference, points",
                ],
                caption="Pruning steps, judged on the validation split.",
            ),
            _option_table(result, front),
        ],
    )


def _option_table(result: CompressResult, front: set[tuple[str, str]]) -> Table:
    columns = [
        "",
        "candidate",
        "engine",
        "test accuracy, %",
        "difference, points",
        "latency",
        "speed-up",
        "size",
        "MACs",
    ]

    def mark(o: Option) -> str:
        return "chosen" if o is result.chosen else "front" if (o.candidate, o.backend) in front else ""

    rows = [
        (
            mark(o),
            o.candidate,
            o.backend,
            f"{o.test.value * 100:.2f} [{o.test.low * 100:.2f}, {o.test.high * 100:.2f}]",
            _points(o.test_difference),
            format_ms(o.latency.median_ms),
            f"{o.speedup.value:.2f} [{o.speedup.low:.2f}, {o.speedup.high:.2f}]",
            format_bytes(o.size_bytes),
            format_count(o.macs),
        )
        for o in sorted(result.options, key=lambda o: o.latency.median_ms)
    ]
    return Table(
        columns=columns,
        rows=rows,
        numeric=columns[3:],
        caption="Every option, on the test split, which chose nothing. Speed-up is against the float model on "
        "the first engine, in the same rounds.",
    )


def _release(story: Story) -> Section:
    roles = ("float model, primary", "chosen, candidate", "next candidate, to be broken")
    return Section(
        title="What was registered",
        blocks=[
            Table(
                columns=["version", "role", "identity", "made from"],
                rows=[
                    (v["version"], role, v["digest"][:26], (v["parent"] or "-")[:26])
                    for v, role in zip(story.release["versions"], roles, strict=True)
                ],
                caption="Each version is a bundle: graph, golden samples, runtime lock and evidence, a digest each.",
            )
        ],
    )


def _serving(story: Story) -> Section:
    rows, samples = [], []
    for form, load in story.loads.items():
        p50, p95, p99 = np.quantile(load.latencies_ms, [0.5, 0.95, 0.99])
        rows.append(
            (
                form,
                load.requests,
                f"{load.per_second:.0f}",
                f"{p50:.2f}",
                f"{p95:.2f}",
                f"{p99:.2f}",
                f"{load.right / load.requests:.2%}",
            )
        )
        samples += [{"series": form, "x": x} for x in _thin(load.latencies_ms)]
    columns = ["tensors as", "requests", "a second", "p50, ms", "p95, ms", "p99, ms", "right"]
    return Section(
        title="Served over the Open Inference Protocol",
        blocks=[
            Text(
                text=f"The unmodified tritonclient asked version 1 from {story.config.clients} threads of one Python "
                "process, on the machine that served as well: the figures include the client."
            ),
            Table(columns=columns, rows=rows, numeric=columns[1:]),
            Chart(spec=charts.distribution(samples), caption="Latency as the client saw it."),
        ],
    )


def _rollout(facts: dict[str, Any], title: str) -> Section:
    final = facts["final"]
    pairs, (low, high) = final["pairs"], final["difference_points"]
    n = sum(pairs.values())
    text = (
        f"Version {final['version']} against version {final['primary']}: {final['phase']} ({final['reason']}). "
        f"{n} labelled pairs, {pairs['wins']} won and {pairs['losses']} lost; the difference in accuracy lies "
        f"between {low:+.2f} and {high:+.2f} points by an interval that is valid at every look. "
        f"{final['requests']} requests were observed, {final['failed_requests']} failed. Requests are independent "
        "draws, with replacement, from the test split: the evidence speaks about that traffic."
    )
    if "fault_to_alarm_s" in final:
        text += (
            f" From {final['planted_s']:.1f} s on, the engine of version {final['version']} was made to hang; the "
            f"alarm came {final['fault_to_alarm_s']:.2f} s later, and {final['alarm_to_zero_ms']:.0f} ms after the "
            "alarm the version had no traffic."
        )
    findings = [
        (
            f["name"],
            f["verdict"],
            f["n"],
            f"{f['e']:.3g}",
            f"{f['p']:.3g}",
            f"{f['threshold']:.3g}",
            f["detail"],
        )
        for f in final["findings"]
    ]
    columns = ["test", "verdict", "n", "e-value", "anytime p", "decides at", "detail"]
    return Section(
        title=title,
        blocks=[
            Text(text=text),
            Chart(
                spec=charts.timeline(_shares(facts), _curves(facts), facts["events"]),
                caption="Above: share of the answers that each version gave, in half-seconds. Below: evidence as "
                "it grew; dashed lines are what the controller did.",
            ),
            Table(
                columns=columns,
                rows=findings,
                numeric=columns[2:6],
                caption="The evidence at the last decision.",
            ),
            Chart(
                spec=charts.distribution(
                    [
                        {"series": f"version {version}", "x": x}
                        for version in sorted({v for _, v, _ in facts["answers"]})
                        for x in _thin([ms for _, v, ms in facts["answers"] if v == version])
                    ]
                ),
                caption="Latency of the answers during this rollout, by the version that gave them.",
            ),
        ],
    )


def _shares(facts: dict[str, Any], bin_s: float = 0.5) -> list[dict[str, Any]]:
    answers = facts["answers"]
    versions = sorted({version for _, version, _ in answers})
    bins: dict[int, dict[str, int]] = {}
    for at, version, _ in answers:
        counts = bins.setdefault(int(at / bin_s), dict.fromkeys(versions, 0))
        counts[version] += 1
    return [
        {"t_s": index * bin_s, "series": f"version {version}", "share": count / sum(counts.values())}
        for index, counts in sorted(bins.items())
        for version, count in counts.items()
    ]


def _curves(facts: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        {"t_s": row["t_s"], "series": row["series"], "log10_e": round(math.log10(max(row["e"], 1e-6)), 4)}
        for row in facts["evidence"]
    ]
    stride = max(1, len(rows) // (8 * _CURVE_POINTS))
    names = sorted({row["series"] for row in rows})
    return [row for name in names for row in [r for r in rows if r["series"] == name][::stride]]


def _times(story: Story) -> Section:
    return Section(
        title="Time of each step",
        blocks=[
            Table(
                columns=["step", "seconds"],
                rows=[(name, f"{seconds:.1f}") for name, seconds in story.seconds.items()],
                numeric=["seconds"],
                caption="Steps that an earlier, interrupted run had finished are taken from it.",
            )
        ],
    )


def _thin(samples: list[float]) -> list[float]:
    """Keep as many quantiles as a curve can show."""
    if len(samples) <= _CURVE_POINTS:
        return [round(x, 4) for x in samples]
    return [round(float(x), 4) for x in np.quantile(samples, np.linspace(0, 1, _CURVE_POINTS))]


def _points(interval: Interval) -> str:
    scaled = interval.scaled(100)
    return f"{scaled.value:+.2f} [{scaled.low:+.2f}, {scaled.high:+.2f}]"
