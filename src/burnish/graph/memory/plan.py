"""A finished memory plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Buffer:
    """The place of one value in the arena."""

    name: str
    offset: int
    """Bytes from the start of the arena."""
    size_bytes: int
    first: int
    """Step that computes it."""
    last: int
    """Last step that reads it."""
    root: str
    """The value whose memory it shares; its own name when the memory is its own."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Where every intermediate value lies, and what that takes. Sizes in bytes.

    Inputs and outputs belong to the caller and weights to the engine; they are counted apart.
    """

    batch: int
    steps: tuple[str, ...]
    """Names of the operators in the planned order; a buffer's ``first`` and ``last`` count in it."""
    operators: tuple[str, ...]
    """Their types."""
    buffers: tuple[Buffer, ...]
    arena_bytes: int
    naive_bytes: int
    """Sum over all intermediate values: what it takes when each has memory of its own."""
    shared_bytes: int
    """The same sum when reshaped and overwritten values share memory, but dead memory is not used again."""
    live_bytes: tuple[int, ...]
    """Bytes alive while each step runs, its workspace included."""
    strategy: str
    """The order of placement that won."""
    alignment: int
    input_bytes: int
    output_bytes: int
    weight_bytes: int
    unplanned: Mapping[str, str] = field(default_factory=dict)
    """Values without a place in the arena, with the reason."""
    opaque: tuple[str, ...] = ()
    """Steps that hold graphs of their own, whose values are not counted."""

    @property
    def lower_bound_bytes(self) -> int:
        """Most bytes alive at once; no arena for this order can be smaller."""
        return max(self.live_bytes, default=0)

    @property
    def saved(self) -> float:
        """Share of the naive sum that the arena saves, 0 to 1."""
        return 1.0 - self.arena_bytes / self.naive_bytes if self.naive_bytes else 0.0

    @property
    def peak_step(self) -> int:
        """The first step at which most bytes are alive."""
        return self.live_bytes.index(self.lower_bound_bytes) if self.live_bytes else 0

    @cached_property
    def by_name(self) -> dict[str, Buffer]:
        """Buffers by the name of their value."""
        return {buffer.name: buffer for buffer in self.buffers}
