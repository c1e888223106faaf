"""STS-B: how alike in meaning two sentences are.

Data: Cer et al. 2017, arXiv:1708.00055, the STS benchmark in its own splits; scores from 0 to 5.
"""

from dataclasses import dataclass
from pathlib import Path

from burnish.compress.tasks.data_folder import data_file
from burnish.compress.tasks.goals import VALUE, Value, values
from burnish.compress.tasks.settings import settings_from
from burnish.compress.tasks.table import read_table
from burnish.compress.tasks.text_task import Rows, TextConfig, TextTask
from burnish.evaluate.task import SplitName, Task

_FILES: dict[SplitName, str] = {
    "train": "sts-train.csv.gz",
    "valid": "sts-dev.csv.gz",
    "test": "sts-test.csv.gz",
}
_COLUMNS = ("genre", "file", "year", "id", "score", "first", "second")
_HIGHEST = 5.0


@dataclass(frozen=True, slots=True)
class StsbSource:
    """Pairs of sentences with their likeness from 0 to 1: 5,749, 1,500 and 1,379 of them.

    Args:
        folder: Of the files; None takes ``text/stsb`` below the folder that ``BURNISH_DATA`` names.
    """

    folder: Path | None = None
    output_name = VALUE
    pairs = True
    goal = Value()

    def rows(self, name: SplitName) -> Rows:
        """Return the pairs of one file."""
        path = (self.folder or data_file("text", "stsb")) / _FILES[name]
        table = read_table(path, delimiter="\t", quoted=False, header=_COLUMNS, more_cells=True)
        likeness = values(table.column("score"), str(path), lowest=0.0, highest=_HIGHEST)
        return Rows(table.column("first"), likeness, table.column("second"))


class StsbTask(TextTask):
    """How alike two sentences are, from 0 to 1; its network comes from a folder.

    The score of a pair is how near the answer comes; `figures` gives the correlations by which the task is known.

    Args:
        config: Network and length.
        source: Where the pairs are.
    """

    def __init__(self, config: TextConfig | None = None, source: StsbSource | None = None) -> None:
        super().__init__("stsb", source or StsbSource(), config or TextConfig())

    def configured(self, setting: str) -> Task:
        """Return the task with the network of a folder: ``FOLDER`` or ``FOLDER,max_length=64``."""
        return StsbTask(settings_from(TextConfig, setting, first="model", task=self.name))


TASK = StsbTask()
