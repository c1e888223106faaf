"""SST-2: whether a sentence from a film review is positive.

Data: Socher et al. 2013, Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank; the splits of
GLUE (Wang et al. 2019, arXiv:1804.07461), whose test labels were never published, with the treebank's own test part.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from burnish.compress.tasks.data_folder import data_file
from burnish.compress.tasks.goals import LOGITS, Classes
from burnish.compress.tasks.settings import settings_from
from burnish.compress.tasks.table import read_table
from burnish.compress.tasks.text_task import Rows, TextConfig, TextTask
from burnish.errors import InputError
from burnish.evaluate.task import SplitName, Task

_FILES: dict[SplitName, str] = {
    "train": "train_67k.tsv.gz",
    "valid": "dev.tsv.gz",
    "test": "test_labeled.tsv.gz",
}
_LABELS = ("0", "1")


@dataclass(frozen=True, slots=True)
class Sst2Source:
    """Sentences with 1 for positive and 0 for negative: 67,349, 872 and 1,821 of them.

    Args:
        folder: Of the files; None takes ``text/sst2`` below the folder that ``BURNISH_DATA`` names.
    """

    folder: Path | None = None
    output_name = LOGITS
    pairs = False
    goal = Classes(outputs=2)

    def rows(self, name: SplitName) -> Rows:
        """Return the sentences of the train, the dev or the labelled test file."""
        path = (self.folder or data_file("text", "sst2")) / _FILES[name]
        table = read_table(path, delimiter="\t", quoted=False)
        labels = table.column("label")
        for position, label in enumerate(labels):
            if label not in _LABELS:
                raise InputError(
                    f"{path}: row {position + 1} has the label {label!r}", hint="labels are 0 and 1"
                )
        return Rows(table.column("sentence"), np.array(labels, np.int64))


class Sst2Task(TextTask):
    """Positive or negative; its network comes from a folder.

    Args:
        config: Network and length.
        source: Where the sentences are.
    """

    def __init__(self, config: TextConfig | None = None, source: Sst2Source | None = None) -> None:
        super().__init__("sst2", source or Sst2Source(), config or TextConfig())

    def configured(self, setting: str) -> Task:
        """Return the task with the network of a folder: ``FOLDER`` or ``FOLDER,max_length=64``."""
        return Sst2Task(settings_from(TextConfig, setting, first="model", task=self.name))


TASK = Sst2Task()
