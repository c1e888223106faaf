"""The trained networks that the compression benchmarks start from, trained once and kept.

``python benchmarks/compress/bases.py resnet18 --work FOLDER`` trains one; an interrupted training goes on.
``... minilm --work FOLDER --model ENCODER`` fine-tunes an encoder on SST-2; ENCODER is a folder in Hugging Face's
layout of sentence-transformers/all-MiniLM-L6-v2.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from burnish.compress import TrainConfig, train
from burnish.compress.network import build_model, load_weights, save_weights
from burnish.compress.tasks.cifar10 import Cifar10Task
from burnish.compress.tasks.image_networks import SlimResNet
from burnish.compress.tasks.sst2 import Sst2Task
from burnish.compress.tasks.text_task import TextConfig
from burnish.compress.training.train import Epoch
from burnish.evaluate.task import Task

DATA = Path(__file__).parents[3] / "shared" / "data"
os.environ.setdefault("BURNISH_DATA", str(DATA))

# small images first: an epoch of 16 pixels costs a fifth of one of 32, and most is learnt there
RESNET18_PHASES = (
    (16, TrainConfig(epochs=4, batch_size=128, learning_rate=0.1, warmup=0.3)),
    (24, TrainConfig(epochs=4, batch_size=128, learning_rate=0.06, warmup=0.1)),
    (32, TrainConfig(epochs=3, batch_size=128, learning_rate=0.03, warmup=0.1)),
)


MINILM = TrainConfig(
    epochs=2,
    batch_size=32,
    optimizer="adamw",
    learning_rate=5e-5,
    weight_decay=0.01,
    warmup=0.1,
    clip_norm=1.0,
)


def resnet18(work: Path, *, seed: int = 0) -> tuple[Cifar10Task, nn.Module]:
    """Return CIFAR-10 and a ResNet-18 trained on it, from ``work`` where it was trained before."""
    task = Cifar10Task()
    phases = [(f"pixels-{pixels}", Cifar10Task(pixels=pixels), config) for pixels, config in RESNET18_PHASES]
    return task, _trained(task, phases, work / f"resnet18-{seed}", seed)


def minilm(work: Path, encoder: Path, *, seed: int = 0) -> tuple[Sst2Task, nn.Module]:
    """Return SST-2 and MiniLM-L6 fine-tuned on it, from ``work`` where it was trained before."""
    task = Sst2Task(TextConfig(model=str(encoder)))
    return task, _trained(task, [("sst2", task, MINILM)], work / f"minilm-{seed}", seed)


def _trained(
    task: Task, phases: Sequence[tuple[str, Task, TrainConfig]], folder: Path, seed: int
) -> nn.Module:
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(task, seed=seed)
    for name, part, config in phases:
        done, checkpoint = folder / f"{name}.pt", folder / f"training-{name}.pt"
        if not done.exists():
            train(model, part, replace(config, seed=seed), checkpoint=checkpoint, on_epoch=_tell)
            save_weights(model.state_dict(), done)
            checkpoint.unlink()
        load_weights(model, done)
    return model.eval()


def _tell(epoch: Epoch) -> None:
    print(epoch, flush=True)


def resnet44() -> tuple[Cifar10Task, nn.Module]:
    """Return CIFAR-10 and the published ResNet-44, whose training saw the whole train split."""
    task = Cifar10Task(lambda: SlimResNet(7), valid_from="test")
    model = build_model(task)
    with np.load(DATA / "models" / "cifar10_resnet" / "resnet44_cifar10.npz") as stored:
        model.load_state_dict({name: torch.from_numpy(stored[name]) for name in stored.files})
    return task, model.eval()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=["resnet18", "minilm"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="folder of the encoder, for minilm")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.network == "resnet18":
        resnet18(given.work, seed=given.seed)
    elif given.model is None:
        parser.error("minilm needs --model")
    else:
        minilm(given.work, given.model, seed=given.seed)
