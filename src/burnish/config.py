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
        flags: Values given on the command line, nested as the configuration is; None counts as not given.

    Raises:
        ConfigError: A source cannot be read, holds an unknown key or a value of the wrong type.
    """
    values: dict[str, Any] = {}
    if file is not None:
        _merge(values, _convert(cls, _section(read_toml(file), section, file), str(file), strict=True))
    if env_prefix:
        found = os.environ if environ is None else environ
        given = {
            key.removeprefix(env_prefix).lower(): value
            for key, value in found.items()
            if key.startswith(env_prefix)
        }
        _merge(values, _convert(cls, given, f"environment {env_prefix}*", strict=False))
    if flags:
        _merge(values, _convert(cls, _given(flags), "command line", strict=False))
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
            nested: Any = types[key]
            values[key] = _convert(nested, value, f"{source}: {key}", strict=strict)
            continue
        try:
            values[key] = msgspec.convert(value, types[key], strict=strict)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{source}: {key} = {value!r}: {error}") from error
    return values


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Let ``values`` win over what is there, table by table."""
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what the command line left out, and tables that are empty without it."""
    nested = {key: _given(v) if isinstance(v, Mapping) else v for key, v in flags.items()}
    return {key: value for key, value in nested.items() if value is not None and value != {}}


def _build(cls: type[T], values: Mapping[str, Any], base: T | None = None) -> T:
    """Make ``cls``; a table that is given in part keeps the other values of the default in its place."""
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    try:
        if base is None and not tables:
            return cls(**values)
        start = cls() if base is None else base
        nested = {
            key: _build(type(getattr(start, key)), value, getattr(start, key))
            for key, value in tables.items()
            if dataclasses.is_dataclass(getattr(start, key))
        }
        made: T = dataclasses.replace(start, **{**values, **nested})  # type: ignore[type-var]
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return made
