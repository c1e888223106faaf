"""Published MLPerf results as points: the best of each device, model and scenario, with its citation."""

import csv
import statistics
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data" / "hardware" / "mlperf_inference_v0.7_to_v2.1.csv"
NAMES: Mapping[str, Any] = tomllib.loads((HERE / "mlperf_devices.toml").read_text(encoding="utf-8"))
MODELS = {"resnet50": "resnet50", "bert-99": "bert-large"}
"""Benchmarks that are used, and what this project calls their models."""

Scenario = Literal["offline", "singlestream"]


@dataclass(frozen=True, slots=True)
class Row:
    """One published result: samples a second of one device, or milliseconds of one call."""

    device: str
    model: str
    scenario: Scenario
    value: float
    round: str
    submitter: str
    system: str
    accelerators: int
    path: str


@dataclass(frozen=True, slots=True)
class Point:
    """The best published result of a device, and how far the others are from it."""

    best: Row
    median: float
    worst: float
    count: int

    @property
    def family(self) -> str:
        """The chip; devices of one family are fitted on, or tested on, together."""
        family: str = NAMES["devices"][self.best.device]["family"]
        return family

    @property
    def helper(self) -> Mapping[str, Any]:
        """What ran beside the catalogue's device: ``peak`` in operations a second, and a ``note``."""
        helpers = NAMES["devices"][self.best.device].get("helpers", {})
        helper: Mapping[str, Any] = helpers.get(self.best.model, {})
        return helper


def points(scenario: Scenario, data: Path = DATA) -> list[Point]:
    """Return a point for every device and model that was published in a scenario.

    The best is taken because a cost model speaks of the device: what is slower is slower by its software, its
    cooling or its host. It is the most samples a second, or the least 90th percentile of the latency.
    """
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows(data):
        if row.scenario == scenario:
            groups[row.device, row.model].append(row)
    return [
        _point(group, fastest=max if scenario == "offline" else min) for _, group in sorted(groups.items())
    ]


def rows(data: Path = DATA) -> Iterator[Row]:
    """Return the published results that are used."""
    for line in lines(data):
        device, reason = placed(line)
        if reason:
            continue
        count = int(line["n_acc"].strip() or 0) or int(line["n_cpu"])
        offline = line["scenario"] == "offline"
        yield Row(
            device,
            MODELS[line["model"]],
            "offline" if offline else "singlestream",
            float(line["samples_per_s"]) / count if offline else float(line["p90_ms"]),
            line["round"],
            line["submitter"],
            line["system"],
            count,
            line["path"],
        )


def lines(data: Path = DATA) -> Iterator[Mapping[str, str]]:
    """Return the lines of the table that are of the models used here."""
    with data.open(encoding="utf-8", newline="") as file:
        yield from (line for line in csv.DictReader(file) if line["model"] in MODELS)


def placed(line: Mapping[str, str]) -> tuple[str, str]:
    """Return the catalogue's name of a line's device, or why it has none: (name, "") or ("", reason)."""
    excluded = NAMES["excluded"]
    for part, reason in excluded["systems"].items():
        if part in line["system"]:
            return "", reason
    accelerated = line["accelerator"].strip(" -") not in ("", "N/A")
    column, spelling = ("accelerator", line["accelerator"]) if accelerated else ("cpu", line["cpu"])
    for name, device in NAMES["devices"].items():
        if spelling in device.get(f"{column}s", ()):
            return name, ""
    return "", excluded[f"{column}s"].get(spelling, "")


def samples_per_s(round_: str, path: str, data: Path = DATA) -> float:
    """Return the samples a second of one published log."""
    [found] = [line for line in lines(data) if (line["round"], line["path"]) == (round_, path)]
    return float(found["samples_per_s"])


def split(families: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part families into those to fit on and those to test on: in alphabetical order, by turns."""
    ordered = sorted(set(families))
    return ordered[::2], ordered[1::2]


def _point(group: list[Row], *, fastest: Any) -> Point:
    values = [row.value for row in group]
    best = fastest(group, key=lambda row: row.value)
    worst = (min if fastest is max else max)(values)
    return Point(best, statistics.median(values), worst, len(values))
