"""Compress a network of your own: prune it, quantize it, and see what each candidate is worth on the engine.

Run it with the extra ``compress``: ``python examples/compress_a_model.py``. It takes well under a minute.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch

import burnish
from burnish.compress import CompressConfig, TrainConfig
from burnish.compress.pruning.prune import PruneConfig
from burnish.evaluate import Split
from burnish.evaluate.latency import BenchConfig

_SEEDS = {"train": 0, "valid": 1, "test": 2}


class Rings:
    """Tell on which of three rings a point lies."""

    name = "rings"
    output_names = ("logits",)

    def build_model(self) -> torch.nn.Module:
        """Return the untrained network."""
        return torch.nn.Sequential(
            torch.nn.Linear(2, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 3),
        )

    def split(self, name: str) -> Split:
        """Return the same points at every call."""
        rng = np.random.default_rng(_SEEDS[name])
        labels = rng.integers(3, size=1500)
        angle = rng.uniform(0, 2 * np.pi, 1500)
        radius = labels + 1 + rng.normal(0, 0.15, 1500)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return Split({"point": points.astype(np.float32)}, labels)

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the scalar to minimise."""
        return torch.nn.functional.cross_entropy(outputs, labels)

    def scores(self, outputs: dict[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
        """Return 1 for each right answer."""
        return (outputs["logits"].argmax(axis=1) == labels).astype(np.float64)


CONFIG = CompressConfig(
    prune=PruneConfig(
        step=0.25,
        target=0.5,
        rounding="multiple",
        floor_points=2.0,
        fine_tune=TrainConfig(epochs=4, learning_rate=0.03),
    ),
    backends=("onnxruntime",),
    bench=BenchConfig(rounds=10, pause_s=0.005),
    floor_points=2.0,
    prefer="size",
)


def main() -> None:
    """Train, compress, and print what every candidate came to."""
    task = Rings()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = burnish.train_task(task, TrainConfig(epochs=12), work / "train")
        result = burnish.compress_model(model, task, CONFIG, work)
        for option in result.options:
            lost = option.valid_difference.scaled(100)
            print(
                f"{option.candidate}: {option.size_bytes} bytes, {option.macs} multiply-adds, "
                f"{option.test.value:.1%} right, {lost.value:+.2f} points [{lost.low:+.2f}, {lost.high:+.2f}]"
            )
        chosen, base = result.chosen, result.options[0]
        print(f"chosen: {chosen.candidate}, {base.size_bytes / chosen.size_bytes:.1f} times smaller")
        print(sorted(path.name for path in work.iterdir() if path.is_file()))


if __name__ == "__main__":
    main()
