"""``burnish hardware calibrate`` as a user runs it, on a handful of operators of the real engine."""

import json

import pytest
from typer.testing import CliRunner

from burnish.cli.commands.hardware import app
from burnish.cli.exit_codes import INTERRUPTED
from burnish.errors import NotFoundError
from burnish.evaluate import calibration
from burnish.evaluate.micro import design
from burnish.hardware.device import Device

DEVICE = Device(
    name="this-machine", title="Here", kind="cpu", peaks={"float32": 1e11}, bandwidth=1e10, overhead_s=1e-6
)


@pytest.fixture
def run(monkeypatch, tmp_path):
    chosen = [micro for micro in design(share=0.01) if micro.kind in ("softmax", "binary", "normalize")]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(calibration, "design", lambda share=1.0: chosen)
    monkeypatch.setattr(calibration, "this_device", lambda **_: DEVICE)
    return lambda *words: CliRunner().invoke(app, ["calibrate", "--quick", *words])


def test_each_class_is_told_with_its_error_and_measured_once(run):
    first = run("--json")
    assert first.exit_code == 0, first.output
    rows = json.loads(first.stdout)["onnxruntime"]
    assert {row["operators"] for row in rows} == {"softmax", "elementwise", "normalize"}
    for row in rows:
        assert row["dtype"] == "float32"
        assert row["samples"] >= 3
        assert row["error"] >= 0
        assert 0 < row["slowest"] <= row["fastest"]
    assert json.loads(run("--json").stdout) == json.loads(first.stdout)
    assert "softmax" in run().stdout


def test_an_interruption_keeps_what_was_measured(run, monkeypatch):
    real, done = calibration._Bench.measure, []

    def stop(self, micro):
        if micro.kind != "nothing":
            if len(done) == 3:
                raise KeyboardInterrupt
            done.append(micro.key)
        return real(self, micro)

    monkeypatch.setattr(calibration._Bench, "measure", stop)
    result = run()
    assert result.exit_code == INTERRUPTED
    assert "3 of 9 measurements" in result.output
    before = list(done)
    done.clear()
    monkeypatch.setattr(calibration._Bench, "measure", real)
    assert run("--json").exit_code == 0
    assert len(before) == 3


def test_an_unknown_engine_is_named(run):
    result = run("--engine", "onnxruntim")
    assert isinstance(result.exception, NotFoundError)
    assert "onnxruntime" in result.exception.hint
