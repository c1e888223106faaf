"""Tables of text: CSV and TSV files with a header, plain or compressed by gzip."""

import csv
import gzip
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.errors import InputError, NotFoundError, nearest
from burnish.graph.signature import Array


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a file under the names of its header."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Return one column.

        Raises:
            InputError: There is none of this name.
        """
        if name not in self.header:
            raise InputError(f"{self.path}: has no column {name!r}", hint=nearest(name, self.header))
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    def take(self, rows: Array) -> "Table":
        """Return the rows at the given positions, in that order."""
        return Table(self.path, self.header, tuple(self.rows[int(row)] for row in rows))


def read_table(
    path: Path,
    *,
    delimiter: str,
    quoted: bool,
    header: Sequence[str] | None = None,
    more_cells: bool = False,
) -> Table:
    """Read a table.

    Args:
        path: File, compressed when it ends in ``.gz``.
        delimiter: Between cells.
        quoted: Whether quotation marks hold cells together; otherwise they are text.
        header: Names of the columns, where the file does not begin with them.
        more_cells: Whether rows may have further cells, such as notes; they are left out.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no UTF-8 text, is damaged or empty, or a row has another number of cells than the header.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    limit = csv.field_size_limit(sys.maxsize)  # a text may be longer than what the module allows
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(
                stream, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
            )
            rows = [(reader.line_num, tuple(row)) for row in reader if row]
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="check the path") from error
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table: {error}") from error
    finally:
        csv.field_size_limit(limit)
    names = tuple(header) if header is not None else tuple(rows[0][1]) if rows else ()
    rows = rows if header is not None else rows[1:]
    if not rows:
        raise InputError(f"{path}: has no rows", hint="at least one is needed below the header")
    for line, row in rows:
        if len(row) < len(names) or (len(row) > len(names) and not more_cells):
            raise InputError(
                f"{path}, line {line}: has {len(row)} cells, the header has {len(names)}",
                hint="a cell that holds the delimiter must be quoted",
            )
    return Table(path, names, tuple(row[: len(names)] for _, row in rows))
