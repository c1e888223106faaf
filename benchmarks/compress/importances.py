"""Which importance keeps the most accuracy at an equal cut and an equal budget: ResNet-18 on CIFAR-10, three seeds.

``python benchmarks/compress/importances.py --work FOLDER`` cuts the trained network once, by each importance and
seed, then trains it on a part of the data. Every finished cut is kept in FOLDER. The seeds change the order of the
examples and what is drawn at random; the trained network is the same.
"""

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))  # record.py serves every benchmark

import numpy as np
from bases import resnet18
from kept import ISSUE
from record import RESULTS, record

from burnish.compress import TrainConfig
from burnish.compress.pruning.prune import PruneConfig, prune
from burnish.compress.tasks.cifar10 import Cifar10Task
from burnish.evaluate.task import Split, SplitName
from burnish.files import write_atomic
from burnish.resume import Run

IMPORTANCES = ("l1", "variance", "l2", "random")
SEEDS = (0, 1, 2)
EXAMPLES = 10_000
CONFIG = PruneConfig(
    step=0.375,
    target=0.375,
    schedule="one-shot",
    rounding="multiple",
    round_to=16,
    floor_points=100,
    fine_tune=TrainConfig(epochs=1, batch_size=128, learning_rate=0.02, warmup=0.1),
)
COMMAND = "python benchmarks/compress/importances.py --work FOLDER"


class Part(Cifar10Task):
    """CIFAR-10 with fewer examples to learn from."""

    def split(self, name: SplitName) -> Split:
        """Return a part of the data; of the train split only the first examples."""
        whole = super().split(name)
        return whole.take(np.arange(EXAMPLES)) if name == "train" else whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    task, (_, model) = Part(), resnet18(work)
    rows = []
    for importance in IMPORTANCES:
        for seed in SEEDS:
            config = replace(CONFIG, importance=importance, fine_tune=replace(CONFIG.fine_tune, seed=seed))
            run = Run(work / "importances" / f"{importance}-{seed}", {"importance": importance, "seed": seed})
            (cut,) = prune(model, task, config, run)
            rows.append(
                {
                    "importance": importance,
                    "seed": seed,
                    "parameters": cut.reached.parameters,
                    "recalibrated": cut.recalibrated_score,
                    "trained": cut.score,
                }
            )
            print(rows[-1], flush=True)
    write_atomic(RESULTS / "details" / "4-importances.json", (json.dumps(rows, indent=2) + "\n").encode())
    chance = [row["trained"] for row in rows if row["importance"] == "random"]
    for importance in IMPORTANCES[:3]:
        lead = [
            100 * (row["trained"] - other)
            for row, other in zip((r for r in rows if r["importance"] == importance), chance, strict=True)
        ]
        record(
            ISSUE,
            f"importance {importance} over random",
            value=statistics.mean(lead),
            low=min(lead),
            high=max(lead),
            target="above 0: better than chance at an equal cut and budget; lowest and highest of three seeds",
            unit="points of valid accuracy",
            met=min(lead) > 0,
            command=COMMAND,
        )


if __name__ == "__main__":
    main()
