"""All devices that are known: those that burnish ships, and those of the user's own file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from burnish.config import read_toml
from burnish.errors import ConfigError, nearest
from burnish.hardware.catalog.figures import of
from burnish.hardware.catalog.format import Catalogue, Entry, Source, read
from burnish.hardware.device import Device

_FILES = ("nvidia.toml", "jetson.toml", "amd.toml", "accelerators.toml", "cpus.toml", "rents.toml")
"""In this order: a later one may add figures to a device of an earlier one."""

_HEAD = ("title", "kind", "vendor", "architecture")


def devices(user: Path | None = None) -> dict[str, Device]:
    """Return every device that is known, by name.

    Args:
        user: File of the user's own devices, in the format of the packaged ones; what it says of a known
            device adds to it or replaces it, figure by figure. None for `user_file`, where there is one.

    Raises:
        ConfigError: The file cannot be read or is wrong; the text names file, device and key.
    """
    known = dict(packaged())
    if user is None and user_file().exists():
        user = user_file()
    return known if user is None else merged(known, read(read_toml(user), label=str(user)), label=str(user))


def user_file() -> Path:
    """Return where the user's own devices are looked for: ``$XDG_CONFIG_HOME/burnish/devices.toml``."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "burnish" / "devices.toml"


def merged(
    known: Mapping[str, Device], catalogue: Catalogue, *, label: str, shipped: bool = False
) -> dict[str, Device]:
    """Add a file's devices to those that are known.

    Raises:
        ConfigError: A device is not known and has neither title nor kind.
    """
    result = dict(known)
    for name, entry in catalogue.devices.items():
        device = result.get(name) or _new(name, entry, known, label)
        result[name] = _with(device, entry, catalogue.sources, shipped=shipped)
    return result


def packaged_catalogues() -> dict[str, Catalogue]:
    """Return the files that burnish ships, by name, in the order in which they are merged."""
    folder = files(__package__)
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in _FILES}
    return {name: read(tomllib.loads(text), label=name) for name, text in texts.items()}


@cache
def packaged() -> Mapping[str, Device]:
    """Return the devices that burnish ships, by name."""
    known: dict[str, Device] = {}
    for label, catalogue in packaged_catalogues().items():
        known = merged(known, catalogue, label=label, shipped=True)
    return known


def _new(name: str, entry: Entry, known: Mapping[str, Device], label: str) -> Device:
    if entry.kind is None:
        raise ConfigError(
            f"{label}: device {name!r} is not known and has neither title nor kind", hint=nearest(name, known)
        )
    return Device(name=name, title=entry.title, kind=entry.kind)


def _with(device: Device, entry: Entry, sources: Mapping[str, Source], *, shipped: bool) -> Device:
    changes: dict[str, Any] = {key: value for key in _HEAD if (value := getattr(entry, key))}
    where, peaks, rents = dict(device.sources), dict(device.peaks), dict(device.rents_usd_per_h)
    for block in entry.figures:
        source = str(sources[block.source])
        text = f"{source}; {block.note}" if block.note else source
        for name, value in of(block):
            where[name] = text
            if "." not in name:
                changes[name] = value
        peaks |= block.peaks  # type: ignore[arg-type]  # the dtypes were checked when the block was read
        rents |= block.rents_usd_per_h
    if not shipped and (peaks != device.peaks or set(changes) - {"price_usd"}):
        changes["origin"] = entry.origin  # a price alone does not make it another device
    return replace(device, **changes, peaks=peaks, rents_usd_per_h=rents, sources=where)
