"""What the weights alone tell."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from burnish.compress.pruning.importance.protocol import by_group, over_all_but, relative
from burnish.compress.pruning.members import Group, GroupMember, Slices, members_of

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The norm of every weight that a channel's removal would remove, each layer scaled to mean one.

    Args:
        p: 1 sums absolute values, 2 their squares.

    References:
        Li et al. 2017, arXiv:1608.08710; Fang et al. 2023, arXiv:2301.12900 (over dependency groups).
    """

    p: int

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        scores = _weights(group, self.p, lambda _: True)
        return torch.stack(scores).mean(0)


@dataclass(frozen=True, slots=True)
class NormScale:
    """The scale that a normalisation gives a channel; where a group has none, the sum of absolute weights.

    References:
        Liu et al. 2017, arXiv:1708.06519.
    """

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        scores = _weights(group, 1, lambda member: isinstance(member.target, _NORMS))
        return torch.stack(scores).mean(0) if scores else Magnitude(1)(group)


def _weights(group: Group, p: int, counts: Callable[[GroupMember], bool]) -> list[torch.Tensor]:
    width = len(group[0].idxs)
    return [
        relative(by_group(member, over_all_but(s.axis, s.tensor.detach().abs().pow(p)), width))
        for member in members_of(group)
        if counts(member)
        for s in member.slices()
        if _is_weight(s)
    ]


def _is_weight(slices: Slices) -> bool:
    return not slices.name or "weight" in slices.name
