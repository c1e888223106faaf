"""One compact trainer, used wherever weights are learnt: from scratch, after a cut, from a teacher.

It is deterministic for a seed and can be killed at any moment: what an epoch draws at random depends on the
seed and the epoch's number alone, so a run that goes on from its last checkpoint ends as if never stopped.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from burnish.compress.network import (
    WEIGHTS,
    build_model,
    check_model,
    data_digests,
    load_weights,
    predict,
    save_weights,
    tensors,
)
from burnish.errors import InputError
from burnish.evaluate.task import Split, Task, check_task, score
from burnish.files import atomic_writer
from burnish.resume import Facts, Run

OnEpoch = Callable[["Epoch"], None]
State = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How to learn."""

    epochs: int = 12
    """Passes over the training split."""
    batch_size: int = 64
    """Examples a step."""
    learning_rate: float = 0.1
    """Highest learning rate of the one cycle."""
    warmup: float = 0.3
    """Share of the steps in which the learning rate rises."""
    momentum: float = 0.9
    """Momentum of SGD (Nesterov)."""
    weight_decay: float = 5e-4
    """L2 penalty."""
    distill_weight: float = 0.7
    """Share of the loss that comes from the teacher, when there is one."""
    temperature: float = 2.0
    """Softness of the teacher's answers."""
    seed: int = 0
    """Seed of the order of examples and of initial weights."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size must be at least 1: {self.epochs}, {self.batch_size}")
        if not 0 <= self.distill_weight <= 1:
            raise ValueError(f"distill_weight lies between 0 and 1, got {self.distill_weight}")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to."""

    number: int
    of: int
    loss: float
    valid_score: float


def train(
    model: nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    teacher: nn.Module | None = None,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[Epoch]:
    """Train in place and leave the model, in eval mode, at its best epoch by the valid score.

    Args:
        model: What learns.
        task: Data, loss and score.
        config: How.
        teacher: Model whose answers are imitated beside the labels (Hinton et al. 2015, arXiv:1503.02531).
        checkpoint: File that is written after each epoch and gone on from when it exists.
        on_epoch: Told after each epoch.

    Returns:
        Every epoch, those before an interruption included.

    Raises:
        InputError: There is nothing to learn from, or the loss is not finite.
    """
    data, valid = task.split("train"), task.split("valid")
    data.check(f"task {task.name!r}, split 'train'")
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
    )
    state = _Progress(model, optimizer)
    if checkpoint is not None and checkpoint.exists():
        state.load(checkpoint)
    steps = math.ceil(len(data) / config.batch_size)
    if teacher is not None:
        teacher.eval()
    while len(state.epochs) < config.epochs:
        number = len(state.epochs)
        with torch.random.fork_rng(devices=()):  # the caller's random numbers are its own
            loss = _run_epoch(model, task, data, config, optimizer, teacher, number, steps)
        mean = float(score(task, predict(model, task, valid), valid.labels).mean())
        state.record(Epoch(number + 1, config.epochs, loss, mean))
        if checkpoint is not None:
            state.save(checkpoint)
        if on_epoch is not None:
            on_epoch(state.epochs[-1])
    model.load_state_dict(state.best)
    model.eval()
    return state.epochs


def train_task(
    task: Task,
    config: TrainConfig,
    work: Path,
    *,
    weights: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> nn.Module:
    """Return a task's trained model: with the given weights, or trained in ``work``, once.

    Args:
        task: Network, data, loss and score.
        config: How to train.
        work: Folder of the run; an interrupted training goes on there.
        weights: Weights to load instead of training.
        on_epoch: Told after each epoch.

    Raises:
        InputError: The weights do not fit the network.
    """
    check_task(task)
    model = build_model(task, seed=config.seed)
    check_model(model, task)
    if weights is not None:
        load_weights(model, weights)
        return model.eval()

    def work_in(folder: Path) -> Facts:
        epochs = train(model, task, config, checkpoint=folder / "training.pt", on_epoch=on_epoch)
        save_weights(model.state_dict(), folder / WEIGHTS)
        (folder / "training.pt").unlink()
        return {"epochs": [asdict(epoch) for epoch in epochs]}

    run = Run(work, {"task": task.name, "data": data_digests(task), "train": asdict(config)})
    run.step("train", work_in)
    load_weights(model, run.folder("train") / WEIGHTS)
    return model.eval()


class _Progress:
    """What training must remember to go on after an interruption."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model = model
        self.optimizer = optimizer
        self.epochs: list[Epoch] = []
        self.best: State = copy.deepcopy(model.state_dict())

    def record(self, epoch: Epoch) -> None:
        if epoch.valid_score >= max((e.valid_score for e in self.epochs), default=-1.0):
            self.best = copy.deepcopy(self.model.state_dict())
        self.epochs.append(epoch)

    def save(self, path: Path) -> None:
        with atomic_writer(path) as stream:
            torch.save(
                {
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "best": self.best,
                    "epochs": [(e.number, e.of, e.loss, e.valid_score) for e in self.epochs],
                },
                stream,
            )

    def load(self, path: Path) -> None:
        stored = torch.load(path, weights_only=True)
        self.model.load_state_dict(stored["model"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.best = stored["best"]
        self.epochs = [Epoch(*facts) for facts in stored["epochs"]]


def _run_epoch(
    model: nn.Module,
    task: Task,
    data: Split,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    teacher: nn.Module | None,
    number: int,
    steps: int,
) -> float:
    rng = np.random.default_rng((config.seed, number))
    torch.manual_seed(config.seed * 100_003 + number)
    order = rng.permutation(len(data))
    model.train()
    total = 0.0
    for step, batch in enumerate(data.take(order).batches(config.batch_size)):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(config, number * steps + step, config.epochs * steps)
        inputs, labels = tensors(batch), torch.from_numpy(batch.labels)
        outputs = model(*inputs)
        loss = _loss(task, outputs, labels)
        if teacher is not None:
            loss = _distilled(loss, outputs, teacher, inputs, config)
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss became {loss.item()} in epoch {number + 1}", hint="lower the learning rate"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item()
    return total / steps


def _loss(task: Task, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    try:
        return task.loss(outputs, labels)
    except Exception as error:  # whatever the user's code may raise
        raise InputError(
            f"task {task.name!r}: loss fails: {type(error).__name__}: {error}",
            hint=f"it gets outputs of shape {list(outputs.shape)} and labels from {labels.min()} to {labels.max()}",
        ) from error


def _distilled(
    loss: torch.Tensor,
    outputs: torch.Tensor,
    teacher: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    config: TrainConfig,
) -> torch.Tensor:
    with torch.no_grad():
        wanted = teacher(*inputs)
    soft = config.temperature
    imitation = functional.kl_div(
        torch.log_softmax(outputs / soft, dim=-1),
        torch.log_softmax(wanted / soft, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - config.distill_weight) * loss + config.distill_weight * soft * soft * imitation


def _learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """One cycle: a cosine up from a 25th of the peak, then a cosine down to nearly nothing."""
    peak, rise = config.learning_rate, max(1.0, config.warmup * total)
    if step < rise:
        return peak * (1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / rise)) / 2)
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise))) / 2)
