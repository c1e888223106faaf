"""One strict loader for every configuration: flag > environment > file > default.

A configuration is a frozen dataclass with a default for every field. Unknown keys and wrong types are a
`ConfigError` that names the source, the key and the nearest match.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from burnish.errors import ConfigError, nearest

T = TypeVar("T")


def load_config(
    cls: type[T],
    *,
    file: Path | None = None,
    section: str = "",
    env_prefix: str = "",
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> T:
    """Build a configuration from its four sources.

    Args:
        cls: Frozen dataclass with a default for every field.
        file: TOML file; None for none.
        section: Dotted table inside the file that belongs to ``cls``; empty for the whole file.
        env_prefix: Variables ``<prefix><FIELD>`` are read; empty reads none.
        environ: Environment, ``os.environ`` by default.
        flags: Values given on the command line; None values count as not given.

    Raises:
        ConfigError: A source cannot be read, holds an unknown key or a value of the wrong type.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values |= _convert(cls, _section(read_toml(file), section, file), str(file), strict=True)
    if env_prefix:
        found = os.environ if environ is None else environ
        given = {
            key.removeprefix(env_prefix).lower(): value
            for key, value in found.items()
            if key.startswith(env_prefix)
        }
        values |= _convert(cls, given, f"environment {env_prefix}*", strict=False)
    if flags:
        given = {key: value for key, value in flags.items() if value is not None}
        values |= _convert(cls, given, "command line", strict=False)
    return _build(cls, values)


def from_mapping(cls: type[T], mapping: Mapping[str, Any], *, source: str) -> T:
    """Build a configuration from one mapping, for example a table inside a larger file.

    Raises:
        ConfigError: An unknown key or a value of the wrong type; the text names ``source`` and the key.
    """
    return _build(cls, _convert(cls, mapping, source, strict=True))


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: The file is missing or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}", hint="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from error


def _section(table: dict[str, Any], section: str, file: Path) -> dict[str, Any]:
    for part in filter(None, section.split(".")):
        table = table.get(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: {section!r} must be a table")
    return table


def _convert(cls: type[Any], given: Mapping[str, Any], source: str, *, strict: bool) -> dict[str, Any]:
    types = get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls) if field.init]
    values = {}
    for key, value in given.items():
        if key not in names:
            raise ConfigError(f"{source}: unknown key {key!r}", hint=nearest(key, names))
        if dataclasses.is_dataclass(types[key]) and isinstance(value, Mapping):
            values[key] = from_mapping(types[key], value, source=f"{source}: {key}")  # type: ignore[arg-type]
            continue
        try:
            values[key] = msgspec.convert(value, types[key], strict=strict)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{source}: {key} = {value!r}: {error}") from error
    return values


def _build(cls: type[T], values: Mapping[str, Any]) -> T:
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(str(error)) from error
