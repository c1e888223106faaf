"""The parts of the page that look into a network: channels that are left, scales, noise, histograms."""

import math
from collections.abc import Mapping
from typing import Any

from burnish.compress.recipe import report_charts
from burnish.compress.recipe.candidates import FLOAT
from burnish.compress.recipe.outcome import Outcome
from burnish.evaluate.report import Chart, Table, Text

Block = Table | Chart | Text

_THRESHOLDS = ("kl", "mse")
"""Calibrators whose thresholds stand in the histograms; those of the others are the ends, or nearly so."""
_PANELS = 12
"""Histograms shown: those of the activations that lose most."""


def widths(outcome: Outcome) -> list[Block]:
    """Show the channels that are left in each layer of the best option's network, and of what was not cut, why."""
    network = _pruned(outcome)
    before, after = outcome.facts_of(f"export-{FLOAT}"), outcome.facts_of(f"export-{network}")
    if network == FLOAT or before is None or after is None:
        return []
    rows = [
        {"layer": layer, "full": full, "kept": after["widths"].get(layer, 0)}
        for layer, full in before["widths"].items()
    ]
    blocks: list[Block] = [
        Chart(spec=report_charts.kept(rows), caption=f"Channels of each layer of {network}.")
    ]
    ratio = network.removeprefix("pruned-").partition("-")[0]
    columns = ("group", "why it is as wide as before")
    cuts = [cut for cut in outcome.cuts if f"{cut.ratio * 100:g}" == ratio and cut.untouched]
    return blocks + [
        Table(columns=columns, rows=list(cut.untouched.items()), caption="What was not cut.") for cut in cuts
    ]


def _pruned(outcome: Outcome) -> str:
    """Return the name of the best option's network, or where that is the original, of the smallest other one."""
    network = outcome.network_of(outcome.best)
    if network != FLOAT:
        return network
    others = [one for one in outcome.judged if one.candidate.network != FLOAT]
    return min(others, key=lambda one: one.parameters).candidate.network if others else FLOAT


def tensors(outcome: Outcome) -> list[Block]:
    """Show the quantized tensors of a candidate: noise, scales and histograms with the ranges."""
    if outcome.inspected is None:
        return []
    name, facts = outcome.inspected.candidate, outcome.inspected.facts
    activations = facts["activations"]
    blocks: list[Block] = [
        Text(
            text=f"Tensors of {name}, as examples of the train split made them in the file itself. A range that "
            "begins at 0 is also the ReLU before it."
        )
    ]
    noisy = [one for one in activations if one["sqnr_db"] is not None]
    if noisy:
        rows = [
            {
                "tensor": one["name"],
                "sqnr_db": one["sqnr_db"],
                "reader": one["node"],
                "clipped": one["clipped"] * 100,
            }
            for one in noisy
        ]
        blocks.append(
            Chart(
                spec=report_charts.noise(rows),
                caption="Sensitivity of each activation: its signal over the noise of its own quantization. Six "
                "decibel are one bit.",
            )
        )
    rows = [
        _scale(one["name"], "activation", one["scale"], one["scale"], one["scale"]) for one in activations
    ]
    rows += [
        _scale(one["name"], f"weight, {one['bits']} bits", one["smallest"], one["median"], one["largest"])
        for one in facts["weights"]
    ]
    rows = [row for row in rows if row["smallest"] > 0]  # the axis is logarithmic
    if rows:
        caption = "Scales: of a weight with one a channel, the smallest, the median and the largest."
        blocks.append(Chart(spec=report_charts.scales(rows), caption=caption))
    worst = sorted(noisy, key=lambda one: float(one["sqnr_db"]))[:_PANELS]
    if worst:
        blocks.append(
            Chart(
                spec=report_charts.histograms([_panel(one) for one in worst]),
                caption="Histograms of the activations that lose most, on a logarithmic scale, with the range that "
                "the file represents (what lies outside is cut off) and what two calibrators would keep.",
            )
        )
    return blocks


def searches(outcome: Outcome) -> list[Block]:
    """Show each search for mixed precision: what each group of nodes suffers and gains, and the curve."""
    return [
        block
        for one in outcome.evidence
        if "search" in one.facts
        for block in _search(one.step.removeprefix("search-"), one.facts["search"])
    ]


def _search(name: str, found: Mapping[str, Any]) -> list[Block]:
    nodes = sum(len(group["nodes"]) for group in found["groups"])
    effects = [
        {
            "group": one["group"],
            "method": one["method"],
            "sqnr_db": one["sqnr_db"],
            "points": one["difference"]["value"] * 100,
            "gain_ms": one["gain_ms"],
        }
        for one in found["sensitivity"]
    ]
    ordered = sorted(found["points"], key=lambda point: float(point["latency"]["value"]))
    points = [
        {
            "name": one["name"],
            "latency_ms": one["latency"]["value"],
            "points": one["difference"]["value"] * 100,
            "low": one["difference"]["low"] * 100,
            "high": one["difference"]["high"] * 100,
            "kept_float": nodes - len(one["methods"]),
            "order": order,
            "chosen": one["chosen"],
        }
        for order, one in enumerate(ordered)
    ]
    blocks: list[Block] = [
        Chart(
            spec=report_charts.trade_off(points),
            caption=f"{name}: the mixtures that were made. The number beside a point is that of the multiplying "
            "nodes that stay in floating point; the ring is the mixture that the search chose.",
        )
    ]
    if effects:
        blocks.append(
            Chart(
                spec=report_charts.sensitivity(effects),
                caption="Sensitivity: each group of nodes quantized alone. Up is less noise at the output, right is "
                "more time saved.",
            )
        )
    impossible = [(*key.split(" / ", 1), reason) for key, reason in found["impossible"].items()]
    if impossible:
        columns = ("group", "method", "reason")
        blocks.append(
            Table(columns=columns, rows=impossible, long=("reason",), caption="What cannot be done.")
        )
    return blocks


def left_float(outcome: Outcome) -> list[Block]:
    """Name what each quantization left in floating point, and why."""
    rows = [
        (one.step, node, reason)
        for one in outcome.evidence
        for node, reason in one.facts.get("kept_float", {}).items()
    ]
    rows += [(one.step, "", note) for one in outcome.evidence for note in one.facts.get("notes", ())]
    if not rows:
        return []
    return [
        Table(
            columns=("step", "node", "reason"),
            rows=rows,
            long=("node", "reason"),
            caption="What stayed in floating point.",
        )
    ]


def _scale(name: str, kind: str, smallest: float, median: float, largest: float) -> dict[str, Any]:
    return {"tensor": name, "kind": kind, "smallest": smallest, "median": median, "largest": largest}


def _panel(one: Mapping[str, Any]) -> dict[str, Any]:
    bars = [
        {"left": left, "right": right, "count": count, "shown": math.log10(1 + count)}
        for left, right, count in zip(one["edges"], one["edges"][1:], one["counts"], strict=False)
        if count
    ]
    rules = [{"at": one[end], "rule": "range in the file"} for end in ("low", "high")]
    rules += [
        {"at": at, "rule": f"{name} threshold"} for name in _THRESHOLDS for at in one["ranges"][name] if at
    ]
    return {"title": f"{one['name']}: {one['sqnr_db']:.1f} dB", "bars": bars, "rules": rules}
