"""A table that grows while a long run goes on, with a bar for the stage under way; lines where nobody watches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_BELOW = 8
"""Lines of the screen that the bar and the table's head take."""


@dataclass(slots=True)
class LiveTable:
    """Rows and stages on a console; a context manager.

    On a terminal the table is drawn anew as it grows, its last rows as far as the screen reaches, and whole at the
    end. Elsewhere each row is a line, and stages are not shown.

    Args:
        console: Where to draw.
        columns: Heads.
        numeric: Columns that are set to the right.
    """

    console: Console
    columns: Sequence[str]
    numeric: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    _bars: Progress = field(init=False)
    _live: Live | None = None
    _stage: str | None = None
    _bar: TaskID = field(init=False)

    def __post_init__(self) -> None:
        self._bars = Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(self._view(), console=self.console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.vertical_overflow = "visible"
            self._live.update(self._table(self.rows) if self.rows else Text(""))
            self._live.stop()

    def row(self, cells: Sequence[str], text: str) -> None:
        """Add a row; ``text`` says the same where there is no terminal."""
        self.rows.append(tuple(cells))
        if self._live is None:
            self.say(text)
        else:
            self._live.update(self._view())

    def say(self, text: str) -> None:
        """Write a line above the table."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stage(self, name: str, done: int, of: int) -> None:
        """Show how far a stage is; one that is done goes away, and so does one that ended early: the next begins."""
        if self._live is None:
            return
        if name == self._stage and done < of:
            self._bars.update(self._bar, completed=done)  # drawn with the next refresh: steps may be many
            return
        if self._stage is not None:
            self._bars.remove_task(self._bar)
            self._stage = None
        if done < of:
            self._stage, self._bar = name, self._bars.add_task(name, total=of, completed=done)
        self._live.update(self._view())

    def _view(self) -> Group:
        room = max(3, self.console.size.height - _BELOW)
        shown = self.rows[-room:]
        return Group(*([self._table(shown)] if shown else []), self._bars)

    def _table(self, rows: Sequence[Sequence[str]]) -> Table:
        view = Table(header_style="bold", expand=False)
        for column in self.columns:
            view.add_column(column, justify="right" if column in self.numeric else "left", overflow="fold")
        for row in rows:
            view.add_row(*(Text(cell) for cell in row))  # as text: brackets are no markup
        return view
