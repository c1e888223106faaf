"""How results reach the terminal: tables for people, JSON for machines, progress on standard error."""

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from burnish.errors import BurnishError

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]

_PIPE_WIDTH = 160  # a table that goes to a file need not fit a screen

out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True)


def emit_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """Reduce dataclasses, enums, paths and arrays to what JSON can say."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has neither NaN nor infinity
    return str(value) if isinstance(value, Path) else value


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: Iterable[str] = ()
) -> None:
    """Print a table; the columns named in ``numeric`` are set to the right."""
    right = set(numeric)
    view = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        view.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        view.add_row(*(Text(str(cell)) for cell in row))  # as text: brackets are no markup
    out.print(view)


def show_error(error: BurnishError) -> None:
    """Print an error and its hint on standard error."""
    err.print(f"[bold red]error[/] ({error.code}): ", end="")
    err.print(error.message, markup=False, highlight=False, soft_wrap=True)
    if error.hint:
        err.print("[bold]hint[/]: ", end="")
        err.print(error.hint, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress bars on standard error while the block runs."""
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bars:
        yield bars
