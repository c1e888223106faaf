"""Shares of the data sheet that tuned software reaches: read from a file that published results were fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import msgspec

from burnish.hardware.device import Device, Dtype, Kind
from burnish.hardware.loops import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFactors:
    """What sets one kind of device apart from all."""

    speed: float = 1.0
    """Factor of all shares."""
    floor_s: float = 0.0
    """Least time of one operator, however small it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far estimates were off: nine of ten published results lie within this factor of the estimate."""

    throughput: float = 1.0
    """Where arithmetic or traffic takes the time."""
    latency: float = 1.0
    """Where the least time of an operator does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of the data sheet's figures that count."""

    conv: float = 1.0
    """Of the peak, in convolutions."""
    matmul: float = 1.0
    """Of the peak, in matrix products and all else."""
    product_traffic: float = 1.0
    """Of the bandwidth, for the inputs, weights and outputs of products."""
    other_traffic: float = 1.0
    """Of the bandwidth, for operators between products; above 1 where engines fuse them into their neighbours."""
    kinds: Mapping[Kind, KindFactors] = field(default_factory=dict)
    """By kind of device, for those that a result was published of."""
    pooled: KindFactors = field(default_factory=KindFactors)
    """For kinds that none was published of."""
    seen: tuple[str, ...] = ()
    """Kind, vendor and architecture of the devices that were fitted on."""
    dtypes: tuple[Dtype, ...] = ("int8",)
    """Of the results that were fitted on."""
    known: Spread = field(default_factory=Spread)
    """For another device of a kind and an architecture that were fitted on together."""
    unknown: Spread = field(default_factory=Spread)
    """For all others."""

    def share(self, role: Role) -> float:
        """Return the share of the peak that operators of a role reach."""
        return self.conv if role in ("conv", "depthwise") else self.matmul

    def traffic(self, *, product: bool) -> float:
        """Return the share of the bandwidth that an operator reaches."""
        return self.product_traffic if product else self.other_traffic

    def of_kind(self, kind: Kind) -> KindFactors:
        """Return what sets a kind of device apart."""
        return self.kinds.get(kind, self.pooled)

    def spread(self, device: Device, dtype: Dtype | None) -> Spread:
        """Return how far an estimate may be off.

        Args:
            device: Of which the estimate is.
            dtype: Of the products; None for operators that are none.
        """
        alike = sort_of(device) in self.seen and (dtype is None or dtype in self.dtypes)
        return self.known if alike else self.unknown


def sort_of(device: Device) -> str:
    """Return the kind, vendor and architecture of a device, as `Efficiency.seen` names them."""
    return f"{device.kind} {device.vendor} {device.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    efficiency: Efficiency


@cache
def fitted() -> Efficiency:
    """Return what was fitted to published results; `burnish.hardware.published` cites them."""
    text = (files(__package__) / "efficiency.json").read_bytes()
    return msgspec.json.decode(text, type=_File).efficiency
