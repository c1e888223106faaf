"""What a device can do, draws and costs, in plain figures of which each has a source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from burnish.errors import UnsupportedDeviceError

Dtype = Literal["float64", "float32", "tfloat32", "float16", "bfloat16", "float8", "int8", "int4"]
"""How numbers are multiplied. ``tfloat32`` is float32 in memory and less precise in the multiplier."""

Kind = Literal["gpu", "edge", "cpu", "accelerator"]

ITEM_BYTES: Mapping[Dtype, float] = {
    "float64": 8,
    "float32": 4,
    "tfloat32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8": 1,
    "int8": 1,
    "int4": 0.5,
}
"""Bytes that one number takes in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device; a figure that is None was not published (or cannot be read here), and is never guessed."""

    name: str
    """Short and unique, such as ``nvidia-a100-sxm4-80gb``."""
    title: str
    """As its maker writes it."""
    kind: Kind
    vendor: str = ""
    architecture: str = ""
    year: int | None = None
    peaks: Mapping[Dtype, float] = field(default_factory=dict)
    """Dense operations a second by dtype (a multiply-add is two); sparsity that skips zeros does not count."""
    memory_bytes: float | None = None
    """Memory that a model may fill."""
    bandwidth: float | None = None
    """Of that memory, bytes a second."""
    power_w: float | None = None
    """What it may draw for long: thermal design power, or the power mode of an edge module."""
    idle_w: float | None = None
    """What it draws while it does nothing."""
    overhead_s: float | None = None
    """Least time between two operators that follow each other: a kernel's launch, an engine's dispatch."""
    price_usd: float | None = None
    """To buy one."""
    rents_usd_per_h: Mapping[str, float] = field(default_factory=dict)
    """To rent one for an hour, by offer."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each figure comes from, by the figure's name: ``peaks.int8``, ``bandwidth``, ``rents_usd_per_h.aws``."""
    origin: Literal["catalogue", "user", "imported", "measured"] = "catalogue"

    def peak(self, dtype: Dtype) -> float:
        """Return the dense peak for a dtype, operations a second.

        Raises:
            UnsupportedDeviceError: The device has no such arithmetic, or its figure is not known.
        """
        if dtype not in self.peaks:
            known = ", ".join(self.peaks) or "none"
            raise UnsupportedDeviceError(
                f"{self.name} has no peak for {dtype}", hint=f"it has: {known}; choose one, or add the figure"
            )
        return self.peaks[dtype]

    def tops_per_w(self, dtype: Dtype) -> float | None:
        """Return tera-operations a second per watt at the specified peak; None where no power is known."""
        return self.peak(dtype) / 1e12 / self.power_w if self.power_w else None
