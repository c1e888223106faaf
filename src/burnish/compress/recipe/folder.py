"""The folder of a compression run: every step is done once for what it depends on, and leaves its evidence."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from burnish.compress.network import task_key
from burnish.compress.reporter import Reporter
from burnish.evaluate.task import Task
from burnish.files import sha256_bytes
from burnish.resume import Facts, Run

_LAYOUT = 1
"""Of what steps leave; another number makes them anew where an older burnish has left something else."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one step of the run found."""

    step: str
    folder: Path
    facts: Facts

    @property
    def seconds(self) -> float:
        """How long the step took when it was done."""
        return float(self.facts.get("seconds", 0.0))


@dataclass(slots=True)
class RunFolder:
    """Where a task's candidates are made and judged.

    What a step depends on is told by content, such as the digest of the file that it reads: a step is done again
    when that changes, and only then.
    """

    task: Task
    root: Path
    reporter: Reporter
    key: Mapping[str, Any] = field(init=False)
    """What every step depends on: the task's name, the file it is from, and its data, the latter two as digests."""
    evidence: list[Evidence] = field(default_factory=list)
    """Of the steps so far, in their order."""

    def __post_init__(self) -> None:
        self.key = task_key(self.task)

    def run(self, **depends: Any) -> Run:
        """Return a run of steps that depend on the task, its data and what is given."""
        return Run(self.root, {**self.key, **depends})

    def step(self, name: str, work: Callable[[Path], Facts], **depends: Any) -> Evidence:
        """Do a step, or take it from an earlier run.

        Args:
            name: Folder of the step, unique in the run.
            work: Gets the folder, which may hold what an interrupted attempt left; returns facts as JSON data.
            depends: What decides the outcome, as plain data.
        """
        run = self.run(layout=_LAYOUT, **depends)
        facts = run.step(name, partial(_timed, work))
        self.evidence.append(Evidence(name, run.folder(name), facts))
        return self.evidence[-1]


def file_digest(path: Path) -> str:
    """Return the digest of a file's bytes."""
    return sha256_bytes(path.read_bytes())


def _timed(work: Callable[[Path], Facts], folder: Path) -> Facts:
    begun = time.monotonic()
    facts = work(folder)
    return {**facts, "seconds": round(time.monotonic() - begun, 2)}
