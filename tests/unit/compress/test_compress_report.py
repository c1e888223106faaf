"""The page of a run, made of a run's own outcome."""

import json
from dataclasses import replace

import pytest

from burnish.compress import CompressConfig, compress
from burnish.compress.recipe.run import BEST, REPORT, RESULT
from burnish.errors import BudgetError
from burnish.evaluate.latency import BenchConfig

QUICK = CompressConfig(
    steps=("quantize", "fuse"),
    methods=("static", "dynamic"),
    backends=("onnxruntime",),
    batches=(1, 4),
    bench=BenchConfig(rounds=3, warmup=1, pause_s=0.001),
    floor_points=5.0,
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def result(work, task, trained):
    return compress(trained, task, QUICK, work)


def test_every_option_stands_in_the_page_and_in_the_record(result, work):
    page = (work / REPORT).read_text(encoding="utf-8")
    record = json.loads((work / RESULT).read_bytes())
    assert [option["candidate"] for option in record["options"]] == [o.candidate for o in result.options]
    for option in result.options:
        assert f"<td>{option.candidate}</td>" in page
        assert {timing.batch for timing in option.timings} == {1, 4}
        assert option.latency == option.timings[0].latency
    assert "median latency of a batch of 4, ms" in page
    assert set(record["eager"]) == {"1", "4"}


def test_what_stayed_in_floating_point_is_named_with_its_reason(result, work):
    record = json.loads((work / RESULT).read_bytes())
    page = (work / REPORT).read_text(encoding="utf-8")
    kept = next(step["facts"]["kept_float"] for step in record["steps"] if step["step"] == "quantize-dynamic")
    assert kept  # convolutions: only linear layers are quantized at each call
    for node, reason in kept.items():
        assert node in page
        assert reason.split("'")[0] in page
    del result


def test_other_settings_keep_the_networks_and_a_miss_leaves_a_page_too(result, work, task, trained):
    made = {path: path.stat().st_mtime_ns for path in work.rglob("*.onnx") if path.name != BEST}
    strict = replace(QUICK, floor_points=0.0)
    with pytest.raises(BudgetError, match="no candidate stays within 0 points"):
        compress(trained, task, strict, work)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert not (work / BEST).exists()
    page = (work / REPORT).read_text(encoding="utf-8")
    assert "none chosen; the one that loses least" in page
    assert json.loads((work / RESULT).read_bytes())["chosen"] is None
    del result
