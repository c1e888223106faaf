"""Prunes a small network in a process of its own, which a test may kill: folder, then settings as JSON."""

import json
import sys
from pathlib import Path

import torch

from burnish.compress import TrainConfig
from burnish.compress.network import build_model, load_weights
from burnish.compress.pruning.prune import Cut, PruneConfig, prune
from burnish.compress.target_engine import EngineConfig
from burnish.evaluate import load_task
from burnish.evaluate.latency import BenchConfig
from burnish.resume import Run

TASK = Path(__file__).parents[1] / "tasks" / "tiny_digits.py"
WEIGHTS = "original.pt"


def pruned(folder: Path, settings: dict) -> list[Cut]:
    task = load_task(str(TASK))
    model = build_model(task)
    load_weights(model, folder.parent / WEIGHTS)
    config = PruneConfig(
        step=0.25,
        round_to=4,
        floor_points=100.0,
        engine=EngineConfig(threads=1, bench=BenchConfig(rounds=5, warmup=1, pause_s=0.0)),
        fine_tune=TrainConfig(epochs=3, learning_rate=0.01),
        **settings,
    )
    return prune(model, task, config, Run(folder, {}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    pruned(Path(sys.argv[1]), json.loads(sys.argv[2]))
