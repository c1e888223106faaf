"""Pruning that is killed without warning ends as if it had never stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from prune_process import TASK, WEIGHTS, pruned

from burnish.compress import TrainConfig, train
from burnish.compress.network import build_model, save_weights
from burnish.evaluate import load_task

SCRIPT = Path(__file__).with_name("prune_process.py")
EXACT = {"step": 0.25, "measure": "parameters", "target": 0.6, "rounding": "multiple"}
# half of the channels: whatever the noise of the measured widths, something is cut
MEASURED = {"step": 0.5, "measure": "latency", "target": 1000.0, "most": 0.5, "rounding": "measured"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return a folder with two runs that were killed in the training of their first cut."""
    folder = tmp_path_factory.mktemp("prune")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    task = load_task(str(TASK))
    model = build_model(task)
    train(model, task, TrainConfig(epochs=2))
    save_weights(model.state_dict(), folder / WEIGHTS)
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    runs = [folder / "exact", json.dumps(EXACT), folder / "measured", json.dumps(MEASURED)]
    subprocess.run([sys.executable, SCRIPT, *runs], env=environ, timeout=300, check=True)
    for cut in ("exact/cut-250", "measured/cut-500"):
        assert (folder / f"{cut}.partial" / "training.pt").exists()
        assert not (folder / cut).exists()
    yield folder
    torch.set_num_threads(threads)


def found(cuts):
    """Everything but where it lies."""
    return [{name: getattr(cut, name) for name in cut.__slots__ if name != "folder"} for cut in cuts]


def test_the_same_networks_come_out_of_a_run_that_was_killed(base):
    whole = pruned(base / "whole", EXACT)
    again = pruned(base / "exact", EXACT)
    assert found(again) == found(whole)
    task = load_task(str(TASK))
    for mine, its in zip(again, whole, strict=True):
        weights = [cut.restore(task).state_dict() for cut in (mine, its)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_what_was_measured_before_the_kill_decides_after_it(base, monkeypatch):
    folder = base / "measured"
    times = json.loads((folder / "widths.json").read_bytes())
    (speed,) = folder.glob("speed-500-*/result.json")
    before = json.loads(speed.read_bytes())["facts"]
    monkeypatch.setenv(
        "XDG_CACHE_HOME", str(base / "another cache")
    )  # as on a machine that knows nothing yet
    first, *_ = pruned(folder, MEASURED)
    assert first.reached.as_facts() == before
    after = json.loads((folder / "widths.json").read_bytes())
    assert all(after[section].items() >= layers.items() for section, layers in times.items())
