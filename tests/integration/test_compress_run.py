"""The whole compressing road in its own process: what it leaves, how it fails, and that a kill costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from compress_process import Runs

from burnish.cli.main import main
from burnish.graph import load

TASK = Path(__file__).parents[1] / "tasks" / "tiny_digits.py"

CONFIG = """
[train]
epochs = 6

[compress]
backends = ["onnxruntime"]
floor_points = 8.0
bench = { rounds = 5, warmup = 1, pause_s = 0.001 }

[compress.prune]
step = 0.25
round_to = 4
rounding = "multiple"
floor_points = 8.0
fine_tune = { epochs = 3, learning_rate = 0.03 }
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "compress.toml"
    path.write_text(CONFIG)
    return path


def arguments(out, config, *more, task=TASK):
    named = [] if task is None else [str(task)]
    return ["compress", *named, "--out", str(out), "--recipe", str(config), *more]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    with Runs(tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.fixture
def run_here(capsys, monkeypatch):
    """Run the command line in this process, which has the big imports behind it: exit code, output, errors."""

    def run(*args, **kwargs):
        monkeypatch.setattr(sys, "argv", ["burnish", *arguments(*args, **kwargs)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return left.value.code or 0, printed.out, " ".join(printed.err.split())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def finished(runs, config, tmp_path_factory):
    """A folder in which the run went through in one go, and what it printed."""
    out = tmp_path_factory.mktemp("whole")
    runs.start(arguments(out, config, "--json"))
    done = runs.wait()
    assert done.returncode == 0, done.stderr
    return out, done


def reproducible(out):
    """What two runs must agree on: everything but latencies, what follows from these, and paths."""
    result = json.loads((out / "result.json").read_bytes())
    timed = {"latency", "speedup", "timings", "graph", "on_front"}
    return {
        "options": [{k: v for k, v in o.items() if k not in timed} for o in result["options"]],
        "cuts": [{k: v for k, v in cut.items() if k != "folder"} for cut in result["cuts"]],
        "files": {
            str(path.relative_to(out)): load(path).digest
            for kind in ("export", "quantize")
            for path in sorted(out.glob(f"{kind}-*/*.onnx"))
        },
    }


def test_the_road_ends_with_a_measured_choice(finished):
    out, done = finished
    result = json.loads((out / "result.json").read_bytes())
    assert json.loads(done.stdout) == result
    names = [o["candidate"] for o in result["options"]]
    assert names == ["float", "int8", "pruned-25", "pruned-25-int8", "pruned-50", "pruned-50-int8"]
    chosen = next(o for o in result["options"] if o["candidate"] == result["chosen"]["candidate"])
    assert chosen["valid_difference"]["low"] * 100 >= -8.0
    assert load(out / "best.onnx").digest == load(chosen["graph"]).digest
    small, base = result["options"][-1], result["options"][0]
    assert small["macs"] < base["macs"] / 2
    assert small["parameters"] < base["parameters"]
    assert len(base["latency"]["samples"]) == len(result["eager"]["1"]["samples"]) == 5
    assert base["test"]["low"] < base["test"]["value"] < base["test"]["high"]


def test_the_best_file_answers(finished):
    out, _ = finished
    outputs = load(out / "best.onnx").infer(np.zeros((3, 1, 8, 8), np.float32))
    assert outputs["logits"].shape == (3, 10)


def test_nothing_half_written_is_left(finished):
    out, _ = finished
    assert not [path for path in out.rglob("*") if path.suffix in (".partial", ".tmp")]


def test_a_second_run_works_on_nothing_and_prints_the_table(finished, config, run_here):
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    code, printed, errors = run_here(out, config)
    assert code == 0, errors
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == before
    assert "candidates (* on the Pareto front, > chosen)" in printed
    assert "chosen: " in errors
    assert "best.onnx" in errors.replace(" ", "")


def test_the_report_stands_beside_the_result(finished):
    out, _ = finished
    page = (out / "report.html").read_text(encoding="utf-8")
    for title in ("Candidates", "Latency on each engine", "Pruning", "Quantized tensors", "Steps and their"):
        assert f"<h2>{title}" in page
    assert "kl threshold" in page
    assert "its outputs leave the network" in page  # why the head was not cut


def test_a_recipe_may_name_the_task(finished, tmp_path, run_here):
    (tmp_path / "task.py").write_text(TASK.read_text())
    (recipe := tmp_path / "recipe.toml").write_text(f'task = "task.py"\n{CONFIG}')
    code, _, errors = run_here(finished[0], recipe, "--backends", "onnxruntime", task=None)
    assert code == 0, errors
    code, _, errors = run_here(tmp_path / "out", tmp_path / "none.toml", task=None)
    assert code == 2
    assert "cannot be read" in errors


def killed_when(runs, out, config, there):
    """Start the run and kill it without warning as soon as a file or folder shows up."""
    process = runs.start(arguments(out, config))
    until = time.monotonic() + 120
    try:
        while not (out / there).exists():
            assert not runs.has_ended(), f"the run ended before {there} showed up"
            assert time.monotonic() < until
            time.sleep(0.002)
    finally:
        if not runs.has_ended():
            os.kill(process, signal.SIGKILL)
        done = runs.wait()
    assert done.returncode == -signal.SIGKILL
    assert not (out / "result.json").exists()


def test_a_run_that_is_killed_again_and_again_ends_as_if_never_stopped(runs, finished, config, tmp_path):
    for there in (
        "train/train.partial/training.pt",
        "cut-500.partial/training.pt",
        "export-pruned-25.partial",
        "quantize-pruned-50-int8.partial",
        "score-pruned-50-int8.partial",
    ):
        killed_when(runs, tmp_path, config, there)
    runs.start(arguments(tmp_path, config))
    done = runs.wait()
    assert done.returncode == 0, done.stderr
    assert reproducible(tmp_path) == reproducible(finished[0])


def test_a_floor_that_cannot_be_met_keeps_what_was_reached(finished, config, run_here):
    out, _ = finished
    best = (out / "best.onnx").read_bytes()
    (strict := config.with_name("strict.toml")).write_text(
        CONFIG.replace("floor_points = 8.0\nbench", "floor_points = 0.0\nbench")
    )
    code, printed, errors = run_here(out, strict)
    assert (code, printed) == (3, "")
    assert "no candidate stays within 0 points of the float model" in errors
    assert "too many" in errors
    assert "result.json" in errors.replace(" ", "")
    result = json.loads((out / "result.json").read_bytes())
    assert result["chosen"] is None
    assert "may lose" in result["missed"]
    assert len(result["options"]) == 6
    assert not (out / "best.onnx").exists()  # a file of this name would pass for good enough
    assert run_here(out, config)[0] == 0  # and with the floor of before, all is there again at once
    assert (out / "best.onnx").read_bytes() == best


BROKEN = {
    "unknown task": ("no-such-task", [], "unknown task 'no-such-task'"),
    "missing file": ("nowhere/task.py", [], "no such file"),
    "unknown engine": (TASK, ["--backends", "onnxruntmie"], "did you mean 'onnxruntime'?"),
    "unknown importance": (TASK, ["--importance", "l3"], "importance = 'l3'"),
    "senseless step": (TASK, ["--step", "0.9"], "0 < step <= target < 1 must hold"),
    "unknown step": (TASK, ["--method", "prune,distill"], "steps = ['prune', 'distill']"),
    "wrong order": (TASK, ["--method", "quantize,prune"], "(prune, quantize), got quantize, prune"),
    "an option that nothing reads": (
        TASK,
        ["--method", "prune", "--calibration", "kl"],
        "--calibration: the recipe has no step 'quantize' or 'mixed' or 'qat'",
    ),
    "two targets": (TASK, ["--target-params", "0.5", "--target-macs", "0.5"], "parameters and macs at once"),
    "weights of another": (TASK, ["--weights", str(TASK)], "are not weights of this network"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_input_is_one_clear_error(case, config, tmp_path, run_here):
    task, flags, expected = BROKEN[case]
    code, printed, errors = run_here(tmp_path / "out", config, *flags, task=task)
    assert (code, printed) == (2, "")
    assert expected in errors
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pt", ".onnx")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[compres]\n", "unknown key 'compres' hint: did you mean 'compress'?"),
        ("[compress.prune]\nstpe = 0.1\n", "unknown key 'stpe' hint: did you mean 'step'?"),
        ("[train]\nepochs = 'many'\n", "epochs = 'many'"),
    ],
)
def test_a_wrong_configuration_names_the_key(text, expected, tmp_path, run_here):
    (tmp_path / "c.toml").write_text(text)
    code, _, errors = run_here(tmp_path / "out", tmp_path / "c.toml")
    assert code == 2
    assert expected in errors


def test_data_with_nan_is_found_before_any_training(config, tmp_path, run_here):
    source = TASK.read_text().replace("/ 16)", "+ np.where(np.arange(64).reshape(1, 8, 8) == 9, np.nan, 0))")
    (tmp_path / "task.py").write_text(source)
    code, _, errors = run_here(tmp_path / "out", config, task=tmp_path / "task.py")
    assert code == 2
    assert "split 'train': 'image' is not finite in 600 of 600 examples" in errors
    assert not list((tmp_path / "out").rglob("*.pt"))


def test_without_pytorch_the_missing_extra_is_named():
    script = (
        "import burnish.plugins as plugins; from burnish.cli.main import main; import sys\n"
        "found = plugins.is_installed\n"
        "plugins.is_installed = lambda name: name != 'torch' and found(name)\n"
        "sys.argv = ['burnish', 'compress', 'digits', '--out', 'x']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 6
    assert "compressing a model needs the package 'torch'" in " ".join(done.stderr.split())
    assert "pip install 'burnish[compress]'" in done.stderr
