"""The file format of devices: sources, devices, and blocks of figures that each name their source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from burnish.config import from_mapping
from burnish.errors import ConfigError, nearest
from burnish.hardware.catalog.figures import Figures, check, of
from burnish.hardware.device import Kind

_KEYS = ("title", "kind", "vendor", "architecture", "origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document that figures come from."""

    title: str = ""
    url: str = ""
    note: str = ""

    def __str__(self) -> str:
        text = f"{self.title} ({self.url})" if self.url else self.title
        return f"{text}; {self.note}" if self.note else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one file says of one device; without title and kind it only adds to a device that is known."""

    title: str = ""
    kind: Kind | None = None
    vendor: str = ""
    architecture: str = ""
    origin: Literal["user", "imported", "measured"] = "user"
    figures: tuple[Figures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What one file holds."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    devices: Mapping[str, Entry] = field(default_factory=dict)


def read(table: Mapping[str, Any], *, label: str) -> Catalogue:
    """Read and check what a file holds.

    Args:
        table: The file's TOML.
        label: Its name, for the text of an error.

    Raises:
        ConfigError: An unknown key, a value of the wrong type or sign, a figure without a source or stated
            twice, or a source that is not listed; the text names file, device and key.
    """
    for key in table:
        if key not in ("sources", "devices"):
            raise ConfigError(f"{label}: unknown key {key!r}", hint=nearest(key, ("sources", "devices")))
    sources = {
        key: from_mapping(Source, value, source=f"{label}: source {key!r}")
        for key, value in _tables(table.get("sources", {}), f"{label}: sources")
    }
    for key, source in sources.items():
        if not source.title:
            raise ConfigError(f"{label}: source {key!r} has no title", hint='add title = "..."')
    devices = {
        name: _entry(value, sources, f"{label}: device {name!r}")
        for name, value in _tables(table.get("devices", {}), f"{label}: devices")
    }
    return Catalogue(sources=sources, devices=devices)


def _entry(value: Mapping[str, Any], sources: Mapping[str, Source], where: str) -> Entry:
    blocks = value.get("figures", [])
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ConfigError(f"{where}: figures must be tables", hint="write [[devices.NAME.figures]]")
    for key in value:
        if key not in (*_KEYS, "figures"):
            in_block = key in {one.name for one in fields(Figures)}
            hint = "it belongs into a block [[devices.NAME.figures]] that names its source"
            raise ConfigError(
                f"{where}: unknown key {key!r}", hint=hint if in_block else nearest(key, (*_KEYS, "figures"))
            )
    head = from_mapping(Entry, {key: value[key] for key in _KEYS if key in value}, source=where)
    if bool(head.title) != bool(head.kind):
        raise ConfigError(
            f"{where}: has {'no kind' if head.title else 'no title'}",
            hint="a device needs both; leave both out to add figures to one that is known",
        )
    figures = tuple(_figures(block, sources, f"{where}, figures {n}") for n, block in enumerate(blocks, 1))
    _check_once(figures, where)
    return Entry(**{key: getattr(head, key) for key in _KEYS}, figures=figures)


def _figures(block: Mapping[str, Any], sources: Mapping[str, Source], where: str) -> Figures:
    figures = from_mapping(Figures, block, source=where)
    if not figures.source:
        raise ConfigError(f"{where}: has no source", hint='add source = "..."; every figure has one')
    if figures.source not in sources:
        hint = nearest(figures.source, sources)
        raise ConfigError(f"{where}: unknown source {figures.source!r}", hint=hint)
    check(figures, where=where)
    return figures


def _check_once(blocks: tuple[Figures, ...], where: str) -> None:
    seen: set[str] = set()
    for name, _ in (pair for block in blocks for pair in of(block)):
        if name in seen:
            raise ConfigError(f"{where}: {name} is stated twice", hint="keep one of them")
        seen.add(name)


def _tables(value: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table")
    for key, item in value.items():
        if not isinstance(item, dict):
            raise ConfigError(f"{where}.{key} must be a table")
        yield key, item
