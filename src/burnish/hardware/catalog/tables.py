"""Tables that others publish: rows with the line that they stand on, and cells that must be numbers."""

import csv
import gzip
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from burnish.errors import ConfigError, nearest
from burnish.hardware.catalog.format import Catalogue


@dataclass(frozen=True, slots=True)
class Imported:
    """What a table held."""

    catalogue: Catalogue
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What was not taken, with the reason, and how many rows of it there were."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    file: str
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a cell; empty when the table has no such column."""
        return self.cells.get(column, "").strip()

    def number(self, column: str) -> float | None:
        """Return a cell's number; None when it is empty.

        Raises:
            ConfigError: It is no number, negative or not finite; the text names line and column.
        """
        cell = self.text(column)
        if not cell:
            return None
        try:
            value = float(cell)
        except ValueError:
            raise self.wrong(column, f"{cell!r} is no number") from None
        if not math.isfinite(value) or value < 0:
            raise self.wrong(column, f"{cell} must be a finite number, 0 or more")
        return value

    def wrong(self, column: str, what: str) -> ConfigError:
        """Return an error that names the cell."""
        return ConfigError(f"{self.file}: line {self.line}, column {column!r}: {what}", hint="mend the file")


def rows(path: Path) -> Iterator[Row]:
    """Read a table of comma-separated values, gzipped or not, with a header.

    Raises:
        ConfigError: The file cannot be read, or a row has more or fewer cells than the header; the text names
            its line.
    """
    try:
        raw = path.read_bytes()
        content = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror or error}", hint="check the path"
        ) from error
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no table: {error}") from error
    reader = csv.reader(StringIO(content, newline=""))
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ConfigError(f"{path}: line {reader.line_num}: {error}", hint="mend the file") from error
    if not lines:
        return
    _, header = lines[0]
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise ConfigError(
                f"{path}: line {line}: has {len(cells)} cells, the header {len(header)}", hint="mend the file"
            )
        yield Row(str(path), line, dict(zip(header, cells, strict=True)))


def require(path: Path, columns: Iterable[str], needed: Iterable[str]) -> None:
    """Check that a table has the columns that are needed.

    Raises:
        ConfigError: One is missing.
    """
    have = list(columns)
    for column in needed:
        if column not in have:
            raise ConfigError(f"{path}: has no column {column!r}", hint=nearest(column, have))
