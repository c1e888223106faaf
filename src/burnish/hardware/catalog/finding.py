"""Finding a device by what people call it."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from burnish.errors import UnsupportedDeviceError
from burnish.hardware.device import Device

_NAMED, _NAMED_AT_MOST = 3, 6
"""How many devices a hint names: the fewer, unless more contain what was said."""


def find(name: str, devices: Mapping[str, Device]) -> Device:
    """Return the device of a name.

    Args:
        name: Its name, or another one (``Tesla T4``); case, spaces and hyphens do not matter, and the
            maker's name may be left out.
        devices: The devices that are known.

    Raises:
        UnsupportedDeviceError: There is none; the hint names the nearest.
    """
    if name in devices:
        return devices[name]
    known = spellings(devices)
    wanted = plain(name)
    if wanted in known:
        return known[wanted]
    raise UnsupportedDeviceError(f"unknown device {name!r}", hint=_nearest(wanted, known, devices))


def spellings(devices: Mapping[str, Device]) -> dict[str, Device]:
    """Return devices by every name that `find` takes, reduced to letters and digits.

    A title that is another device's already, as that of a card that was measured, does not take it away.
    """
    known = {plain(alias): devices[name] for alias, name in names()["aliases"].items() if name in devices}
    known |= {plain(device.name): device for device in devices.values()}
    for device in devices.values():
        vendor = plain(device.vendor)
        for name in (plain(device.title), plain(device.name)):
            known.setdefault(name, device)
            known.setdefault(name.removeprefix(vendor) or name, device)
    return known


@cache
def names() -> Mapping[str, Any]:
    """Return the packaged tables of names: ``aliases`` of devices and rules for ``offers`` of clouds."""
    return tomllib.loads((files(__package__) / "names.toml").read_text(encoding="utf-8"))


def plain(name: str) -> str:
    """Reduce a name to its letters and digits.

    >>> plain("NVIDIA A100-SXM4 (80 GB)")
    'nvidiaa100sxm480gb'
    """
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _nearest(wanted: str, known: Mapping[str, Device], devices: Mapping[str, Device]) -> str:
    inside = [name for name in devices if wanted and wanted in plain(name)]
    close = [known[key].name for key in get_close_matches(wanted, known, n=8, cutoff=0.5)]
    named = list(dict.fromkeys((*inside, *close)))  # once each, the nearest first
    if not named:
        return "`burnish hardware list` names all"
    return f"did you mean {', '.join(map(repr, named[: max(_NAMED, min(len(inside), _NAMED_AT_MOST))]))}?"
