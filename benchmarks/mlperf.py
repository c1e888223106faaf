"""The data-sheet cost model against published MLPerf results that it never saw.

Families of devices are parted in alphabetical order by turns: shares of the data sheet are fitted on the one half
and tested on the other. ``--fit`` also writes what the package ships, ``efficiency.json`` and ``published.json``.
"""

import argparse
import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from mlperf_fit import Result, fit, interval, leave_out, seconds, with_spread
from mlperf_points import DATA, NAMES, Point, points, samples_per_s, split
from mlperf_workloads import BATCH, TOKENS, bert_large, operations, resnet50
from record import RESULTS, record

from burnish.files import write_atomic
from burnish.hardware import catalog
from burnish.hardware.device import Device
from burnish.hardware.efficiency import Efficiency

PACKAGE = Path(__file__).parents[1] / "src" / "burnish" / "hardware"
DETAILS = RESULTS / "details" / "3-mlperf.json"
COMMAND = "python benchmarks/mlperf.py"
A100, ORIN = "nvidia-a100-sxm4-80gb", "nvidia-jetson-agx-orin-64gb"
CLAIMED_UTILISATION = 0.85
CLAIMED_TOPS, CLAIMED_W = 175, 50
TARGET = 25.0  # percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the table of published results")
    parser.add_argument("--fit", action="store_true", help="also write what the package ships")
    options = parser.parse_args()
    tallies = {"resnet50": resnet50(), "bert-large": bert_large()}
    pairs = offline(points("offline", options.data), tallies) + single(points("singlestream", options.data))
    half, _ = split(point.family for point, _ in pairs)
    efficiency = fitted([result for _, result in pairs if result.family in half])
    facts = details(tested(pairs, efficiency, half), options.data)
    facts["leave_one_family_out_median_error_percent"] = left_out([result for _, result in pairs])
    if options.fit:
        ship(facts, pairs, efficiency, {name: operations(tally) // BATCH for name, tally in tallies.items()})
    write(DETAILS, facts)
    record_all(facts)


Pairs = list[tuple[Point, Result]]


def offline(found: Sequence[Point], tallies: Mapping[str, Any]) -> Pairs:
    """Return points of throughput, each with one call of a large batch."""
    known = catalog.devices()
    return [
        (
            point,
            Result(
                assisted(known[point.best.device], point),
                point.family,
                tallies[point.best.model],
                BATCH / point.best.value,
                offline=True,
            ),
        )
        for point in found
    ]


def single(found: Sequence[Point]) -> Pairs:
    """Return points of latency: of ResNet-50, since the lengths of single texts were not published."""
    known, tally = catalog.devices(), resnet50(1)
    return [
        (point, Result(known[point.best.device], point.family, tally, point.best.value / 1e3, offline=False))
        for point in found
        if point.best.model == "resnet50"
    ]


def assisted(device: Device, point: Point) -> Device:
    """Return a device with the peak of what ran beside it."""
    if not point.helper:
        return device
    return replace(device, peaks={**device.peaks, "int8": device.peak("int8") + point.helper["peak"]})


def fitted(results: Sequence[Result]) -> Efficiency:
    return rounded(with_spread(fit(results), results))


def rounded(efficiency: Efficiency) -> Efficiency:
    """Round to what the file holds, so that it is this that was tested."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(item) for key, item in value.items()}
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return msgspec.convert(short(asdict(efficiency)), Efficiency)


def details(lines: Sequence[Mapping[str, Any]], data: Path) -> dict[str, Any]:
    """Return what the points amount to, and the points."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rule": "families of devices in alphabetical order by turns: the first is fitted on, the second tested on",
        "tokens": TOKENS,
        "batch": BATCH,
        "summary": {
            scenario: summary([one for one in lines if one["scenario"] == scenario])
            for scenario in ("offline", "singlestream")
        },
        "a100": a100(lines),
        "orin": orin(lines, data),
        "points": lines,
    }


def left_out(results: Sequence[Result]) -> float:
    """Return the median error of throughput, in percent, of fits without the family that is tested."""
    left = leave_out([result for result in results if result.offline], lambda result: result.family)
    return float(
        np.median([abs(result.seconds / seconds(result, shares) - 1) * 100 for result, shares in left])
    )


def tested(pairs: Pairs, efficiency: Efficiency, half: Sequence[str]) -> list[dict[str, Any]]:
    """Return every point with its estimate."""
    return [line(point, result, efficiency, half) for point, result in pairs]


def line(point: Point, result: Result, efficiency: Efficiency, half: Sequence[str]) -> dict[str, Any]:
    """Return one point: throughput offline, or latency of a single image; with its citation."""
    estimate, low, high = interval(result, efficiency)
    if result.offline:
        predicted, ends = BATCH / estimate, (BATCH / high, BATCH / max(low, 1e-12))
    else:
        predicted, ends = estimate * 1e3, (low * 1e3, high * 1e3)
    best = point.best
    facts: dict[str, Any] = {
        "device": best.device,
        "family": point.family,
        "model": best.model,
        "scenario": best.scenario,
        "unit": "samples/s" if result.offline else "ms",
        "use": "fit" if point.family in half else "test",
        "published": best.value,
        "median": point.median,
        "worst": point.worst,
        "count": point.count,
        "predicted": predicted,
        "low": ends[0],
        "high": ends[1],
        "error_percent": (predicted / best.value - 1) * 100,
        "inside": ends[0] <= best.value <= ends[1],
        "round": best.round,
        "submitter": best.submitter,
        "system": best.system,
        "accelerators": best.accelerators,
        "path": best.path,
    }
    if result.offline:
        done = operations(result.tally) / BATCH * best.value
        facts["utilisation"] = done / result.device.peak("int8")
        facts["peak"] = result.device.peak("int8")
        facts["beside"] = point.helper.get("note", "")
    return facts


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the median error and the coverage of the fitted and of the tested half."""
    halves = {}
    for use in ("fit", "test"):
        some = [one for one in lines if one["use"] == use]
        errors = [abs(one["error_percent"]) for one in some]
        halves[use] = {
            "devices": sorted({one["device"] for one in some}),
            "points": len(some),
            "median_error_percent": float(np.median(errors)),
            "error_percent_90th": float(np.quantile(errors, 0.9)),
            "coverage": sum(one["inside"] for one in some) / len(some),
        }
    if len(halves["fit"]["devices"]) > len(halves["test"]["devices"]):
        raise ValueError("more devices are fitted on than tested on")
    return halves


def a100(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what share of an A100 ResNet-50 uses."""
    best = next(one for one in lines if (one["device"], one["model"]) == (A100, "resnet50"))
    share = best["utilisation"] / best["published"]
    return {
        "utilisation": best["utilisation"],
        "median": best["median"] * share,
        "worst": best["worst"] * share,
        "published": best["published"],
        "claimed": CLAIMED_UTILISATION,
        "samples_per_s_at_claim": CLAIMED_UTILISATION / share,
        "operations": best["utilisation"] * best["peak"] / best["published"],
        "peak": best["peak"],
    }


def orin(lines: Sequence[Mapping[str, Any]], data: Path) -> dict[str, Any]:
    """Return what Jetson AGX Orin does for a watt."""
    fastest = next(one for one in lines if (one["device"], one["model"]) == (ORIN, "resnet50"))
    power = NAMES["power"][ORIN]
    per_sample = fastest["utilisation"] * fastest["peak"] / fastest["published"]
    slow = samples_per_s(power["round"], power["path"], data)
    device = catalog.devices()[ORIN]
    return {
        "claimed_tops": CLAIMED_TOPS,
        "claimed_w": CLAIMED_W,
        "gpu_dense_tops": device.peak("int8") / 1e12,
        "dense_tops": fastest["peak"] / 1e12,
        "power_w": device.power_w,
        "fastest": {key: fastest[key] for key in ("published", "utilisation", "round", "path")}
        | {"tops": per_sample * fastest["published"] / 1e12},
        "efficient": {
            "samples_per_s": slow,
            "tops": per_sample * slow / 1e12,
            "watts": power["watts"],
            "tops_per_w": per_sample * slow / 1e12 / power["watts"],
            **{key: power[key] for key in ("round", "path", "power_path", "note")},
        },
    }


def ship(facts: Mapping[str, Any], pairs: Pairs, efficiency: Efficiency, work: Mapping[str, int]) -> None:
    """Write what the package reads: the shares with what they rest on, and the cited points."""
    kept = ("device", "model", "scenario", "published", "unit", "round", "submitter", "system", "path")
    write(
        PACKAGE / "efficiency.json",
        {
            "made_by": f"{COMMAND} --fit",
            "date": facts["date"],
            "efficiency": asdict(efficiency),
            "held_out": {scenario: halves["test"] for scenario, halves in facts["summary"].items()},
            "fitted_on": [{key: one[key] for key in kept} for one in facts["points"] if one["use"] == "fit"],
        },
    )
    named = ("round", "submitter", "system", "accelerators", "path")
    write(
        PACKAGE / "published.json",
        [
            {
                "device": point.best.device,
                "model": point.best.model,
                "samples_per_s": point.best.value,
                "median": point.median,
                "worst": point.worst,
                "count": point.count,
                "operations": work[point.best.model],
                "beside_peak": point.helper.get("peak", 0.0),
                "beside": point.helper.get("note", ""),
                **{key: getattr(point.best, key) for key in named},
            }
            for point, result in pairs
            if result.offline
        ],
    )


def record_all(facts: Mapping[str, Any]) -> None:
    """Keep the figures of the bars."""
    tested = [one for one in facts["points"] if (one["use"], one["scenario"]) == ("test", "offline")]
    half = facts["summary"]["offline"]["test"]
    low, high = bootstrap(tested)
    record(
        3,
        "mlperf-median-error",
        value=half["median_error_percent"],
        low=low,
        high=high,
        target=f"at most {TARGET:.0f}% on published ResNet-50 and BERT, on devices that were not fitted on",
        unit="% of the throughput",
        met=half["median_error_percent"] <= TARGET,
        command=COMMAND,
    )
    inside, n = half["coverage"], half["points"]
    margin = 1.645 * math.sqrt(inside * (1 - inside) / n)
    record(
        3,
        "mlperf-interval-coverage",
        value=inside,
        low=max(0.0, inside - margin),
        high=min(1.0, inside + margin),
        target="at least 0.8 of the held-out points lie within the 90% interval",
        unit="share",
        met=inside >= 0.8,
        command=COMMAND,
    )
    used = facts["a100"]
    record(
        3,
        "a100-resnet50-utilisation",
        value=used["utilisation"],
        low=used["worst"],
        high=used["utilisation"],
        target=f"stated, from published throughput; the seed's claim is {used['claimed']}, which no result reaches",
        unit="share of the dense INT8 peak",
        met=used["utilisation"] < used["claimed"],
        command=COMMAND,
    )


def bootstrap(lines: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the 90% interval of the median error, drawing whole families: devices of one are alike."""
    families = sorted({one["family"] for one in lines})
    errors = [[abs(one["error_percent"]) for one in lines if one["family"] == name] for name in families]
    rng = np.random.default_rng(0)
    medians = [
        np.median(np.concatenate([errors[i] for i in rng.integers(len(errors), size=len(errors))]))
        for _ in range(2000)
    ]
    return float(np.quantile(medians, 0.05)), float(np.quantile(medians, 0.95))


def write(path: Path, facts: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(facts, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
