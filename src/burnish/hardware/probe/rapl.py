"""The processor's energy by RAPL, as Linux tells it of Intel's and AMD's under ``/sys/class/powercap``."""

import re
from collections.abc import Iterator
from pathlib import Path

_ZONE = re.compile(r"intel-rapl:\d+(:\d+)?")
"""Zones of the powercap driver, also on AMD; ``intel-rapl-mmio`` counts the same package a second time."""
_COUNTED = ("package", "dram")
"""Zones that add up: the cores are part of their package, and ``psys`` is the whole platform again."""


class RaplMeter:
    """Energy of all packages and their memory, which wraps around every few minutes to hours.

    Args:
        zones: Folders of the zones that add up.
    """

    def __init__(self, zones: list[Path]) -> None:
        self._ranges = {zone: _number(zone / "max_energy_range_uj") for zone in zones}
        self._last = {zone: _number(zone / "energy_uj") for zone in zones}
        self._total_uj = 0
        self.name = "rapl " + " + ".join((zone / "name").read_text().strip() for zone in zones)

    def joules(self) -> float:
        """Return the energy since the meter was made."""
        for zone, last in self._last.items():
            now = _number(zone / "energy_uj")
            step = now - last
            self._total_uj += step if step >= 0 else step + self._ranges[zone] + 1
            self._last[zone] = now
        return self._total_uj / 1e6


def rapl_meter(root: Path = Path("/")) -> tuple[RaplMeter | None, str]:
    """Return a meter of the processor, or None and the reason why its energy cannot be read.

    Args:
        root: Where ``sys`` lies.
    """
    folder = root / "sys/class/powercap"
    if not folder.is_dir():
        return None, "no /sys/class/powercap: a virtual machine, or a kernel without the driver"
    zones = [zone for zone in sorted(folder.iterdir()) if _ZONE.fullmatch(zone.name) and _adds_up(zone)]
    if not zones:
        return (
            None,
            "no zone of a package in /sys/class/powercap: a processor without RAPL, or no driver for it",
        )
    try:
        return RaplMeter(zones), ""
    except PermissionError:
        return (
            None,
            "energy_uj in /sys/class/powercap may be read by root alone: run as root, or let others read",
        )
    except (OSError, ValueError) as error:
        return None, f"a zone in /sys/class/powercap cannot be read: {error}"


def rapl_limit_w(root: Path = Path("/")) -> float | None:
    """Return what all packages together may draw for long, in watts; None where it is not readable.

    Args:
        root: Where ``sys`` lies.
    """
    limits: list[float] = []
    for zone in (root / "sys/class/powercap").glob("intel-rapl:*"):
        try:
            if (zone / "name").read_text().startswith("package"):
                limits += _long_term_w(zone)
        except (OSError, ValueError):
            return None
    return sum(limits) if limits and min(limits) > 0 else None


def _long_term_w(zone: Path) -> Iterator[float]:
    for name in zone.glob("constraint_*_name"):
        if name.read_text().strip() == "long_term":
            yield _number(zone / name.name.replace("_name", "_power_limit_uw")) / 1e6


def _adds_up(zone: Path) -> bool:
    try:
        return (zone / "name").read_text().startswith(_COUNTED)
    except OSError:
        return False


def _number(path: Path) -> int:
    return int(path.read_text())
