"""A graph as the planner sees it: steps in order that read and write named values of known size.

Nothing here is ONNX's: the tensor list of another compiler can be planned the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class View:
    """Bytes of one value that lie inside another."""

    of: str
    offset: int = 0
    """In bytes, from the start of ``of``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operator call."""

    name: str
    op: str
    reads: tuple[str, ...]
    """Values that it needs, those that the graphs inside it capture included."""
    writes: tuple[str, ...]
    views: Mapping[str, View] = field(default_factory=dict)
    """Outputs that are bytes of an input under another shape: sharing them, the step moves nothing."""
    joins: Mapping[str, View] = field(default_factory=dict)
    """Inputs that may be produced inside the output, where the step would copy them."""
    in_place: tuple[str, ...] = ()
    """Inputs that the first output may overwrite, element by element."""
    workspace_bytes: int = 0
    """Scratch memory while it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Steps in an order that computes every value before it is read."""

    steps: tuple[Step, ...]
    sizes: Mapping[str, int]
    """Bytes of every value of known size."""
    inputs: frozenset[str]
    """Values that the caller holds; never written."""
    weights: frozenset[str]
    """Stored values; never written."""
    outputs: frozenset[str]
    """Values that the caller receives, each in memory of its own."""
    unplanned: Mapping[str, str] = field(default_factory=dict)
    """Computed values without a place in the arena, with the reason."""
    opaque: tuple[str, ...] = ()
    """Steps with graphs inside, whose own values are not seen."""

    @property
    def computed(self) -> list[str]:
        """Values of known size that the steps compute and keep for later ones, in order."""
        outside = self.inputs | self.weights | self.outputs
        written = (name for step in self.steps for name in step.writes)
        return [name for name in written if name in self.sizes and name not in outside]
