"""Devices as rows of a table: figures in the units that data sheets use."""

from collections.abc import Sequence

from burnish.hardware.device import Device, Dtype


def columns(shown: Sequence[Dtype]) -> list[str]:
    """Return the heads of the cells of `row`."""
    peaks = [f"{dtype} TOPS" for dtype in shown]
    return ["device", "kind", "GB", "GB/s", "W", *peaks, f"{shown[-1]} TOPS/W", "USD", "USD/h from"]


def row(device: Device, shown: Sequence[Dtype]) -> tuple[str, ...]:
    """Return the cells of a device in the list; the last of the dtypes is the one that efficiency is of."""
    peaks = [_tera(device.peaks.get(dtype)) for dtype in shown]
    efficiency, rent = tops_per_w(device, shown[-1]), least_rent(device)
    return (
        device.name,
        device.kind,
        _number(device.memory_bytes, 1e9),
        _number(device.bandwidth, 1e9),
        _number(device.power_w),
        *peaks,
        "" if efficiency is None else f"{efficiency:.3g}",
        _number(device.price_usd),
        "" if rent is None else f"{rent:.2f}",
    )


def told(figure: str, value: float) -> tuple[str, str, str]:
    """Return a figure for people: its name, value and unit."""
    group, _, which = figure.partition(".")
    match group:
        case "peaks":
            return f"peak {which}", _tera(value), "TFLOPS" if "float" in which else "TOPS"
        case "rents_usd_per_h":
            return f"rent: {which}", f"{value:.4g}", "USD/h"
        case "memory_bytes":
            return "memory", _number(value, 1e9), "GB"
        case "bandwidth":
            return "bandwidth", _number(value, 1e9), "GB/s"
        case "power_w":
            return "power", _number(value), "W"
        case "idle_w":
            return "power at rest", _number(value), "W"
        case "overhead_s":
            return "overhead between operators", f"{value * 1e6:.3g}", "us"
        case "price_usd":
            return "price", _number(value), "USD"
    return figure, str(value), ""


def tops_per_w(device: Device, dtype: Dtype) -> float | None:
    """Return tera-operations a second per watt as specified; None where one of the two is not known."""
    return device.tops_per_w(dtype) if dtype in device.peaks else None


def least_rent(device: Device) -> float | None:
    """Return the lowest of the rents, USD an hour."""
    return min(device.rents_usd_per_h.values(), default=None)


def _tera(value: float | None) -> str:
    return "" if value is None else f"{value / 1e12:.4g}"


def _number(value: float | None, unit: float = 1.0) -> str:
    """Write a number without an exponent, with no more digits than data sheets have."""
    return "" if value is None else f"{value / unit:.1f}".removesuffix(".0")
