"""What a device draws, and what one inference takes of it."""

import math
from dataclasses import dataclass

from burnish.errors import ConfigError
from burnish.hardware.device import Device


@dataclass(frozen=True, slots=True)
class Power:
    """Watts of a device at work and at rest.

    Without a figure for rest the device is taken to draw its power under load all the time. With the specified
    thermal design power as that, every energy derived from it is an upper bound.
    """

    load_w: float
    idle_w: float | None
    basis: str
    """Where the figure comes from, in a few words."""

    def mean_w(self, load: float) -> float:
        """Return the mean draw of a device that is at work for a share of the time.

        >>> Power(100.0, 20.0, "measured").mean_w(0.5), Power(70.0, None, "specified").mean_w(0.5)
        (60.0, 70.0)
        """
        return self.load_w if self.idle_w is None else self.idle_w + (self.load_w - self.idle_w) * load

    def joules(self, service_s: float, batch: int) -> float:
        """Return the energy of one example while the device works on its batch."""
        return self.load_w * service_s / batch


def power_of(device: Device, *, load_w: float | None = None, idle_w: float | None = None) -> Power | None:
    """Return what a device draws; None where nothing says so.

    Args:
        device: Its own figure is used where no other is given.
        load_w: Draw at work, as somebody knows it.
        idle_w: Draw at rest, in the same way.

    Raises:
        ConfigError: A figure is negative, or rest draws more than work.
    """
    for name, given in (("power", load_w), ("idle power", idle_w)):
        if given is not None and not (math.isfinite(given) and given >= 0):
            raise ConfigError(
                f"{device.name}: {name} = {given:g} W is negative", hint="give watts, 0 or more"
            )
    watts = device.power_w if load_w is None else load_w
    idle_w = device.idle_w if idle_w is None else idle_w
    if watts is None:
        return None
    if idle_w is not None and idle_w > watts:
        raise ConfigError(
            f"{device.name}: it cannot draw {idle_w:g} W at rest and {watts:g} W at work", hint="swap them?"
        )
    return Power(watts, idle_w, "given" if load_w is not None else _basis(device))


def _basis(device: Device) -> str:
    if device.origin == "measured":
        return device.sources.get("power_w", "measured")
    return "specified, an upper bound"


def tops_per_w(flops_per_s: float, watts: float) -> float:
    """Return tera-operations a second per watt.

    >>> tops_per_w(65e12, 50.0)
    1.3
    """
    return flops_per_s / 1e12 / watts
