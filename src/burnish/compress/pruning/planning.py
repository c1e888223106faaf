"""How many of its parts every unit keeps: what a ratio asks for, rounded as the engine likes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.pruning.layer_shapes import LayerShape, Member, layer_shapes, shaped_members
from burnish.compress.pruning.rounding import candidates, cheapest, nearest_multiple
from burnish.compress.pruning.targets import Removed
from burnish.compress.pruning.units import UnitKind
from burnish.compress.pruning.widths import LayerTime, WidthTable, measure_widths
from burnish.compress.target_engine import EngineConfig

Rounding = Literal["measured", "multiple"]
"""``multiple`` keeps widths a multiple of a given number; ``measured`` takes another width near it where the engine
is measured to run that clearly better."""

_WORDS: Mapping[UnitKind, str] = {"channels": "channels", "heads": "heads", "hidden": "channels of a token"}


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide every unit becomes."""

    widths: dict[str, int]
    """Parts that each unit keeps, by its name."""
    untouched: dict[str, str]
    """Units that keep every part though some were to go, and layers that cannot be narrowed, and why."""


class Rounder:
    """Rounds widths for one network.

    Args:
        model: The original; not changed.
        example_inputs: Of at least one example.
        kinds: What may be narrowed.
        rounding: How.
        multiple: Of channels, as the vector units want it.
        engine: Where widths are measured.
        journal: File in which the run keeps what was measured.
        on_progress: Told how many layers are measured and how many there are to measure.
    """

    def __init__(
        self,
        model: nn.Module,
        example_inputs: tuple[torch.Tensor, ...],
        *,
        kinds: Sequence[UnitKind],
        rounding: Rounding,
        multiple: int,
        engine: EngineConfig,
        journal: Path,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        groups = ChannelGroups(model, example_inputs)
        every = groups.units()
        units = [unit for unit in every if unit.kind in kinds]
        self.unprunable = groups.unprunable()
        """Reason by layer."""
        self.full = {unit.name: unit.width for unit in units}
        """Parts of each unit of the original."""
        self._left_out = {
            unit.name: f"{unit.kind} are not among the kinds to cut"
            for unit in every
            if unit.kind not in kinds
        }
        self._multiples = {unit.name: max(1, multiple // unit.size) for unit in units}
        self._sizes = {unit.name: unit.size for unit in units}
        self._reach = 1.0 if rounding == "measured" else 0.5
        self._kinds = {unit.name: _WORDS[unit.kind] for unit in units}
        self._measure: Callable[[list[LayerShape]], WidthTable] | None = None
        self._members: dict[str, list[Member]] = {}
        if rounding == "measured":
            shapes = layer_shapes(model, tuple(tensor[:1] for tensor in example_inputs))
            self._members = {unit.name: shaped_members(unit, groups.group(unit), shapes) for unit in units}
            self._measure = lambda wanted: measure_widths(
                wanted, engine, journal=journal, on_progress=on_progress
            )

    def plan(self, wanted: Mapping[str, float], current: Mapping[str, int]) -> Widths:
        """Round the wanted widths.

        Args:
            wanted: Parts that each unit should keep.
            current: Parts that it still has: none come back.
        """
        times = self._times(wanted)
        widths = {name: self._round(name, share, times[name]) for name, share in wanted.items()}
        widths = {name: min(width, current[name]) for name, width in widths.items()}
        untouched = {
            name: self._why(name, wanted[name])
            for name, width in widths.items()
            if width == self.full[name] and wanted[name] < width
        }
        return Widths(widths, self.unprunable | self._left_out | untouched)

    def removed(self, widths: Mapping[str, int]) -> Removed:
        """Return the share of the channels that widths remove.

        Rounding explains as many parts of a unit as it may move its width by; of a unit that stays whole, none.
        """
        channels = sum(full * self._sizes[name] for name, full in self.full.items())
        gone = {name: (full - widths[name]) * self._sizes[name] for name, full in self.full.items()}
        moved = sum(self._reach * self._multiples[name] * self._sizes[name] for name in gone if gone[name])
        return Removed(sum(gone.values()) / max(1, channels), moved / max(1, channels))

    def _round(self, name: str, wanted: float, times: Mapping[int, LayerTime]) -> int:
        prior = nearest_multiple(wanted, self._multiples[name], self.full[name])
        return cheapest(prior, wanted, times)

    def _times(self, wanted: Mapping[str, float]) -> dict[str, dict[int, LayerTime]]:
        """Return the measured time of every unit at each width near the wanted one."""
        if self._measure is None:
            return {name: {} for name in wanted}
        layers: dict[str, dict[int, list[LayerShape]]] = {}
        for name, share in wanted.items():
            full = self.full[name]
            near = candidates(share, self._multiples[name], full) if share < full else []
            foretold = {width: self._layers(name, full - width) for width in near}
            layers[name] = {width: shapes for width, shapes in foretold.items() if shapes is not None}
        every = [shape for widths in layers.values() for shapes in widths.values() for shape in shapes]
        table = self._measure(every)
        return {
            name: {
                width: time for width, shapes in widths.items() if (time := table.time(shapes)) is not None
            }
            for name, widths in layers.items()
        }

    def _layers(self, name: str, removed: int) -> list[LayerShape] | None:
        """Return the layers that a unit makes narrower; None where one of them has no such width."""
        found = [member.narrowed(removed) for member in self._members[name]]
        shapes = [shape for shape in found if shape is not None]
        return shapes if len(shapes) == len(found) else None

    def _why(self, name: str, wanted: float) -> str:
        full, word, multiple = self.full[name], self._kinds[name], self._multiples[name]
        if full < 2 * multiple:
            return f"{full} {word} are fewer than two times {multiple}"
        return f"{wanted:.1f} of {full} {word} are rounded to {full}"
