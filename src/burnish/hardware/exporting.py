"""A device that was measured here as an entry of a file of devices, so that it can be judged elsewhere."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from burnish.config import read_toml
from burnish.errors import ConfigError
from burnish.files import check_writable, write_atomic
from burnish.hardware.catalog.figures import Figures, of
from burnish.hardware.catalog.finding import plain, spellings
from burnish.hardware.catalog.format import Catalogue, Entry, Source, read
from burnish.hardware.catalog.loading import packaged
from burnish.hardware.catalog.writing import combined, text
from burnish.hardware.device import Device

_MEASURED = "-measured"
_TAKEN = ("all", "gpu", "edge", "cpu", "accelerator")
"""Names that ask for several devices."""


def add_device(path: Path, device: Device, name: str) -> None:
    """Add a device to a file of devices, which is made where there is none; its other devices stay.

    Args:
        path: The file, in the format of the user's own devices.
        device: What is added; every figure has a source.
        name: What it is called there.

    Raises:
        ConfigError: The file is there and is not one of devices, or the name cannot be given; nothing is written.
        InputError: The file cannot be written.
    """
    old = check_file(path)
    check_name(name, old, label=str(path))
    write_atomic(path, text(combined(old, catalogue_of(device, name))).encode())


def check_file(path: Path) -> Catalogue:
    """Return what a file of devices holds, which is nothing where there is none, if a device can be added to it.

    Raises:
        ConfigError: The file is there and is not one of devices.
        InputError: The file cannot be written.
    """
    check_writable(path)
    return read(read_toml(path), label=str(path)) if path.exists() else Catalogue()


def check_name(name: str, old: Catalogue, *, label: str) -> None:
    """Refuse a name under which measured figures would stand among others, or that nothing could ask for.

    Args:
        name: What a device is to be called.
        old: What its file holds already.
        label: That file, for the text of an error.

    Raises:
        ConfigError: The name is a device's of the catalogue, one that was not measured, or has another meaning.
    """
    if name.startswith("this-machine") or name in _TAKEN:
        raise ConfigError(f"--name {name}: has another meaning", hint="such as --name build-server")
    if not plain(name) or "," in name or name != name.strip():
        raise ConfigError(f"--name {name!r}: nobody could ask for it", hint="such as --name build-server")
    if (same := spellings(packaged()).get(plain(name))) is not None:
        raise ConfigError(
            f"--name {name}: is {same.name} of the catalogue, and measured figures do not mix with a data sheet's",
            hint=f"such as --name {same.name}{_MEASURED}",
        )
    known = old.devices.get(name)
    if known is not None and known.title and known.origin != "measured":
        raise ConfigError(
            f"--name {name}: {label} has a device of this name that was not measured",
            hint=f"such as --name {name}{_MEASURED}",
        )


def catalogue_of(device: Device, name: str) -> Catalogue:
    """Return one device as a file of devices would hold it, with a source for each group of figures."""
    by_source: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    for figure, value in of(device):
        by_source[device.sources[figure]].append((figure, value))
    sources: dict[str, Source] = {}
    blocks = []
    for title, figures in by_source.items():
        key = f"{name}-{figures[0][0].replace('.', '-')}"
        sources[key] = Source(title=title)
        blocks.append(_block(key, figures))
    entry = Entry(
        title=device.title,
        kind=device.kind,
        vendor=device.vendor,
        architecture=device.architecture,
        origin="measured",
        figures=tuple(blocks),
    )
    return Catalogue(sources=sources, devices={name: entry})


def name_of(device: Device) -> str:
    """Return a name made of a device's title, since ``this-machine`` is another one elsewhere.

    >>> name_of(Device(name="this-machine", title="AMD EPYC(tm) 7B13, 2 cores", kind="cpu"))
    'amd-epyc-tm-7b13-2-cores-measured'
    """
    words = "-".join(re.findall(r"[a-z0-9]+", device.title.lower()))
    return f"{words or device.kind}{_MEASURED}"  # never a data sheet's name, such as nvidia-l4


def _block(source: str, figures: list[tuple[str, float]]) -> Figures:
    values: dict[str, Any] = {}
    for figure, value in figures:
        group, _, key = figure.partition(".")
        if key:
            values.setdefault(group, {})[key] = value
        else:
            values[group] = value
    return Figures(source=source, **values)
