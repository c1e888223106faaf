"""What the loss would lose: its gradient at the weights tells how it changes when they go to zero."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from burnish.compress.pruning.importance.protocol import by_group, over_all_but
from burnish.compress.pruning.members import Group, GroupMember, Slices, is_statistic, members_of
from burnish.errors import InputError
from burnish.evaluate.task import Split, Task

Power = Literal[1, 2]
Key = tuple[nn.Module | nn.Parameter, str, int]


@dataclass(frozen=True, slots=True)
class Gradients:
    """The change of the loss, to first order, that a channel's removal makes; summed over the layers it runs through.

    Args:
        effects: Of each slice of each tensor, as `gradient_effects` returns: with power 1 this is the Taylor
            importance, with power 2 and one example a batch the Fisher importance.

    References:
        Molchanov et al. 2019, arXiv:1906.10771; Theis et al. 2018, arXiv:1801.05787.
    """

    effects: Mapping[Key, torch.Tensor]

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        width = len(group[0].idxs)
        scores = [
            by_group(member, self.effects[key], width)
            for member in members_of(group)
            for key in (_key(member, slices) for slices in member.slices())
            if key in self.effects
        ]
        return torch.stack(scores).sum(0)


def gradient_effects(
    model: nn.Module, task: Task, batches: Iterable[Split], power: Power
) -> dict[Key, torch.Tensor]:
    """Return the mean over batches of |gradient x weight| to a power, summed over each slice of each tensor.

    Args:
        model: Run in eval mode; gradients that it holds are dropped.
        task: Its loss.
        batches: The loss is that of a batch, so that with power 2 the result depends on their size.
        power: 1 or 2.

    Raises:
        InputError: There is no batch, or the loss is not finite.

    Cost: one forward and one backward pass over the batches; memory as for training with the same batches.
    """
    members = [
        GroupMember(target, side, [], [])
        for target in model.modules()
        for side in ("out", "in")  # both ends: a cut may come from either
    ]
    members += [GroupMember(p, "out", [], [], axis) for p in model.parameters() for axis in range(p.dim())]
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    total: dict[Key, torch.Tensor] = {}
    count = 0
    model.eval().requires_grad_(True)
    try:
        for batch in batches:
            model.zero_grad(set_to_none=True)
            torch.autograd.backward(_loss(model, task, batch))
            count += 1
            for key, effect in _effects(members).items():
                total[key] = total.get(key, 0) + effect.abs().pow(power)
    finally:
        model.zero_grad(set_to_none=True)
        for parameter in frozen:
            parameter.requires_grad_(False)
    if not count:
        raise InputError(
            f"task {task.name!r}: there is no example to take gradients of", hint="at least one is needed"
        )
    return {key: value / count for key, value in total.items()}


def _effects(members: list[GroupMember]) -> dict[Key, torch.Tensor]:
    return {
        _key(member, slices): over_all_but(slices.axis, slices.tensor.detach() * slices.grad)
        for member in members
        for slices in member.slices()
        if slices.grad is not None and not is_statistic(slices)
    }


def _loss(model: nn.Module, task: Task, batch: Split) -> torch.Tensor:
    device = next(model.parameters()).device
    inputs = (torch.from_numpy(array).to(device) for array in batch.inputs.values())
    with torch.enable_grad():
        loss = task.loss(model(*inputs), torch.from_numpy(batch.labels).to(device))
    if not torch.isfinite(loss):
        raise InputError(
            f"task {task.name!r}: the loss of the network is {loss.item()}, so that its gradient tells nothing",
            hint="train it first, or take an importance without gradients, such as l1",
        )
    return loss


def _key(member: GroupMember, slices: Slices) -> Key:
    return member.target, slices.name, slices.axis % slices.tensor.dim()
