"""Learning from a teacher's answers beside the labels."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from burnish.compress.training.config import TrainConfig
from burnish.errors import BurnishError, InputError
from burnish.evaluate.task import Task

Outputs = torch.Tensor | tuple[torch.Tensor, ...]


def distilled(
    loss: torch.Tensor,
    outputs: Outputs,
    wanted: Outputs,
    labels: torch.Tensor,
    task: Task,
    config: TrainConfig,
) -> torch.Tensor:
    """Mix the loss on the labels with that of imitating the teacher.

    What imitation means is the task's to say (``imitate``); otherwise each output is imitated as what it is: logits
    of classes by their softened distribution, values by their squared distance. Several outputs count equally.

    Args:
        loss: Loss on the labels.
        outputs: What the student gives, a tensor or several.
        wanted: What the teacher gives for the same inputs.
        labels: By their type and shape, outputs are told to be classes or values.
        task: For its hook.
        config: Weight and temperature.

    Raises:
        InputError: Student and teacher give outputs of different shapes.

    References:
        Hinton et al. 2015, arXiv:1503.02531.
    """
    mine, its = _several(outputs), _several(wanted)
    if [output.shape for output in mine] != [output.shape for output in its]:
        shapes = [[list(output.shape) for output in side] for side in (mine, its)]
        raise InputError(
            f"task {task.name!r}: the network gives {shapes[0]} but its teacher {shapes[1]}",
            hint="a teacher answers the same question with the same outputs",
        )
    imitation = _by_task(task, outputs, wanted) if hasattr(task, "imitate") else None
    if imitation is None:
        parts = [_imitation(a, b, labels, config.temperature) for a, b in zip(mine, its, strict=True)]
        imitation = torch.stack(parts).mean()
    return (1 - config.distill_weight) * loss + config.distill_weight * imitation


def class_axis(outputs: torch.Tensor, labels: torch.Tensor) -> int | None:
    """Return the axis over which outputs are logits of classes; None where they are values.

    >>> one, each = torch.zeros(4, dtype=torch.long), torch.zeros(4, 9, dtype=torch.long)
    >>> class_axis(torch.zeros(4, 10), one), class_axis(torch.zeros(4, 9, 50), each)
    (1, 2)
    >>> class_axis(torch.zeros(4, 10), torch.zeros(4)) is None
    True
    """
    if labels.is_floating_point():
        return None
    for axis in (outputs.ndim - 1, 1):  # tokens have their classes last, pixels have them second
        rest = outputs.shape[:axis] + outputs.shape[axis + 1 :]
        if 0 < axis < outputs.ndim and rest == labels.shape and outputs.shape[axis] > 1:
            return axis
    return None


def _imitation(
    mine: torch.Tensor, its: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    axis = class_axis(mine, labels)
    if axis is None:
        return functional.mse_loss(mine, its)
    divergence = functional.kl_div(
        torch.log_softmax(mine / temperature, dim=axis),
        torch.log_softmax(its / temperature, dim=axis),
        reduction="none",
        log_target=True,
    )
    return temperature * temperature * divergence.sum(dim=axis).mean()


def _by_task(task: Task, outputs: Outputs, wanted: Outputs) -> torch.Tensor:
    try:
        loss: torch.Tensor = task.imitate(outputs, wanted)  # type: ignore[attr-defined] # the caller looked
    except BurnishError:
        raise
    except Exception as error:  # whatever the user's code may raise
        raise InputError(f"task {task.name!r}: imitate fails: {type(error).__name__}: {error}") from error
    return loss


def _several(outputs: Outputs) -> Sequence[torch.Tensor]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
