"""The main job, small: interrupted, resumed, finished; nothing half-written, no process left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from burnish.registry import Registry

TASK = Path(__file__).parents[1] / "tasks" / "tiny_digits.py"
CONFIG = """
[demo]
task = "{task}"
clients = 2
load_requests = 100

[demo.train]
epochs = 6

[demo.compress]
floor_points = 12.0
backends = ["onnxruntime"]

[demo.compress.bench]
rounds = 5

[demo.compress.prune]
step = 0.5
round_to = 4
floor_points = 12.0

[demo.compress.prune.fine_tune]
epochs = 2

[demo.rollout]
margin = 12.0
shadow_share = 0.5
min_pairs = 20
min_requests = 20
soak_s = 2.0
"""


def start(folder, config):
    command = [
        sys.executable,
        "-m",
        "burnish",
        "demo",
        "--out",
        str(folder),
        "--config",
        str(config),
        "--json",
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent
    )


def interrupt_when(process, condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def half_written(folder):
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "demo.toml"
    path.write_text(CONFIG.format(task=TASK))
    return path


def test_the_main_job_survives_interruptions_and_ends_with_a_report(tmp_path, config):
    out = tmp_path / "out"
    work = out / "work"
    interrupt_when(start(out, config), lambda: any((work / "compress").glob("cut-*")))
    interrupt_when(start(out, config), lambda: (work / "server" / "ready.json").exists())
    assert half_written(out) == []
    done = [path.stat().st_mtime_ns for path in sorted(work.glob("*/*/result.json"))]
    assert done

    process = start(out, config)
    stdout, stderr = process.communicate(timeout=280)
    assert process.returncode == 0, stderr
    again = [path.stat().st_mtime_ns for path in sorted(work.glob("*/*/result.json"))]
    assert again[: len(done)] == done  # finished steps were not done again
    assert half_written(out) == []

    told = json.loads(stdout)
    assert told["alarm_to_zero_ms"] < 1000
    page = (out / "report.html").read_text()
    assert "promoted" in page
    assert "aborted" in page
    assert "<script src" not in page
    with Registry(told["registry"]) as registry:
        assert (
            registry.get(
                "tiny-digits@primary"
                if "tiny-digits" in registry.models()
                else f"{registry.models()[0]}@primary"
            ).version
            == 2
        )
        assert registry.verify_audit() > 3
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]


def test_an_unknown_key_is_told_before_anything_is_done(tmp_path, config):
    config.write_text("[demo]\nclints = 3\n")
    process = start(tmp_path / "out", config)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "did you mean 'clients'?" in stderr
    assert not (tmp_path / "out").exists()
