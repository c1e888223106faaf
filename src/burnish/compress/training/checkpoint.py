"""What training must remember to go on after an interruption as if it had never stopped."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from burnish.compress.training.config import TrainConfig, binding
from burnish.errors import ArtifactError, InputError
from burnish.files import atomic_writer

State = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to."""

    number: int
    of: int
    loss: float
    valid_score: float


class Progress:
    """How far training is: the epochs that are done, and the steps of the one under way.

    Args:
        model: What learns.
        optimizer: Of its parameters.
        scaler: Of its gradients.
        config: How it learns.
        path: File of the checkpoint; None keeps none.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        config: TrainConfig,
        path: Path | None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scaler = scaler
        self.config = config
        self.path = path
        self.epochs: list[Epoch] = []
        self.best: State | None = None
        self.step = 0
        """Steps done of the epoch under way."""
        self.loss = 0.0
        """Sum of their losses."""
        self._saved_at = time.monotonic()

    @property
    def is_done(self) -> bool:
        """Whether the last epoch is over, or none of the last ones was better than those before."""
        scores = [epoch.valid_score for epoch in self.epochs]
        if len(scores) >= self.config.epochs:
            return True
        waited = len(scores) - 1 - scores.index(max(scores)) if scores else 0
        return self.config.patience is not None and waited >= self.config.patience

    def record(self, epoch: Epoch) -> None:
        """Take up a finished epoch, and the weights when they are the best so far."""
        if epoch.valid_score >= max((e.valid_score for e in self.epochs), default=-1.0):
            self.best = {
                name: tensor.detach().to("cpu", copy=True) for name, tensor in self.model.state_dict().items()
            }
        self.epochs.append(epoch)
        self.step, self.loss = 0, 0.0

    def save_when_due(self) -> None:
        """Write the checkpoint when the last one is older than the configuration wants."""
        if time.monotonic() - self._saved_at >= self.config.checkpoint_every_s:
            self.save()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            InputError: It cannot be written; the one before is still there.
        """
        if self.path is None:
            return
        stored = {
            "config": binding(self.config),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "best": self.best,
            "epochs": [(e.number, e.of, e.loss, e.valid_score) for e in self.epochs],
            "step": self.step,
            "loss": self.loss,
        }
        try:
            with atomic_writer(self.path) as stream:
                torch.save(stored, stream)
        except (OSError, RuntimeError) as error:  # PyTorch hides a full disk in a RuntimeError
            raise InputError(
                f"{self.path}: the checkpoint cannot be written: {error}",
                hint="check free space and run again: training goes on from the last checkpoint",
            ) from error
        self._saved_at = time.monotonic()

    def load(self) -> None:
        """Go on from the checkpoint, where there is one.

        Raises:
            ArtifactError: It cannot be read, or belongs to another network or other settings.
        """
        if self.path is None or not self.path.exists():
            return
        try:
            stored = torch.load(self.path, weights_only=True, map_location="cpu")
            other = _differences(stored["config"], binding(self.config))
            if not other:
                self._restore(stored)
        except Exception as error:  # pickle, zip, key and shape errors alike: the file does not fit
            raise ArtifactError(
                f"{self.path}: is no checkpoint of this training: {str(error).strip().splitlines()[0]}",
                hint="remove it to train from the start",
            ) from error
        if other:
            raise ArtifactError(
                f"{self.path}: was written with other settings: {other}",
                hint="take the same settings, or remove it to train from the start",
            )

    def _restore(self, stored: dict[str, Any]) -> None:
        self.model.load_state_dict(stored["model"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.scaler.load_state_dict(stored["scaler"])
        self.best = stored["best"]
        self.epochs = [Epoch(*facts) for facts in stored["epochs"]]
        self.step, self.loss = stored["step"], stored["loss"]


def _differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {stored.get(name)!r} there and {value!r} now"
        for name, value in wanted.items()
        if stored.get(name) != value
    )
