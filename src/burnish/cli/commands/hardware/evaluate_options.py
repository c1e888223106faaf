"""The options of an evaluation, from flags, environment and file, with every name in them checked."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from burnish.config import load_config, read_toml
from burnish.errors import ConfigError, NotFoundError, UnsupportedDeviceError, nearest
from burnish.evaluate.device_choice import THIS_MACHINE
from burnish.evaluate.devices import EvaluateOptions, check_dtype
from burnish.hardware.catalog import devices as known_devices
from burnish.hardware.device import Device
from burnish.hardware.tco import CostOptions
from burnish.hardware.weights import AXES
from burnish.runtime.resolve import backend_names

_TABLES = ("prices", "rents", "power_w", "idle_w")


def read_cost(
    file: Path | None, flags: dict[str, Any], chosen: Sequence[Device], *, user: Path | None
) -> CostOptions:
    """Read prices and habits.

    Args:
        file: TOML file with the table ``hardware.cost``.
        flags: What the command line gives; None for what it does not.
        chosen: Devices asked for.
        user: File of the user's own devices.

    Raises:
        ConfigError: A value is wrong.
        UnsupportedDeviceError: A figure is for a device that neither was asked for nor is known: it would be lost.
    """
    cost = load_config(
        CostOptions, file=file, section="hardware.cost", env_prefix="BURNISH_COST_", flags=flags
    )
    given = [(table, name) for table in _TABLES for name in getattr(cost, table)]
    if given:
        names = {device.name for device in chosen} | known_devices(user).keys() | {THIS_MACHINE}
        for table, name in given:
            card = name.startswith(f"{THIS_MACHINE}-")  # maybe of another machine that shares the file
            if name not in names and not card:
                raise UnsupportedDeviceError(
                    f"hardware.cost.{table}: {name!r} is neither asked for nor in the catalogue",
                    hint=nearest(name, names),
                )
    return cost


def read_options(file: Path | None, flags: dict[str, Any]) -> EvaluateOptions:
    """Read what is assumed of model and service; an axis that weights do not name weighs nothing.

    Args:
        file: TOML file with the table ``hardware``.
        flags: What the command line gives; None for what it does not.

    Raises:
        ConfigError: A value is wrong.
        NotFoundError: No back end is called like the engine.
    """
    table = _hardware(file)
    for dtype in (flags.get("dtype"), table.get("dtype")):
        if isinstance(dtype, str):
            check_dtype(dtype)
    weights = table.get("weights")
    if flags.get("weights") is None and isinstance(weights, dict) and weights:
        flags = flags | {"weights": dict.fromkeys(AXES, 0.0) | weights}
    options = load_config(
        EvaluateOptions, file=file, section="hardware", env_prefix="BURNISH_HARDWARE_", flags=flags
    )
    if options.engine not in backend_names():
        raise NotFoundError(
            f"engine: no back end is called {options.engine!r}", hint=nearest(options.engine, backend_names())
        )
    return options


def per_device(table: str, pairs: Sequence[str], chosen: Sequence[Device]) -> dict[str, float]:
    """Read ``NAME=NUMBER`` pairs; a name that is not among the devices would be lost without a word."""
    return dict(_pairs(table, pairs, [device.name for device in chosen]))


def _pairs(table: str, pairs: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, float]]:
    for pair in pairs:
        name, _, number = pair.rpartition("=")
        if name not in names:
            raise UnsupportedDeviceError(
                f"{pair!r}: {name!r} is not among the devices asked for", hint=nearest(name, names)
            )
        try:
            yield name, float(number)
        except ValueError as error:
            raise ConfigError(
                f"{table}: {pair!r} is not NAME=NUMBER", hint="such as nvidia-t4=900"
            ) from error


def _hardware(file: Path | None) -> dict[str, Any]:
    """Return the table as it stands in the file; where it is no table, the loader says so."""
    table = read_toml(file).get("hardware", {}) if file is not None else {}
    return table if isinstance(table, dict) else {}
