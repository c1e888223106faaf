"""Prunes a small network in processes that die in the middle of their first training.

Takes folders, each followed by settings as JSON. Every run is a process of its own, which kills itself without
warning in the second epoch of a cut; they are forked, since importing takes longer than pruning.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import torch

from burnish.compress import TrainConfig
from burnish.compress.network import build_model, load_weights
from burnish.compress.pruning import narrowing
from burnish.compress.pruning.prune import Cut, PruneConfig, prune
from burnish.compress.reporter import SILENT, Progress, Reporter
from burnish.compress.target_engine import EngineConfig
from burnish.evaluate import load_task
from burnish.evaluate.latency import BenchConfig
from burnish.graph import ComputeGraph
from burnish.resume import Run

TASK = Path(__file__).parents[1] / "tasks" / "tiny_digits.py"
WEIGHTS = "original.pt"
EPOCHS = 3


def pruned(folder: Path, settings: dict, reporter: Reporter = SILENT) -> list[Cut]:
    task = load_task(str(TASK))
    model = build_model(task)
    load_weights(model, folder.parent / WEIGHTS)
    config = PruneConfig(
        round_to=4,
        floor_points=100.0,
        engine=EngineConfig(threads=1, bench=BenchConfig(rounds=5, warmup=1, pause_s=0.0)),
        fine_tune=TrainConfig(epochs=EPOCHS, learning_rate=0.01),
        **settings,
    )
    return prune(model, task, config, Run(folder, {}), reporter=reporter)


def die(now: Progress) -> None:
    if now.stage.startswith("cut ") and now.done * EPOCHS > now.of:
        os.kill(os.getpid(), signal.SIGKILL)


def quick_capture(model, example, *, output_names, dynamic):
    """Export by tracing, which takes a small part of the time and is as good for a network this plain."""
    with tempfile.TemporaryDirectory() as folder:
        torch.onnx.export(
            model,
            tuple(map(torch.from_numpy, example.values())),
            str(file := Path(folder) / "network.onnx"),
            input_names=list(example),
            output_names=list(output_names),
            dynamic_axes={name: {0: "batch"} for name in [*example, *output_names]},
            dynamo=False,
        )
        return ComputeGraph(file.read_bytes())


def run_and_die(folder: Path, settings: dict) -> int:
    """Return the signal that ended the run."""
    child = os.fork()
    if not child:
        narrowing.capture = quick_capture
        pruned(folder, settings, Reporter(on_progress=die))
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    pairs = zip(sys.argv[1::2], sys.argv[2::2], strict=True)
    signals = [run_and_die(Path(folder), json.loads(settings)) for folder, settings in pairs]
    sys.exit(signals != [signal.SIGKILL] * len(signals))
