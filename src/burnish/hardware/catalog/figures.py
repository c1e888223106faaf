"""The figures of a device, and the rules that each must keep."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from burnish.errors import ConfigError, nearest
from burnish.hardware.device import ITEM_BYTES, Device

_POSITIVE = ("peaks", "memory_bytes", "bandwidth", "power_w")
"""Figures that cannot be nought; the others only not less than it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of one device that come from one source."""

    source: str = ""
    """Id of an entry of the file's ``[sources]``."""
    note: str = ""
    """Where in the source they stand, how they were derived, what they contain."""
    year: int | None = None
    peaks: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: float | None = None
    bandwidth: float | None = None
    power_w: float | None = None
    idle_w: float | None = None
    overhead_s: float | None = None
    price_usd: float | None = None
    rents_usd_per_h: Mapping[str, float] = field(default_factory=dict)


def of(device: Device | Figures) -> Iterator[tuple[str, float]]:
    """Return every figure that is known, by the name that `Device.sources` has for it.

    >>> dict(of(Figures(power_w=70, peaks={"int8": 130e12})))
    {'power_w': 70, 'peaks.int8': 130000000000000.0}
    """
    for name in ("year", "memory_bytes", "bandwidth", "power_w", "idle_w", "overhead_s", "price_usd"):
        if (value := getattr(device, name)) is not None:
            yield name, value
    yield from ((f"peaks.{dtype}", value) for dtype, value in device.peaks.items())
    yield from ((f"rents_usd_per_h.{offer}", value) for offer, value in device.rents_usd_per_h.items())


def check(figures: Figures, *, where: str) -> None:
    """Check the names of the dtypes and the sign of every figure.

    Args:
        figures: What was read.
        where: File and device, for the text of an error.

    Raises:
        ConfigError: A figure is negative, not finite, or nought where that makes no sense; a dtype is unknown.
    """
    for dtype in figures.peaks:
        if dtype not in ITEM_BYTES:
            raise ConfigError(f"{where}: peaks: unknown dtype {dtype!r}", hint=nearest(dtype, ITEM_BYTES))
    for name, value in of(figures):
        if not math.isfinite(value):
            raise ConfigError(f"{where}: {name} = {value}: is not finite", hint="leave out what is not known")
        least = "more than 0" if name.split(".")[0] in _POSITIVE else "0 or more"
        if value < 0 or (value == 0 and least == "more than 0"):
            raise ConfigError(
                f"{where}: {name} = {value}: must be {least}", hint="leave out what is not known"
            )
