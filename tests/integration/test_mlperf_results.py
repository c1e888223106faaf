"""The benchmark against published results: names, split and fit, and that what is committed can be made again."""

import contextlib
import json
import math
import runpy
import sys
from collections import Counter
from pathlib import Path

import pytest

from burnish.errors import UnsupportedDeviceError
from burnish.hardware import catalog
from burnish.hardware.device import Device
from burnish.hardware.efficiency import Efficiency, KindFactors, fitted
from burnish.hardware.published import published_points
from burnish.hardware.work import Work

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import mlperf_fit  # noqa: E402
import mlperf_points  # noqa: E402

sys.path.remove(str(ROOT / "benchmarks"))

DETAILS = json.loads((ROOT / "benchmarks/results/details/3-mlperf.json").read_text(encoding="utf-8"))
SHIPPED = json.loads((ROOT / "src/burnish/hardware/efficiency.json").read_text(encoding="utf-8"))
needs_data = pytest.mark.skipif(
    not mlperf_points.DATA.exists(), reason="the table of published results lies beside the repository only"
)


def points(use, scenario="offline"):
    return [one for one in DETAILS["points"] if (one["use"], one["scenario"]) == (use, scenario)]


def median(values):
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


@needs_data
def test_every_published_row_is_placed_or_excluded_with_a_reason():
    placed = {
        (row["accelerator"], row["cpu"], row["system"]): mlperf_points.placed(row)
        for row in mlperf_points.lines()
    }
    assert [spelling for spelling, (name, reason) in placed.items() if not name and not reason] == []
    assert {name for name, _ in placed.values() if name} == set(mlperf_points.NAMES["devices"])


@needs_data
def test_no_exclusion_is_idle():
    lines = list(mlperf_points.lines())
    excluded = mlperf_points.NAMES["excluded"]
    for column in ("accelerator", "cpu"):
        spellings = {line[column] for line in lines}
        assert set(excluded[f"{column}s"]) <= spellings
        for device in mlperf_points.NAMES["devices"].values():
            assert set(device.get(f"{column}s", ())) <= spellings
    for part in excluded["systems"]:
        assert any(part in line["system"] for line in lines)


def test_names_are_those_of_the_catalogue_and_no_spelling_means_two():
    devices = mlperf_points.NAMES["devices"]
    assert set(devices) <= set(catalog.devices())
    spellings = [name for device in devices.values() for name in device.get("accelerators", ())]
    assert len(spellings) == len(set(spellings))
    assert not set(spellings) & set(mlperf_points.NAMES["excluded"]["accelerators"])


def test_the_catalogue_finds_the_same_devices_by_these_spellings():
    known = catalog.devices()
    found = {}
    for name, device in mlperf_points.NAMES["devices"].items():
        for spelling in device.get("accelerators", ()):
            with contextlib.suppress(UnsupportedDeviceError):
                found[spelling] = (name, catalog.find(spelling, known).name)
    assert len(found) > 20
    assert [pair for pair in found.values() if pair[0] != pair[1]] == []


def test_no_family_is_on_both_sides_and_fewer_devices_are_fitted_on():
    fit, test = ({one["family"] for one in DETAILS["points"] if one["use"] == use} for use in ("fit", "test"))
    assert not fit & test
    assert (sorted(fit), sorted(test)) == mlperf_points.split([*fit, *test])
    assert len({one["device"] for one in points("fit")}) <= len({one["device"] for one in points("test")})
    assert {one["device"] for one in SHIPPED["fitted_on"]} == {
        one["device"] for one in DETAILS["points"] if one["use"] == "fit"
    }


def test_the_bar_of_the_median_error_is_met():
    errors = [abs(one["predicted"] / one["published"] - 1) * 100 for one in points("test")]
    assert median(errors) <= 25
    assert median(errors) == pytest.approx(DETAILS["summary"]["offline"]["test"]["median_error_percent"])
    inside = [one["low"] <= one["published"] <= one["high"] for one in points("test")]
    assert sum(inside) / len(inside) >= 0.8


def test_what_ships_and_what_is_shown_are_of_one_run():
    assert SHIPPED["held_out"]["offline"] == DETAILS["summary"]["offline"]["test"]
    shown = {(one["device"], one["model"]): one for one in points("fit") + points("test")}
    shipped = {
        (point.device, point.model): point for name in catalog.devices() for point in published_points(name)
    }
    assert set(shown) == set(shipped)
    for key, point in shipped.items():
        assert point.samples_per_s == shown[key]["published"]
        assert point.path == shown[key]["path"]
        assert point.utilisation(catalog.devices()[point.device]) == pytest.approx(
            shown[key]["utilisation"], rel=1e-6
        )


def test_the_page_shows_the_figures():
    page = runpy.run_path(str(ROOT / "scripts/estimates_page.py"))
    written = page["PAGE"].read_text(encoding="utf-8")
    assert written == page["render"](written, DETAILS, SHIPPED), "run scripts/estimates_page.py"


def synthetic(truth):
    """Return results of made-up devices and models that keep to the truth exactly."""

    def work(role, flops, size):
        return Work(
            name="w",
            op="Op",
            role=role,
            index=0,
            flops=flops,
            bytes=size,
            weight_bytes=0,
            elements=1,
            dtype="int8",
        )

    large = {
        "images": Counter({work("conv", 10**12, 10**9): 20, work("conv", 10**11, 4 * 10**9): 30}),
        "texts": Counter({work("matmul", 10**12, 10**9): 40, work("softmax", 10**9, 2 * 10**9): 40}),
    }
    small = Counter({work("conv", 10**8, 10**5): 50})
    found = []
    for kind in truth.kinds:
        for n in range(6):
            device = Device(
                name=f"{kind}{n}",
                title="",
                kind=kind,
                peaks={"int8": (20 + 90 * n) * 1e12},
                bandwidth=(3 - 0.4 * n) * 1e12,
            )
            for tally, offline in [*((tally, True) for tally in large.values()), (small, False)]:
                blank = mlperf_fit.Result(device, device.name, tally, 1.0, offline)
                took = mlperf_fit.seconds(blank, truth)
                found.append(mlperf_fit.Result(device, device.name, tally, took, offline))
    return found


def test_a_fit_finds_what_results_were_made_with():
    truth = Efficiency(
        conv=0.45,
        matmul=0.7,
        product_traffic=0.9,
        other_traffic=1.6,
        kinds={"gpu": KindFactors(speed=1.1, floor_s=5e-6), "edge": KindFactors(speed=0.9, floor_s=2e-5)},
    )
    results = synthetic(truth)
    found = mlperf_fit.fit(results)
    for result in results:
        assert mlperf_fit.seconds(result, found) == pytest.approx(result.seconds, rel=0.05)
    for kind, factors in truth.kinds.items():  # only the product of share and factor can be told
        for name in ("conv", "matmul", "product_traffic", "other_traffic"):
            expected = getattr(truth, name) * factors.speed
            assert getattr(found, name) * found.kinds[kind].speed == pytest.approx(expected, rel=0.1)
        assert found.kinds[kind].floor_s == pytest.approx(factors.floor_s, rel=0.1)


def test_intervals_are_as_wide_as_results_are_off():
    truth = Efficiency(
        conv=0.5, matmul=0.5, kinds={"gpu": KindFactors(floor_s=5e-6), "edge": KindFactors(floor_s=5e-6)}
    )
    exact, wrong = synthetic(truth), (0.6, 1.6)
    off = [
        mlperf_fit.Result(
            one.device, one.family, one.tally, one.seconds * wrong[int(one.family[-1]) % 2], one.offline
        )
        for one in exact
    ]
    narrow, wide = (mlperf_fit.with_spread(mlperf_fit.fit(some), some) for some in (exact, off))
    assert narrow.known.throughput < 1.1
    assert wide.known.throughput > 1.4
    assert wide.unknown.throughput >= wide.known.throughput
    assert math.isfinite(wide.unknown.latency)


@needs_data
def test_what_is_committed_can_be_made_again():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import mlperf

    sys.path.remove(str(ROOT / "benchmarks"))
    tallies = {"resnet50": mlperf.resnet50(), "bert-large": mlperf.bert_large()}
    pairs = mlperf.offline(mlperf_points.points("offline"), tallies)
    pairs += mlperf.single(mlperf_points.points("singlestream"))
    half, _ = mlperf_points.split(point.family for point, _ in pairs)
    again = mlperf.fitted([result for _, result in pairs if result.family in half])
    shipped = fitted()
    for name in ("conv", "matmul", "product_traffic", "other_traffic"):
        assert getattr(again, name) == pytest.approx(getattr(shipped, name), rel=0.02)
    assert again.known.throughput == pytest.approx(shipped.known.throughput, rel=0.02)
    facts = mlperf.details(mlperf.tested(pairs, again, half), mlperf_points.DATA)
    for name in ("offline", "singlestream"):
        now, then = (some["summary"][name]["test"]["median_error_percent"] for some in (facts, DETAILS))
        assert now == pytest.approx(then, abs=1)
