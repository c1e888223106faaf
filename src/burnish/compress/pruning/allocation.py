"""How many parts each unit keeps: everywhere the same share, or more where they matter more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch

from burnish.compress.pruning.importance import Importance
from burnish.compress.pruning.members import Group
from burnish.compress.pruning.units import Unit

AllocationScope = Literal["uniform", "local", "global"]
"""``uniform``: every unit loses the same share. ``local``: the parts of units that are of one kind and width in the
original are ranked together, since only these compare. ``global``: the parts of all units are."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How much each part of a network matters."""

    units: Sequence[Unit]
    """Of the network as it is now."""
    scores: Mapping[str, torch.Tensor]
    """By the unit's name, as `unit_scores` returns them; [width]."""


class Grouped(Protocol):
    """What is needed of a network's groups."""

    def group(self, of: Unit) -> Group:
        """Return the group of all parts of a unit, part by part."""
        ...


def unit_scores(units: Sequence[Unit], groups: Grouped, importance: Importance) -> dict[str, torch.Tensor]:
    """Return how much each part of each unit matters, by the unit's name.

    A part of several channels, such as a head, matters as much as its channels on average.
    """
    found = {}
    for unit in units:
        scores = importance(groups.group(unit)).detach().cpu().double()
        found[unit.name] = scores.view(unit.width, unit.size).mean(1)
    return found


def allocate(
    full: Mapping[str, int],
    ratio: float,
    *,
    scope: AllocationScope = "uniform",
    floor: float = 0.5,
    ranking: Callable[[], Ranking],
) -> dict[str, float]:
    """Choose how many parts every unit keeps, before rounding.

    Args:
        full: Parts of each unit of the original by name.
        ratio: Share of the original channels that is to be gone afterwards, in [0, 1).
        scope: What is ranked with what.
        floor: Share of what ``uniform`` would leave to a unit that it keeps at least, whatever its scores. Without
            such a bound, ranking over all layers starves some of them.
        ranking: Of the network as it is now; ``uniform`` does not ask for it.

    Returns:
        Parts by the unit's name; where they are ranked, whole ones, and every unit keeps one at least.
    """
    if scope == "uniform":
        return {name: float(np.round(width * (1 - ratio), 6)) for name, width in full.items()}
    ranked = ranking()
    kept: dict[str, float] = {}
    for together in _ranked_together(ranked.units, scope, full):
        least = {u.name: max(1, int(full[u.name] * (1 - ratio) * floor + 0.5)) for u in together}
        lost = _lost(together, ranked.scores, ratio, full, least)
        kept |= {unit.name: float(unit.width - lost[unit.name]) for unit in together}
    return kept


def _ranked_together(
    units: Sequence[Unit], scope: AllocationScope, full: Mapping[str, int]
) -> list[list[Unit]]:
    if scope == "global":
        return [list(units)]
    together: dict[object, list[Unit]] = {}
    for unit in units:
        # by the width of the original: units of one width stay together once earlier steps have cut them unequally
        together.setdefault((unit.kind, full[unit.name], unit.size), []).append(unit)
    return list(together.values())


def _lost(
    units: Sequence[Unit],
    scores: Mapping[str, torch.Tensor],
    ratio: float,
    full: Mapping[str, int],
    least: Mapping[str, int],
) -> dict[str, int]:
    """Count the parts that go: those that matter least, until the share is gone or every unit is at its least."""
    budget = sum(unit.size * (unit.width - full[unit.name] * (1 - ratio)) for unit in units)
    lost = {unit.name: 0 for unit in units}
    # of equal scores the earlier unit's goes first, so that a choice can be repeated
    ranking = sorted(
        (score, place) for place, unit in enumerate(units) for score in scores[unit.name].tolist()
    )
    for _, place in ranking:
        unit = units[place]
        if budget < unit.size / 2:
            continue  # less than half a part is left to remove
        if unit.width - lost[unit.name] > least[unit.name]:
            lost[unit.name] += 1
            budget -= unit.size
    return lost
