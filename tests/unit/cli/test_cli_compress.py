"""What the options of `burnish compress` make of a recipe."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from burnish.cli.commands import compress as verb
from burnish.compress import CompressResult, Option
from burnish.compress.recipe.measure import Timing
from burnish.errors import ConfigError
from burnish.evaluate import Interval, Latency


class Seen(Exception):
    """Carries the settings of a run that is not done."""


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Return the settings that options come to."""

    def run(found, out):
        raise Seen(found)

    def settings(*options):
        done = CliRunner().invoke(verb.app, ["digits", "--out", str(tmp_path), *options])
        if not isinstance(done.exception, Seen):
            raise done.exception
        return done.exception.args[0].compress

    monkeypatch.setattr(verb, "_run", run)
    return settings


def test_a_calibrator_reaches_the_steps_that_there_are(settings):
    found = settings("--calibration", "auto", "--samples", "99")
    assert (found.quantize.calibration, found.quantize.samples) == ("auto", 99)
    found = settings("--method", "mixed,qat", "--calibration", "kl")
    assert (found.mixed.scheme.calibration, found.qat.calibration) == ("kl", "kl")
    assert found.quantize.calibration == "minmax"


def test_a_calibrator_that_a_step_lacks_is_refused_by_name(settings):
    with pytest.raises(ConfigError, match=r"qat.*calibration = 'auto'"):
        settings("--method", "quantize,qat", "--calibration", "auto")


def test_the_floor_is_one_for_all_steps_and_a_recipe_may_say_otherwise(settings, tmp_path):
    found = settings("--floor", "3").settled()
    assert (found.floor_points, found.prune.floor, found.mixed.floor) == (3, 3, 3)
    (file := tmp_path / "recipe.toml").write_text("[compress.prune]\nfloor_points = 0.5\n")
    found = settings("--floor", "3", "--recipe", str(file)).settled()
    assert (found.floor_points, found.prune.floor, found.mixed.floor) == (3, 0.5, 3)


def test_a_target_in_speed_is_measured_on_the_first_engine_and_batch_of_file_or_flag(settings, tmp_path):
    def engine(*options):
        found = settings("--target-speedup", "2", *options).settled().prune
        assert (found.measure, found.target, found.must_reach) == ("latency", 2.0, True)
        return found.engine.backend, found.engine.batch

    assert engine() == ("onnxruntime", 1)
    assert engine("--backends", "openvino", "--batches", "8,1") == ("openvino", 8)
    (file := tmp_path / "recipe.toml").write_text('[compress]\nbackends = ["openvino"]\nbatches = [4]\n')
    assert engine("--recipe", str(file)) == ("openvino", 4)
    assert engine("--recipe", str(file), "--backends", "onnxruntime") == ("onnxruntime", 4)


def test_what_the_task_tells_beside_its_score_stands_in_the_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    score, latency = Interval(0.9, 0.8, 1.0, 100), Latency((1.0,), 1)
    one = Interval(1.0, 1.0, 1.0, 1)
    float_ = Option(
        candidate="float",
        backend="onnxruntime",
        graph=Path("float.onnx"),
        valid=score,
        valid_difference=score,
        test=score,
        test_difference=score,
        latency=latency,
        speedup=score,
        size_bytes=100,
        parameters=1,
        macs=1,
        figures={"pearson": 0.8812, "spearman": None},
        timings=(Timing(1, latency, one, one, one),),
    )
    odd = replace(float_, candidate="int8", figures={})
    verb.show(CompressResult((float_, odd), (float_,), float_, (), {1: latency}))
    printed = capsys.readouterr().out
    assert "pearson" in printed
    assert "spearman" in printed
    assert "0.8812" in printed
