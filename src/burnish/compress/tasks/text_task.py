"""Texts judged by a network from a folder in Hugging Face's layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from burnish.compress.tasks.goals import Goal
from burnish.compress.tasks.tokens import IDS, MASK, SEGMENTS, Tokenizer
from burnish.errors import ConfigError
from burnish.evaluate.task import Split, SplitName
from burnish.graph.huggingface import LENGTH
from burnish.graph.signature import Array

if TYPE_CHECKING:
    import torch


MAX_LENGTH = 128
DROPOUT = 0.1


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled texts."""

    texts: Sequence[str]
    labels: Array
    seconds: Sequence[str] | None = None
    """The other text of each pair; None where examples are single texts."""


class TextSource(Protocol):
    """Where labelled texts come from."""

    @property
    def goal(self) -> Goal:
        """What is learnt."""
        ...

    @property
    def output_name(self) -> str:
        """Name of the network's output, known before the data is read."""
        ...

    @property
    def pairs(self) -> bool:
        """Whether examples are pairs of texts."""
        ...

    def rows(self, name: SplitName) -> Rows:
        """Return one part of the data; the same at every call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """The network, and how texts are handed to it."""

    model: str = ""
    """Folder of the network and its tokenizer, in Hugging Face's layout."""
    max_length: int = MAX_LENGTH
    """Tokens of an example; longer texts are cut, shorter ones padded."""
    dropout: float = DROPOUT
    """Share of the features that a fresh head drops in training."""

    def __post_init__(self) -> None:
        if self.max_length < 3:
            raise ValueError(f"max_length must be at least 3, got {self.max_length}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout lies between 0 and 1, got {self.dropout}")


class TextTask:
    """A task of texts: input_ids_NL and attention_mask_NL int64, for pairs token_type_ids_NL as well.

    A captured graph takes any number of tokens up to what the network knows; `trim` cuts what all of a batch pad.

    Args:
        name: Of the task.
        source: Texts and labels.
        config: Network and length.
    """

    def __init__(self, name: str, source: TextSource, config: TextConfig) -> None:
        self.name = name
        self.output_names: tuple[str, ...] = (source.output_name,)
        self.source = source
        self.config = config
        self._splits: dict[SplitName, Split] = {}

    @property
    def dynamic(self) -> Mapping[str, Mapping[int, str]]:
        """Return the axis of tokens, which varies in a captured graph."""
        names = (IDS, MASK, SEGMENTS) if self.source.pairs else (IDS, MASK)
        return {name: {1: LENGTH} for name in names}

    def build_model(self) -> "torch.nn.Module":
        """Return the network with the weights of its folder; a head that is not there begins at random."""
        from burnish.compress.tasks.text_network import load_text_network

        return load_text_network(self._folder, outputs=self.source.goal.outputs, dropout=self.config.dropout)

    def split(self, name: SplitName) -> Split:
        """Return one part of the data as padded tokens; read once."""
        if name not in self._splits:
            rows = self.source.rows(name)
            self._splits[name] = Split(self._tokenizer(rows.texts, rows.seconds), rows.labels)
        return self._splits[name]

    def lengths(self, split: Split) -> Array:
        """Return the number of tokens in each example."""
        counts: Array = split.inputs[MASK].sum(axis=1)
        return counts

    def trim(self, batch: Split) -> Split:
        """Cut the padding behind the longest example."""
        longest = max(1, int(self.lengths(batch).max(initial=0)))
        return Split({name: array[:, :longest] for name, array in batch.inputs.items()}, batch.labels)

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the goal's loss."""
        return self.source.goal.loss(outputs, labels)

    def scores(self, outputs: Mapping[str, Array], labels: Array) -> Array:
        """Return the goal's score of each example."""
        return self.source.goal.scores(outputs[self.source.output_name], labels)

    def figures(self, outputs: Mapping[str, Array], labels: Array) -> Mapping[str, float]:
        """Return what the goal reports beside the score."""
        return self.source.goal.figures(outputs[self.source.output_name], labels)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self._folder, max_length=self.config.max_length)

    @property
    def _folder(self) -> Path:
        if not self.config.model:
            raise ConfigError(
                f"task {self.name!r}: its network is not named",
                hint=f"name the folder with config.json, *.safetensors and a tokenizer: {self.name}:FOLDER",
            )
        return Path(self.config.model)
