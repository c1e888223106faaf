"""Energy that a measurement takes: whoever can count it, and what was counted."""

from dataclasses import dataclass
from typing import Protocol


class Meter(Protocol):
    """Counts energy."""

    @property
    def name(self) -> str:
        """What is counted, such as ``rapl package-0 + dram``."""
        ...

    def joules(self) -> float:
        """Return the energy since the meter was made; called often enough, it sees every wrap-around."""
        ...


@dataclass(frozen=True, slots=True)
class Energy:
    """What a meter counted at rest and at work."""

    meter: str
    idle_w: float | None
    """Power while nothing ran; None where that was not waited for."""
    load_w: float
    """Power while matrix products ran."""
    joules_per_flop: float
    """All energy under load over all operations, the idle part included."""
