"""How far a network has come: fewer channels, parameters or multiply-adds, or times faster in an engine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from burnish.evaluate.accuracy import Interval

MeasureName = Literal["channels", "parameters", "macs", "latency"]
_WORDS: dict[MeasureName, str] = {
    "channels": "channels removed",
    "parameters": "parameters removed",
    "macs": "multiply-adds removed",
    "latency": "times faster",
}


@dataclass(frozen=True, slots=True)
class Size:
    """What a network holds and computes."""

    parameters: int
    macs: int
    """Multiply-adds of one example, in convolutions and products of matrices."""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many channels are gone."""

    share: float
    """Of the channels of all units that may be cut."""
    slack: float
    """Share by which rounding the widths of the units that were cut may have missed what was asked."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How much smaller a network is than the original."""

    channels: float
    """Share of the channels that is gone, of those of all units that may be cut."""
    slack: float
    """Share of the channels by which rounding may have missed what was asked."""
    parameters: float
    """Share of the parameters that is gone."""
    macs: float
    """Share of the multiply-adds that is gone."""
    speedup: Interval | None = None
    """Times faster than the original's exported file in the same engine; None where it was not measured."""

    def amount(self, measure: MeasureName) -> float:
        """Return what counts towards a target: of a speed-up, the lower end of its interval."""
        if measure == "latency":
            return self.speedup.low if self.speedup is not None else 1.0
        return {"channels": self.channels, "parameters": self.parameters, "macs": self.macs}[measure]

    def as_facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Reached":
        """Return what `as_facts` gave."""
        speedup = Interval(**facts["speedup"]) if facts["speedup"] is not None else None
        return cls(facts["channels"], facts["slack"], facts["parameters"], facts["macs"], speedup)


def size_of(model: nn.Module, one_example: tuple[torch.Tensor, ...]) -> Size:
    """Count a network's parameters and the multiply-adds of a forward pass.

    Those inside a recurrent layer are not seen.

    Args:
        model: In eval mode.
        one_example: Inputs of one example.
    """
    counter = FlopCounterMode(display=False)
    # no inference mode and no fused attention: neither is split into the operators that are counted
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(*one_example)
    return Size(sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2)


def compared(size: Size, original: Size, removed: Removed, speedup: Interval | None = None) -> Reached:
    """Say how much smaller a network is than the original."""
    return Reached(
        removed.share,
        removed.slack,
        1 - size.parameters / max(1, original.parameters),
        1 - size.macs / max(1, original.macs),
        speedup,
    )


def in_words(measure: MeasureName, amount: float) -> str:
    """Say an amount so that a person reads it.

    >>> in_words("macs", 0.512), in_words("latency", 1.934)
    ('51.2% of the multiply-adds removed', '1.93 times faster')
    """
    if measure == "latency":
        return f"{amount:.2f} times faster"
    noun, verb = _WORDS[measure].split(" ")
    return f"{amount * 100:.1f}% of the {noun} {verb}"


def shortfall(measure: MeasureName, amount: float, target: float) -> str:
    """Say by how much an amount misses a target.

    >>> shortfall("parameters", 0.42, 0.6), shortfall("latency", 1.7, 2.0)
    ('42.0% of the parameters removed where 60.0% are wanted, 18.0 points short', \
'1.70 times faster where 2.00 are wanted, 0.30 short')
    """
    if measure == "latency":
        return f"{in_words(measure, amount)} where {target:.2f} are wanted, {target - amount:.2f} short"
    return (
        f"{in_words(measure, amount)} where {target * 100:.1f}% are wanted, "
        f"{(target - amount) * 100:.1f} points short"
    )
