"""The published points that ship: cited, of devices of the catalogue, and plausible."""

import re

import pytest

from burnish.hardware import catalog
from burnish.hardware.published import published_points

KNOWN = catalog.devices()
POINTS = [point for name in KNOWN for point in published_points(name)]


def test_there_are_points_of_many_devices_and_of_both_models():
    assert len({point.device for point in POINTS}) >= 12
    assert {point.model for point in POINTS} == {"resnet50", "bert-large"}
    assert len({(point.device, point.model) for point in POINTS}) == len(POINTS)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.device}-{point.model}")
def test_a_point_is_cited_and_below_the_peak(point):
    assert re.fullmatch(r"v\d\.\d", point.round)
    assert point.submitter
    assert f"/{point.submitter}/" in point.path
    assert point.system in point.path
    assert point.path.endswith("mlperf_log_summary.txt")
    assert point.url.startswith(f"https://github.com/mlcommons/inference_results_{point.round}/")
    assert point.worst <= point.median <= point.samples_per_s
    assert bool(point.beside) == bool(point.beside_peak)
    assert 0.1 < point.utilisation(KNOWN[point.device]) < 0.85


def test_operations_are_those_of_the_papers():
    by_model = {point.model: point.operations for point in POINTS}
    assert by_model["resnet50"] == pytest.approx(2 * 4.09e9, rel=0.01)
    per_token = 24 * (2 * 12 * 1024**2 + 4 * 172 * 1024)  # of weights and of attention
    assert by_model["bert-large"] == pytest.approx(172 * per_token, rel=0.01)


def test_a_device_without_results_has_none():
    assert published_points("nvidia-jetson-orin-nano-8gb") == ()


def test_one_model_can_be_asked_for():
    assert [point.model for point in published_points("nvidia-t4", "bert-large")] == ["bert-large"]
