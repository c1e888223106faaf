"""What is learnt from labels: which of some classes, or a value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from burnish.errors import InputError
from burnish.evaluate.task import SplitName
from burnish.graph.signature import Array
from burnish.plugins import require

if TYPE_CHECKING:
    import torch


LOGITS, VALUE = "logits", "value"
"""Names of the output of a network that tells classes, and of one that tells a value."""


_WHOLE = re.compile(r"-?[0-9]{1,18}")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class HeadLabels:
    """What the outputs of a trained head stand for."""

    where: str
    """Folder of the network, for the text of errors."""
    names: tuple[str, ...]
    """Of the classes, in the order of the outputs."""
    are_told: bool
    """Whether somebody named them: otherwise they are names by default that say nothing."""


class Goal(Protocol):
    """Loss and score of a network's output."""

    @property
    def outputs(self) -> int:
        """Width of the network's output."""
        ...

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the scalar to minimise."""
        ...

    def scores(self, output: Array, labels: Array) -> Array:
        """Return one score in [0, 1] for each example."""
        ...

    def figures(self, output: Array, labels: Array) -> Mapping[str, float]:
        """Return what is reported beside the score."""
        ...


@dataclass(frozen=True, slots=True)
class Classes:
    """One of some classes, told by logits_NK; labels_N are their numbers."""

    outputs: int
    smoothing: float = 0.0
    """Share of the certainty that is taken from the labels in training."""

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the cross-entropy."""
        functional: Any = require("torch.nn.functional", extra="compress", need="training")
        loss: torch.Tensor = functional.cross_entropy(outputs, labels, label_smoothing=self.smoothing)
        return loss

    def scores(self, output: Array, labels: Array) -> Array:
        """Return 1.0 where the largest logit is at the label, else 0.0."""
        right: Array = output.argmax(axis=1) == labels
        return right.astype(np.float64)

    def figures(self, output: Array, labels: Array) -> Mapping[str, float]:  # noqa: ARG002 - of the Protocol
        """Return nothing: the score is the accuracy."""
        return {}


@dataclass(frozen=True, slots=True)
class Value:
    """A value between 0 and 1, told by value_N1."""

    outputs: int = 1

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the mean squared error."""
        functional: Any = require("torch.nn.functional", extra="compress", need="training")
        loss: torch.Tensor = functional.mse_loss(outputs[:, 0], labels)
        return loss

    def scores(self, output: Array, labels: Array) -> Array:
        """Return how near each value comes: 1 less its distance from the label."""
        distance: Array = np.abs(output[:, 0].astype(np.float64) - labels)
        return 1.0 - np.minimum(distance, 1.0)

    def figures(self, output: Array, labels: Array) -> Mapping[str, float]:
        """Return Pearson's and Spearman's correlation; 0 where either side does not vary."""
        stats: Any = require("scipy.stats", extra="compress", need="a correlation")
        value = output[:, 0].astype(np.float64)
        if len(labels) < 2 or np.ptp(value) == 0 or np.ptp(labels) == 0:
            return {"pearson": 0.0, "spearman": 0.0}
        return {
            "pearson": float(stats.pearsonr(value, labels).statistic),
            "spearman": float(stats.spearmanr(value, labels).statistic),
        }


def class_numbers(
    found: Mapping[SplitName, list[str]], head: HeadLabels | None = None
) -> tuple[list[str], dict[SplitName, Array]]:
    """Number the labels of every split.

    Args:
        found: Labels by the name of the split.
        head: Of a trained network whose outputs stand for classes already; None where a head is fresh.

    Returns:
        The classes in their order, and labels_N int64 by split. The head's order counts; labels that are its numbers
        are taken as such. Without a head, whole numbers are ordered as such and names by the alphabet.

    Raises:
        InputError: There are fewer than two classes, a split has one that the train split has not, or the head's
            are others.
    """
    names = set(found["train"])
    for split, labels in found.items():
        unknown = sorted(set(labels) - names)
        if unknown:
            raise InputError(
                f"split {split!r} has the label {unknown[0]!r}, which the train split has not",
                hint=f"it has {', '.join(sorted(names)[:10])}",
            )
    if len(names) < 2:
        raise InputError(f"all examples have the label {''.join(names)!r}", hint="there must be two at least")
    classes = _ordered(names)
    if head is not None and set(head.names) == names:
        classes = list(head.names)
    elif head is not None and head.are_told and classes != [str(number) for number in range(len(head.names))]:
        raise InputError(
            f"{head.where}: its head tells {_some(head.names)}, but the data have the labels {_some(classes)}",
            hint="name the labels as the head does, or number them from 0 in its order; or take a network without "
            "a head, which gets a fresh one",
        )
    number = {name: position for position, name in enumerate(classes)}
    return classes, {
        split: np.array([number[label] for label in labels], np.int64) for split, labels in found.items()
    }


def _ordered(names: set[str]) -> list[str]:
    if all(_WHOLE.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def values(found: Sequence[str], where: str, *, lowest: float, highest: float) -> Array:
    """Read values and lay them between 0 and 1.

    Args:
        found: One an example.
        where: File that they come from, for the error's text.
        lowest: What becomes 0.
        highest: What becomes 1.

    Raises:
        InputError: One is not a number, or lies outside.

    >>> values(["0", "2.5"], "scores.csv", lowest=0.0, highest=5.0)
    array([0. , 0.5], dtype=float32)
    """
    numbers = np.empty(len(found))
    for position, text in enumerate(found):
        try:
            numbers[position] = float(text)
        except ValueError as error:
            raise InputError(
                f"{where}: example {position + 1} has the label {text!r}, which is no number"
            ) from error
    outside = ~((numbers >= lowest) & (numbers <= highest))  # true for NaN as well
    if outside.any():
        first = int(outside.argmax())
        raise InputError(
            f"{where}: example {first + 1} has the label {found[first]}, which is not between {lowest:g} and "
            f"{highest:g}",
            hint="name the lowest and the highest value that there is",
        )
    scaled: Array = ((numbers - lowest) / (highest - lowest)).astype(np.float32)
    return scaled
