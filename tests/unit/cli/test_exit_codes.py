"""A process leaves with the code that belongs to what happened, and says why on standard error."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish import errors
from burnish.cli.exit_codes import exit_code_of


def _burnish(*arguments, **options):
    command = [sys.executable, "-m", "burnish", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.BurnishError("x"), 1),
        (errors.ShapeError("x"), 2),
        (errors.BudgetError("x"), 3),
        (errors.QueueFullError("x"), 4),
        (errors.ArtifactError("x"), 5),
        (errors.CompileError("x"), 6),
        (errors.InternalError("x"), 70),
    ],
)
def test_nearest_ancestor_decides(error, code):
    assert exit_code_of(error) == code


def test_unknown_verb_names_the_nearest():
    done = _burnish("serv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "unknown verb 'serv'" in done.stderr
    assert "did you mean 'serve'?" in done.stderr


def test_unknown_option_is_the_callers_fault():
    done = _burnish("infer", "--no-such-option")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_missing_model_and_what_is_no_model(tmp_path):
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "empty.onnx").touch()
    for name in ("absent.onnx", "text.onnx", "empty.onnx"):
        done = _burnish("infer", name, "--random", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert name in done.stderr
        assert "Traceback" not in done.stderr


def test_unknown_device_lists_what_there_is(tmp_path):
    from burnish.testing import graphs

    graphs.double().save(tmp_path / "double.onnx")
    done = _burnish("infer", "double.onnx", "--random", "--device", "abacus", cwd=tmp_path)
    assert done.returncode == 2
    assert "Available: cpu" in " ".join(done.stderr.split())


def test_damaged_bundle(tmp_path):
    (tmp_path / "broken.burnish").write_bytes(b"PK\x03\x04 and no more")
    done = _burnish("bundle", "show", "broken.burnish", cwd=tmp_path)
    assert done.returncode == 5
    assert "broken.burnish" in done.stderr


def test_unknown_log_level():
    done = _burnish("--log-level", "loud", "doctor")
    assert done.returncode == 2
    assert "unknown log level 'loud'" in done.stderr


def test_ctrl_c_is_130_without_a_traceback(tmp_path):
    from burnish.testing import graphs

    graphs.double().save(tmp_path / "double.onnx")
    command = [sys.executable, "-m", "burnish", "bench", "double.onnx", "--rounds", "100000"]
    with subprocess.Popen(
        [*command, "--backends", "onnxruntime"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 30
        # the engine is in memory once the verb is at work
        while (
            "onnxruntime" not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        time.sleep(1)  # time to leave the engine's import, and to begin measuring
        os.kill(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in stderr
