"""What of a network can be narrowed, one thing at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn

UnitKind = Literal["channels", "heads", "hidden"]
"""``channels``: features between two layers. ``heads``: of an attention. ``hidden``: the width of a token, through
all the layers that read and write it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that can be narrowed: so many equal parts, any of which may go.

    A part is a single channel, an attention's head, or one channel of every group of a grouped layer.
    """

    name: str
    """Of the layer that makes the channels; unique in the network, and the same in a narrowed copy of it."""
    layer: nn.Module
    """At which the cut is made; all that depends on it follows."""
    kind: UnitKind
    width: int
    """Parts there are now."""
    size: int = 1
    """Channels of the layer that a part takes."""
    at: Literal["out", "in"] = "out"
    """End of the layer at which the channels are counted."""
    spread: bool = False
    """Whether the channels of a part lie apart, one in each of ``size`` groups, and not side by side."""

    def channels(self, parts: Iterable[int]) -> list[int]:
        """Return the channels that parts take, part by part.

        >>> heads = Unit("attention.value", nn.Linear(1, 6), "heads", width=3, size=2)
        >>> heads.channels([0, 2])
        [0, 1, 4, 5]
        >>> grouped = Unit("convolution", nn.Linear(1, 6), "channels", width=3, size=2, spread=True)
        >>> grouped.channels([0, 2])
        [0, 3, 2, 5]
        """
        step, start = (self.width, 1) if self.spread else (1, self.size)
        return [part * start + step * channel for part in parts for channel in range(self.size)]
