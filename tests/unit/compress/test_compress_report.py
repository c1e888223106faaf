"""The page of a run, made of a run's own outcome."""

import json
import shutil
from dataclasses import replace

import pytest

from burnish.compress import CompressConfig, compress
from burnish.compress.recipe import run
from burnish.compress.recipe.run import BEST, REPORT, RESULT
from burnish.errors import BudgetError, InputError
from burnish.evaluate.latency import BenchConfig
from burnish.runtime import machine

QUICK = CompressConfig(
    steps=("quantize", "fuse"),
    methods=("static", "dynamic"),
    backends=("onnxruntime",),
    batches=(1, 4),
    bench=BenchConfig(rounds=3, warmup=1, pause_s=0.001),
    floor_points=5.0,
)


class Figured:
    """A task that tells a figure beside its score."""

    def __init__(self, task):
        self._task = task

    def __getattr__(self, name):
        return getattr(self._task, name)

    def figures(self, outputs, labels):
        return {"largest": 12.25 if len(outputs["logits"]) == len(labels) else 0.0}


@pytest.fixture(scope="module")
def told(task):
    return Figured(task)


@pytest.fixture
def elsewhere(monkeypatch):
    """Go on as if on a machine that multiplies integers otherwise than this one."""
    flags = ("avx2",) if machine.fingerprint().has_int8_dot else ("avx2", "avx_vnni")
    machine.fingerprint.cache_clear()
    monkeypatch.setattr(machine, "_cpu", lambda: ("another processor", flags))
    yield
    monkeypatch.undo()
    machine.fingerprint.cache_clear()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def result(work, told, _trained):
    return compress(_trained, told, QUICK, work)


@pytest.fixture
def again(result, work, tmp_path):
    """The folder of the run once more, to go on in."""
    assert result.chosen.graph.is_relative_to(work)
    return shutil.copytree(work, tmp_path / "again")


def test_every_option_stands_in_the_page_and_in_the_record(result, work):
    page = (work / REPORT).read_text(encoding="utf-8")
    record = json.loads((work / RESULT).read_bytes())
    assert [option["candidate"] for option in record["options"]] == [o.candidate for o in result.options]
    for option in result.options:
        assert f"<td>{option.candidate}</td>" in page
        assert {timing.batch for timing in option.timings} == {1, 4}
        assert option.latency == option.timings[0].latency
        assert option.figures == {"largest": 12.25}
    assert "12.25</td>" in page
    assert record["options"][0]["figures"] == {"largest": 12.25}
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


def test_other_settings_keep_the_networks_and_a_miss_leaves_a_page_too(again, told, trained):
    made = {path: path.stat().st_mtime_ns for path in again.rglob("*.onnx") if path.name != BEST}
    strict = replace(QUICK, floor_points=0.0)
    with pytest.raises(BudgetError, match="no candidate stays within 0 points"):
        compress(trained, told, strict, again)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert not (again / BEST).exists()
    page = (again / REPORT).read_text(encoding="utf-8")
    assert "none chosen; the one that loses least" in page
    assert json.loads((again / RESULT).read_bytes())["chosen"] is None


def test_where_no_step_made_anything_no_earlier_choice_stays(again, told, trained, monkeypatch):
    assert (again / BEST).exists()
    monkeypatch.setattr(run.make, "quantized", lambda *_: None)
    monkeypatch.setattr(run.make, "fused", lambda *_: None)
    with pytest.raises(InputError, match="no compressed option to choose from"):
        compress(trained, told, QUICK, again)
    assert not (again / BEST).exists()
    record = json.loads((again / RESULT).read_bytes())
    assert record["chosen"] is None
    assert "no compressed option" in record["missed"]
    assert [option["candidate"] for option in record["options"]] == ["float"]


def test_on_another_machine_all_that_depends_on_it_is_done_again(again, told, trained, elsewhere):
    def made(*steps):
        return {step: (again / step / RESULT).stat().st_mtime_ns for step in steps}

    anew = made("latency", "score-float", "score-int8", "quantize-int8")
    kept = made("export-float")
    reduced = json.loads((again / "quantize-int8" / RESULT).read_bytes())["facts"]["reduce_range"]
    compress(trained, told, QUICK, again)
    assert [step for step, time in made(*anew).items() if time <= anew[step]] == []
    assert made(*kept) == kept
    assert json.loads((again / RESULT).read_bytes())["machine"]["cpu"] == "another processor"
    assert "another processor" in (again / REPORT).read_text(encoding="utf-8")
    record = json.loads((again / "quantize-int8" / RESULT).read_bytes())
    assert record["facts"]["reduce_range"] != reduced
