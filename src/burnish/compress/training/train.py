"""One compact trainer, used wherever weights are learnt: from scratch, after a cut, from a teacher.

It is deterministic for a seed and can be killed at any moment: what a step draws at random depends on the seed, the
epoch's number and the step's alone, so a run that goes on from its last checkpoint ends as if never stopped.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from burnish.compress.network import (
    WEIGHTS,
    build_model,
    check_model,
    load_weights,
    predict,
    save_weights,
    task_key,
    tensors,
    weights_digest,
)
from burnish.compress.training.batches import training_batches
from burnish.compress.training.checkpoint import Epoch, Progress
from burnish.compress.training.config import TrainConfig, binding
from burnish.compress.training.device import MixedPrecision, training_device
from burnish.compress.training.distill import Outputs, distilled
from burnish.compress.training.interrupt import HeldInterrupt
from burnish.compress.training.learning_rate import one_cycle
from burnish.compress.training.optimizer import build_optimizer
from burnish.errors import DeviceError, InputError
from burnish.evaluate.hooks import augmented, lengths, trimmed
from burnish.evaluate.task import Split, Task, check_task, score
from burnish.graph.signature import Array
from burnish.resume import Facts, Run

__all__ = ["Epoch", "OnEpoch", "OnStep", "Step", "TrainConfig", "train", "train_task"]

_ORDER, _STEP = 0, 1
"""In front of a seed: what it is for. Without them, zeros at its end would make two of these streams the same."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far an epoch is."""

    epoch: int
    """Number of the epoch, from 1."""
    number: int
    """Number of the step in it, from 1."""
    of: int
    loss: float
    """Of this step."""


OnEpoch = Callable[[Epoch], None]
OnStep = Callable[[Step], None]


def train(
    model: nn.Module,
    task: Task,
    config: TrainConfig,
    *,
    teacher: nn.Module | None = None,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
) -> list[Epoch]:
    """Train in place and leave the model, in eval mode on the CPU, at its best epoch by the valid score.

    Args:
        model: What learns.
        task: Data, loss and score, with the hooks of `burnish.evaluate.hooks` that it has.
        config: How.
        teacher: Model whose answers are imitated beside the labels, see `burnish.compress.training.distill`.
        checkpoint: File that is written after each epoch, now and then inside one, and on Ctrl-C; when it exists,
            training goes on from it, and on a CPU with as many threads ends bit for bit as if it had never stopped.
        on_epoch: Told after each epoch.
        on_step: Told after each step.

    Returns:
        Every epoch, those before an interruption included.

    Raises:
        InputError: There is nothing to learn from, the loss is not finite, or the checkpoint cannot be written.
        ArtifactError: The checkpoint belongs to another network or other settings.
        UnsupportedDeviceError: The device is not there.
        DeviceError: Its memory does not suffice.
        KeyboardInterrupt: Ctrl-C; with a checkpoint, once the step under way is done and written.
    """
    data = task.split("train")
    data.check(f"task {task.name!r}, split 'train'")
    device = training_device(config.device)
    try:
        model.to(device)
        if teacher is not None:
            teacher.to(device).eval()
        trainer = _Trainer(model, task, data, config, device, teacher, checkpoint)
        trainer.run(on_epoch, on_step)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise DeviceError(
            f"{device}: out of memory in training with batches of {config.batch_size}",
            hint="lower batch_size",
        ) from error
    finally:
        for network in (model, teacher):
            if network is not None:
                network.to("cpu")
    return trainer.progress.epochs


def train_task(
    task: Task,
    config: TrainConfig,
    work: Path,
    *,
    weights: Path | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
) -> nn.Module:
    """Return a task's trained model: with the given weights, or trained in ``work``, once.

    Args:
        task: Network, data, loss and score.
        config: How to train.
        work: Folder of the run; an interrupted training goes on there.
        weights: Weights to load instead of training.
        on_epoch: Told after each epoch.
        on_step: Told after each step.

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
        epochs = train(
            model, task, config, checkpoint=folder / "training.pt", on_epoch=on_epoch, on_step=on_step
        )
        save_weights(model.state_dict(), folder / WEIGHTS)
        (folder / "training.pt").unlink()
        return {"epochs": [asdict(epoch) for epoch in epochs]}

    run = Run(work, task_key(task) | {"train": binding(config), "start": weights_digest(model)})
    run.step("train", work_in)
    load_weights(model, run.folder("train") / WEIGHTS)
    return model.eval()


class _Trainer:
    """What stays the same over the steps."""

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        data: Split,
        config: TrainConfig,
        device: torch.device,
        teacher: nn.Module | None,
        checkpoint: Path | None,
    ) -> None:
        self.model = model
        self.task = task
        self.data = data
        self.lengths = lengths(task, data)
        self.config = config
        self.device = device
        self.teacher = teacher
        self.precision = MixedPrecision(config.precision, device)
        self.optimizer = build_optimizer(model, config)
        self.progress = Progress(model, self.optimizer, self.precision.scaler, config, checkpoint)

    def run(self, on_epoch: OnEpoch | None, on_step: OnStep | None) -> None:
        """Do what is left to do, and take the best weights."""
        progress, valid = self.progress, self.task.split("valid")
        progress.load()
        own = [torch.cuda.current_device()] if self.device.type == "cuda" else []
        while not progress.is_done:
            with torch.random.fork_rng(devices=own):  # the caller's random numbers are its own
                loss = self._epoch(on_step)
            mean = float(score(self.task, predict(self.model, self.task, valid), valid.labels).mean())
            progress.record(Epoch(len(progress.epochs) + 1, self.config.epochs, loss, mean))
            progress.save()
            if on_epoch is not None:
                on_epoch(progress.epochs[-1])
        if progress.best is not None:
            self.model.load_state_dict(progress.best)
        self.model.eval()

    def _epoch(self, on_step: OnStep | None) -> float:
        progress, config, number = self.progress, self.config, len(self.progress.epochs)
        rng = np.random.default_rng((_ORDER, config.seed, number))
        batches = training_batches(len(self.data), config.batch_size, self.lengths, rng)
        steps = len(batches)
        self.model.train()
        with HeldInterrupt() as interrupt:
            for index in range(progress.step, steps):
                rate = one_cycle(
                    number * steps + index,
                    config.epochs * steps,
                    peak=config.learning_rate,
                    warmup=config.warmup,
                )
                rng = np.random.default_rng((_STEP, config.seed, number, index))
                loss = self._step(batches[index], rate, rng)
                progress.step, progress.loss = index + 1, progress.loss + loss
                if on_step is not None:
                    on_step(Step(number + 1, index + 1, steps, loss))
                if interrupt.pending:
                    progress.save()
                    interrupt.release()
                progress.save_when_due()
        return progress.loss / steps

    def _step(self, rows: Array, rate: float, rng: np.random.Generator) -> float:
        torch.manual_seed(int(rng.integers(2**63)))
        batch = trimmed(self.task, augmented(self.task, self.data.take(rows), rng))
        inputs, labels = tensors(batch, self.device), torch.from_numpy(batch.labels).to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(inputs, labels, batch.labels)
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss became {loss.item()} in epoch {len(self.progress.epochs) + 1}",
                hint="lower the learning rate",
            )
        scaler = self.precision.scaler
        self.optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.clip_norm is not None:
            scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        scaler.step(self.optimizer)
        scaler.update()
        return loss.item()

    def _loss(self, inputs: tuple[torch.Tensor, ...], labels: torch.Tensor, told: Array) -> torch.Tensor:
        with self.precision.forward():
            outputs = _widened(self.model(*inputs))
            if self.teacher is not None:
                with torch.no_grad():
                    wanted = _widened(self.teacher(*inputs))
        loss = _label_loss(self.task, outputs, labels, told)
        return (
            loss if self.teacher is None else distilled(loss, outputs, wanted, labels, self.task, self.config)
        )


def _is_out_of_memory(error: Exception) -> bool:
    """Tell it from other errors; PyTorch has a type for it on a GPU only."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _widened(outputs: Outputs) -> Outputs:
    """Return half-precision outputs as float32, in which losses are taken."""
    if isinstance(outputs, tuple):
        return tuple(output.float() for output in outputs)
    return outputs.float()


def _label_loss(task: Task, outputs: Outputs, labels: torch.Tensor, told: Array) -> torch.Tensor:
    """Return the task's loss; ``told`` is the labels as an array, which can be read after a GPU has failed."""
    try:
        return task.loss(outputs, labels)  # type: ignore[arg-type] # several outputs are handed on as they are
    except Exception as error:  # whatever the user's code may raise
        if _is_out_of_memory(error):
            raise
        shapes = [list(o.shape) for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
        raise InputError(
            f"task {task.name!r}: loss fails: {type(error).__name__}: {error}",
            hint=f"it gets outputs of shape {', '.join(map(str, shapes))} and labels from {told.min()} to "
            f"{told.max()}",
        ) from error
