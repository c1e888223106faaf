"""Texts with labels from CSV or TSV files, judged by a network from a folder in Hugging Face's layout."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from burnish.compress.tasks.goals import (
    LOGITS,
    VALUE,
    Classes,
    Goal,
    HeadLabels,
    Value,
    class_numbers,
    values,
)
from burnish.compress.tasks.parts import ALIASES, SPLITS, deal
from burnish.compress.tasks.saved_network import TEXT_HEAD, head_labels
from burnish.compress.tasks.settings import settings_from
from burnish.compress.tasks.table import Table, read_table
from burnish.compress.tasks.text_task import DROPOUT, MAX_LENGTH, Rows, TextConfig, TextTask
from burnish.errors import ConfigError, InputError, NotFoundError
from burnish.evaluate.task import SplitName, Task
from burnish.graph.signature import Array

_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTextConfig:
    """Where texts and labels are, and the network that judges them."""

    data: str = ""
    """One file; or a folder with ``train`` and, unless a tenth of it shall be held out, ``valid`` (or ``val``,
    ``dev``) and ``test``."""
    model: str = ""
    """Folder of the network and its tokenizer, in Hugging Face's layout."""
    text: str = "text"
    """Column of the text."""
    second: str = ""
    """Column of the other text, where examples are pairs."""
    label: str = "label"
    """Column of the label."""
    kind: Literal["classes", "value"] = "classes"
    """Whether labels are names of classes, or numbers that mean more or less."""
    lowest: float = 0.0
    """Smallest value that there is, for values."""
    highest: float = 1.0
    """Largest value that there is, for values."""
    max_length: int = MAX_LENGTH
    """Tokens of an example; longer texts are cut, shorter ones padded."""
    dropout: float = DROPOUT
    """Share of the features that a fresh head drops in training."""

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise ValueError(f"lowest must be below highest: {self.lowest}, {self.highest}")
        _ = self.reading  # which has checks of its own

    @property
    def reading(self) -> TextConfig:
        """Network, and how texts are handed to it."""
        return TextConfig(model=self.model, max_length=self.max_length, dropout=self.dropout)


class TableSource:
    """Rows of one file, or of a folder with one file a split.

    Args:
        name: Of the task, for the text of errors.
        config: Where and how.
    """

    def __init__(self, name: str, config: TableTextConfig) -> None:
        self._name = name
        self._config = config
        self.output_name = LOGITS if config.kind == "classes" else VALUE
        self.pairs = bool(config.second)

    @property
    def goal(self) -> Goal:
        """Return the classes that the labels name, or a value."""
        return self._read[0]

    def rows(self, name: SplitName) -> Rows:
        """Return one part of the data."""
        return self._read[1][name]

    @cached_property
    def _read(self) -> tuple[Goal, dict[SplitName, Rows]]:
        tables = self._tables()
        found = {name: table.column(self._config.label) for name, table in tables.items()}
        goal: Goal = Value()
        labels: dict[SplitName, Array]
        if self._config.kind == "classes":
            classes, labels = class_numbers(found, self._head)
            goal = Classes(outputs=len(classes))
        else:
            low, high = self._config.lowest, self._config.highest
            labels = {
                name: values(texts, str(tables[name].path), lowest=low, highest=high)
                for name, texts in found.items()
            }
        return goal, {
            name: Rows(
                table.column(self._config.text),
                labels[name],
                table.column(self._config.second) if self.pairs else None,
            )
            for name, table in tables.items()
        }

    @property
    def _head(self) -> HeadLabels | None:
        return head_labels(Path(self._config.model), TEXT_HEAD) if self._config.model else None

    def _tables(self) -> dict[SplitName, Table]:
        if not self._config.data:
            raise ConfigError(
                f"task {self._name!r}: its data is not named",
                hint="name a CSV or TSV file with a header, or a folder with train.csv, valid.csv and test.csv",
            )
        path = Path(self._config.data)
        if not path.exists():
            raise NotFoundError(f"{path}: no such file or folder", hint="give the data of the task")
        if path.is_dir():
            tables = {name: _read(file) for name in SPLITS if (file := _file_of(path, name)) is not None}
            if "train" not in tables:
                raise NotFoundError(
                    f"{path}: holds no file of the train split",
                    hint=f"name it train with {', '.join(_ENDINGS)}",
                )
        else:
            tables = {"train": _read(path)}
        return self._dealt(tables)

    def _dealt(self, tables: dict[SplitName, Table]) -> dict[SplitName, Table]:
        lacking = [name for name in SPLITS if name not in tables]
        if not lacking:
            return tables
        whole = tables["train"]
        labels = whole.column(self._config.label)
        try:
            parts = deal(labels if self._config.kind == "classes" else None, len(labels), lacking)
        except InputError as error:
            raise InputError(f"{whole.path}: {error.message}", hint=error.hint) from error
        return tables | {name: whole.take(rows) for name, rows in parts.items()}


class TableTextTask(TextTask):
    """Texts with labels from files of the user's.

    Args:
        name: Of the task.
        first: Field that comes first in its settings.
        config: Where and how.
    """

    def __init__(
        self, name: str, first: Literal["data", "model"], config: TableTextConfig | None = None
    ) -> None:
        chosen = config or TableTextConfig()
        super().__init__(name, TableSource(name, chosen), chosen.reading)
        self._first = first

    def configured(self, setting: str) -> Task:
        """Return the task with its settings: its first one, then ``key=value`` of `TableTextConfig`."""
        return TableTextTask(
            self.name, self._first, settings_from(TableTextConfig, setting, first=self._first, task=self.name)
        )


def _file_of(folder: Path, split: SplitName) -> Path | None:
    paths = [folder / f"{name}{ending}" for name in ALIASES[split] for ending in _ENDINGS]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise InputError(f"{folder}: holds both {found[0].name} and {found[1].name}", hint="keep one of them")
    return found[0] if found else None


def _read(path: Path) -> Table:
    tabs = path.name.removesuffix(".gz").endswith(".tsv")
    return read_table(path, delimiter="\t" if tabs else ",", quoted=not tabs)


CSV_TEXT = TableTextTask("csv-text", "data")
HUGGINGFACE = TableTextTask("huggingface", "model")
