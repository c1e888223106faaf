"""Devices by what people ask for: names, kinds, all of the catalogue, this machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from burnish.evaluate.cuda import cards
from burnish.evaluate.this_device import NAME, this_card, this_device
from burnish.hardware.catalog import devices as known_devices
from burnish.hardware.catalog import find
from burnish.hardware.device import Device

THIS_MACHINE = NAME
"""What asks for the processor here, which is measured, not looked up."""

_KINDS = ("gpu", "edge", "cpu", "accelerator")


def choose_devices(names: Sequence[str], *, user: Path | None = None) -> list[Device]:
    """Return the devices of some names, each once, in their order.

    Args:
        names: Names of devices, ``this-machine``, a card of it such as ``cuda:0``, a kind such as ``gpu``, or ``all``
            for the whole catalogue.
        user: File of the user's own devices.

    Raises:
        UnsupportedDeviceError: A name is not known; the hint names the nearest.
        ConfigError: The file is wrong.

    Cost: some seconds where this machine is asked for and was not measured yet.
    """
    known = known_devices(user)
    chosen = [device for name in names for device in _named(name.strip(), known)]
    return list({device.name: device for device in chosen}.values())


def _named(name: str, known: Mapping[str, Device]) -> list[Device]:
    if name == THIS_MACHINE:
        return [this_device()]
    if name.startswith("cuda:") and name in cards():
        return [this_card(name)]
    if name == "all":
        return list(known.values())
    if name in _KINDS:
        return [device for device in known.values() if device.kind == name]
    return [find(name, known)]
