"""What an importance is."""

from typing import Protocol

import torch

from burnish.compress.pruning.members import Group, GroupMember

_TINY = 1e-12


class Importance(Protocol):
    """Scores the channels of one group."""

    def __call__(self, group: Group) -> torch.Tensor:
        """Return one score a channel of the group, higher for what should stay."""
        ...


def by_group(member: GroupMember, values: torch.Tensor, width: int) -> torch.Tensor:
    """Sum values of a layer's channels up over the group's channels that they go with.

    Args:
        member: Whose channels they are.
        values: One for each of the layer's channels; of a grouped layer's inputs, for those of one group.
        width: Channels of the group.
    """
    indices = torch.tensor(member.indices, device=values.device) % len(values)
    positions = torch.tensor(member.positions, device=values.device)
    return torch.zeros(width, dtype=values.dtype, device=values.device).index_add(
        0, positions, values[indices]
    )


def relative(scores: torch.Tensor) -> torch.Tensor:
    """Scale scores to mean one, so that layers of other magnitude count as much."""
    return scores / scores.mean().clamp_min(_TINY)


def over_all_but(axis: int, values: torch.Tensor) -> torch.Tensor:
    """Sum over every axis but one."""
    return values.movedim(axis, 0).flatten(1).sum(1) if values.dim() > 1 else values
