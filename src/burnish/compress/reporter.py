"""What a long run tells while it runs: lines to keep, and progress that is soon out of date."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is."""

    stage: str
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Reporter:
    """Hands on what happens to whoever listens."""

    on_line: Callable[[str], None] | None = None
    on_progress: Callable[[Progress], None] | None = None

    def line(self, text: str) -> None:
        """Tell something worth keeping."""
        if self.on_line is not None:
            self.on_line(text)

    def progress(self, stage: str, done: int, of: int) -> None:
        """Tell how far a stage is."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, done, of))


SILENT = Reporter()
"""Tells nobody."""
