"""Chance, to compare with."""

from dataclasses import dataclass

import torch

from burnish.compress.pruning.members import Group


@dataclass(frozen=True, slots=True)
class Random:
    """Draws scores.

    Args:
        generator: Drawn from, group after group.
    """

    generator: torch.Generator

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        return torch.rand(len(group[0].idxs), generator=self.generator)
