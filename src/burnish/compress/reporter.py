"""What a long run tells while it runs: lines and rows to keep, and progress that is soon out of date."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from burnish.evaluate.accuracy import Interval
from burnish.units import format_bytes, format_count

if TYPE_CHECKING:
    from burnish.compress.training.train import OnStep


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is."""

    stage: str
    done: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one finished piece of work came to: a line of the live table."""

    step: str
    what: str
    """Network, file or engine that the figures are of."""
    score: float | None = None
    """Valid score, between 0 and 1."""
    difference: Interval | None = None
    """Valid score minus that of the float model, paired by example."""
    parameters: int | None = None
    macs: int | None = None
    size_bytes: int | None = None
    verdict: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the figures as text, in the order of `COLUMNS`; empty where one is not known."""
        return (
            self.step,
            self.what,
            "" if self.score is None else f"{self.score * 100:.2f}",
            "" if self.difference is None else format_points(self.difference),
            "" if self.parameters is None else format_count(self.parameters),
            "" if self.macs is None else format_count(self.macs),
            "" if self.size_bytes is None else format_bytes(self.size_bytes),
            self.verdict,
        )

    def __str__(self) -> str:
        _, what, *figures, verdict = self.cells()
        units = ("% right", " points", " parameters", " MACs", "")
        known = [f"{figure}{unit}" for figure, unit in zip(figures, units, strict=True) if figure]
        return f"{self.step} {what}: {', '.join(filter(None, (*known, verdict)))}"


COLUMNS = ("step", "network", "score, %", "difference, points", "parameters", "MACs", "size", "verdict")
"""Heads of the cells of a `Row`."""


def format_points(difference: Interval) -> str:
    """Write a difference of scores in points with its interval.

    >>> format_points(Interval(-0.004, -0.011, 0.003, n=500))
    '-0.40 [-1.10, +0.30]'
    """
    points = difference.scaled(100)
    return f"{points.value:+.2f} [{points.low:+.2f}, {points.high:+.2f}]"


def format_figure(value: float | None) -> str:
    """Write a figure that a task tells beside its score; None is one that is not finite.

    >>> format_figure(0.8812), format_figure(None)
    ('0.8812', '-')
    """
    return "-" if value is None else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Hands on what happens to whoever listens."""

    on_line: Callable[[str], None] | None = None
    on_progress: Callable[[Progress], None] | None = None
    on_row: Callable[[Row], None] | None = None

    def line(self, text: str) -> None:
        """Tell something worth keeping."""
        if self.on_line is not None:
            self.on_line(text)

    def row(self, row: Row) -> None:
        """Tell what a finished piece of work came to, as a line to who does not listen for rows."""
        if self.on_row is not None:
            self.on_row(row)
        else:
            self.line(str(row))

    def progress(self, stage: str, done: int, of: int) -> None:
        """Tell how far a stage is."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, done, of))

    def steps(self, stage: str, epochs: int) -> "OnStep":
        """Return what training calls after each step, which tells how far all of its epochs are."""
        return lambda step: self.progress(stage, (step.epoch - 1) * step.of + step.number, epochs * step.of)


SILENT = Reporter()
"""Tells nobody."""
