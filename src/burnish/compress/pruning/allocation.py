"""How many parts each unit loses, and which: everywhere the same share, or where they matter least."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import torch

from burnish.compress.pruning.importance import Importance
from burnish.compress.pruning.members import Group
from burnish.compress.pruning.units import Unit

AllocationScope = Literal["uniform", "local", "global"]
"""``uniform``: every unit loses the same share. ``local``: the parts of units of one kind and width are ranked
together, since only these compare. ``global``: the parts of all units are."""


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
    units: Sequence[Unit],
    scores: Mapping[str, torch.Tensor],
    ratio: float,
    *,
    scope: AllocationScope = "uniform",
    full: Mapping[str, int] | None = None,
    floor: float = 0.5,
) -> dict[str, list[int]]:
    """Choose the parts that go.

    Args:
        units: Of the network as it is now.
        scores: How much each part of each unit matters, as `unit_scores` returns; [width] by the unit's name.
        ratio: Share of the original channels that is to be gone afterwards, in [0, 1).
        scope: What is ranked with what.
        full: Parts of each unit of the original by name; None where nothing is cut yet.
        floor: Share of what ``uniform`` would leave to a unit that it keeps at least, whatever its scores. Without
            such a bound, ranking over all layers starves some of them.

    Returns:
        Parts to remove from each unit, in ascending order; every unit keeps one at least.
    """
    full = full or {unit.name: unit.width for unit in units}
    chosen: dict[str, list[int]] = {}
    for ranked in _ranked_together(units, scope):
        least = {u.name: max(1, int(full[u.name] * (1 - ratio) * floor + 0.5)) for u in ranked}
        if scope == "uniform":
            least = {u.name: max(1, int(full[u.name] * (1 - ratio) + 0.5)) for u in ranked}
        chosen |= _weakest(ranked, scores, ratio, full, least)
    return chosen


def _ranked_together(units: Sequence[Unit], scope: AllocationScope) -> list[list[Unit]]:
    if scope == "global":
        return [list(units)]
    together: dict[object, list[Unit]] = {}
    for unit in units:
        together.setdefault(
            unit.name if scope == "uniform" else (unit.kind, unit.width, unit.size), []
        ).append(unit)
    return list(together.values())


def _weakest(
    units: Sequence[Unit],
    scores: Mapping[str, torch.Tensor],
    ratio: float,
    full: Mapping[str, int],
    least: Mapping[str, int],
) -> dict[str, list[int]]:
    """Take the parts that matter least, until the share is gone or every unit is at its least."""
    budget = sum(unit.size * (unit.width - full[unit.name] * (1 - ratio)) for unit in units)
    chosen: dict[str, list[int]] = {unit.name: [] for unit in units}
    # of equal scores the earlier unit and part goes first, so that a choice can be repeated
    ranking = sorted(
        (score, place, part)
        for place, unit in enumerate(units)
        for part, score in enumerate(scores[unit.name].tolist())
    )
    for _, place, part in ranking:
        unit = units[place]
        if budget < unit.size / 2:
            continue  # less than half a part is left to remove
        if unit.width - len(chosen[unit.name]) > least[unit.name]:
            chosen[unit.name].append(part)
            budget -= unit.size
    return {name: sorted(parts) for name, parts in chosen.items()}
