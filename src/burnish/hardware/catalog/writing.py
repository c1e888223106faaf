"""Writing a file of devices that reads back the same."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from burnish.hardware.catalog.figures import Figures, of
from burnish.hardware.catalog.format import Catalogue, Entry, Source


def text(catalogue: Catalogue) -> str:
    """Return a catalogue as TOML."""
    lines: list[str] = []
    for key, source in catalogue.sources.items():
        lines += [f"[sources.{_key(key)}]", *_pairs(_set(source, Source())), ""]
    for name, entry in catalogue.devices.items():
        header = f"devices.{_key(name)}"
        lines += [f"[{header}]", *_pairs(_set(entry, Entry(), leave="figures")), ""]
        for block in entry.figures:
            lines += [f"[[{header}.figures]]", *_pairs(_set(block, Figures())), ""]
    return "\n".join(lines)


def combined(old: Catalogue, new: Catalogue) -> Catalogue:
    """Add one catalogue to another; where both state a figure, the new one stands.

    A source that no figure comes from any more is left out.
    """
    sources = dict(old.sources)
    renamed: dict[str, str] = {}
    for key, source in new.sources.items():
        renamed[key] = _id_for(key, source, sources)
        sources[renamed[key]] = source
    devices = dict(old.devices)
    for name, entry in new.devices.items():
        added = tuple(replace(block, source=renamed[block.source]) for block in entry.figures)
        known = devices.get(name)
        kept = (
            _without(known.figures, {figure for block in added for figure, _ in of(block)}) if known else ()
        )
        head = known if known and not entry.title else entry
        devices[name] = replace(head, figures=(*kept, *added))
    named = {block.source for entry in devices.values() for block in entry.figures}
    return Catalogue(
        sources={key: source for key, source in sources.items() if key in named}, devices=devices
    )


def _without(blocks: tuple[Figures, ...], names: set[str]) -> tuple[Figures, ...]:
    """Take figures out of blocks, and drop the blocks that hold no other."""
    kept = []
    for block in blocks:
        changes: dict[str, Any] = {}
        for group in ("peaks", "rents_usd_per_h"):
            values: Mapping[str, float] = getattr(block, group)
            changes[group] = {key: value for key, value in values.items() if f"{group}.{key}" not in names}
        changes |= {name: None for name, _ in of(block) if name in names and "." not in name}
        kept.append(replace(block, **changes))
    return tuple(block for block in kept if any(of(block)))


def _id_for(key: str, source: Source, taken: Mapping[str, Source]) -> str:
    """Return the id that the same source has already, or else one that no other source has.

    Asking first for the source itself is what makes adding a catalogue twice the same as adding it once, also where
    its id had to give way to another's the first time.
    """
    same = [known for known in taken if taken[known] == source]
    if same:
        return key if key in same else min(same)
    free, n = key, 2
    while free in taken:
        free, n = f"{key}-{n}", n + 1
    return free


def _set(value: Any, default: Any, *, leave: str = "") -> dict[str, Any]:
    fields = (name for name in value.__dataclass_fields__ if name != leave)
    return {name: getattr(value, name) for name in fields if getattr(value, name) != getattr(default, name)}


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pairs(value)) + " }"
    return _string(value) if isinstance(value, str) else repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(value: str) -> str:
    # JSON's strings are TOML's, but for the delete character, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
