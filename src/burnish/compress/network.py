"""The network of a task: built, run, given weights, and its statistics estimated anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import nn

from burnish.errors import BurnishError, InputError
from burnish.evaluate.answers import answers
from burnish.evaluate.task import Split, SplitName, Task, score, source_digest
from burnish.files import atomic_writer, sha256_bytes
from burnish.graph.signature import Array

WEIGHTS = "weights.pt"
_EVALUATION_BATCH = 256


def build_model(task: Task, *, seed: int = 0) -> nn.Module:
    """Build a task's untrained network; equal seeds give equal weights.

    Raises:
        InputError: The task cannot build it.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        try:
            model = task.build_model()
        except BurnishError:
            raise
        except Exception as error:  # whatever the user's code may raise
            raise InputError(
                f"task {task.name!r}: build_model fails: {type(error).__name__}: {error}"
            ) from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"task {task.name!r}: build_model returns a {type(model).__name__}",
            hint="return a torch.nn.Module",
        )
    return model


def check_model(model: nn.Module, task: Task) -> None:
    """Run two examples, so that a network that does not fit its task is found before time is spent.

    Raises:
        InputError: The network fails on the task's inputs, or the task cannot score what comes out.
    """
    few = task.split("valid").sample(2)
    try:
        outputs = predict(model, task, few)
    except Exception as error:  # whatever the user's code may raise
        raise InputError(
            f"task {task.name!r}: {type(model).__name__} fails on its inputs: {type(error).__name__}: {error}",
            hint=f"forward gets {', '.join(few.inputs)} in this order and returns {', '.join(task.output_names)}",
        ) from error
    score(task, outputs, few.labels)


def data_digests(task: Task) -> dict[str, str]:
    """Return the digest of every split, so that no run goes on with other data than it began with."""
    return {name: task.split(name).digest for name in get_args(SplitName)}


def task_key(task: Task) -> dict[str, Any]:
    """Return what work with a task depends on, as plain data: its name, its file if it is from one, its data."""
    return {"task": task.name, "source": source_digest(task), "data": data_digests(task)}


def predict(model: nn.Module, task: Task, split: Split) -> dict[str, Array]:
    """Run the model over a split in eval mode.

    Returns:
        Output arrays by the task's output names, in the order of the examples.
    """
    training = model.training
    model.eval()
    device = _device_of(model)

    def run(batch: Split) -> dict[str, Array]:
        outputs = model(*tensors(batch, device))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return {name: outputs[i].cpu().numpy() for i, name in enumerate(task.output_names)}

    with torch.inference_mode():
        found = answers(task, split, run, batch_size=_EVALUATION_BATCH)
    model.train(training)
    return found


def recalibrate_batch_norm(model: nn.Module, split: Split, *, batch_size: int = 128) -> None:
    """Estimate the statistics of every batch normalisation anew, as the mean over the split's batches.

    After channels are cut, the old statistics are wrong: judged by them, a good cut looks like a ruin. Batches are
    mixed, as those of one class vary too little, and all else is as at inference: no dropout, no random number.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean instead of an exponential one
    model.eval()
    for norm in norms:
        norm.train()
    order = split.mixed()
    with torch.no_grad():
        for rows in np.split(order, range(batch_size, len(order), batch_size)):
            if len(rows) > 1:
                model(*tensors(split.take(rows)))
    model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def tensors(batch: Split, device: torch.device | None = None) -> tuple[torch.Tensor, ...]:
    """Return a split's inputs as tensors, in the order of the model's arguments; on the CPU over the same memory."""
    return tuple(torch.from_numpy(array).to(device) for array in batch.inputs.values())


def weights_digest(model: nn.Module) -> str:
    """Return a digest of a network's tensors with their names and shapes."""
    parts = []
    for name, tensor in model.state_dict().items():
        parts.append(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        parts.append(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return sha256_bytes(b"".join(parts))


def save_weights(state: Mapping[str, Any], path: Path) -> None:
    """Write a state dict as tensors only, whole or not at all."""
    with atomic_writer(path) as stream:
        torch.save(dict(state), stream)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state dict that `save_weights` wrote; nothing but tensors is unpickled.

    Raises:
        InputError: The file is missing, is not a state dict, or belongs to another network.
    """
    try:
        model.load_state_dict(torch.load(path, weights_only=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", hint="give the weights that training left") from error
    except Exception as error:  # pickle, zip and shape errors alike: the file does not fit
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: are not weights of this network: {reason}") from error


def _device_of(model: nn.Module) -> torch.device | None:
    parameter = next(model.parameters(), None)
    return None if parameter is None else parameter.device
