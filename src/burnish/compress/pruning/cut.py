"""One narrowed network: what was removed, what it is worth, and how it is built again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from burnish.compress.network import WEIGHTS, build_model, load_weights, save_weights, tensors
from burnish.compress.pruning.groups import ChannelGroups, History
from burnish.compress.pruning.targets import Reached
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.task import Task
from burnish.files import write_atomic

_HISTORY = "history.json"


@dataclass(frozen=True, slots=True)
class Cut:
    """One pruned network."""

    ratio: float
    """Share of the original channels that was asked to go; ``reached`` says what rounding made of it."""
    widths: dict[str, int]
    """Channels or heads left in each unit, by its name."""
    untouched: dict[str, str]
    """Units and layers that are as wide as in the original, and why."""
    parameters: int
    macs: int
    """Multiply-adds of one example."""
    reached: Reached
    """How much smaller it is than the original."""
    recalibrated_score: float
    """Valid score after the cut with statistics estimated anew, before training."""
    score: float
    """Valid score after training."""
    epochs: int
    """Epochs of training after the cut; fewer than allowed where it stopped early."""
    difference: Interval
    """Valid score minus the original's, paired by example."""
    accepted: bool
    folder: Path

    def restore(self, task: Task) -> nn.Module:
        """Build the pruned network with its weights."""
        model = build_model(task)
        ChannelGroups(model, tensors(task.split("valid").sample(2))).replay(self.history())
        load_weights(model, self.folder / WEIGHTS)
        return model.eval()

    def history(self) -> History:
        """Return everything that was removed since the original, as plain data."""
        return [tuple(item) for item in json.loads((self.folder / _HISTORY).read_bytes())]

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], folder: Path) -> "Cut":
        """Return the cut that plain data describe.

        Args:
            facts: Every field but the folder.
            folder: Where `save_cut` put the weights and the history.
        """
        read = dict(facts) | {
            "reached": Reached.from_facts(facts["reached"]),
            "difference": Interval(**facts["difference"]),
        }
        return cls(**read, folder=folder)


def save_cut(model: nn.Module, history: History, folder: Path) -> None:
    """Leave what `Cut.restore` needs."""
    save_weights(model.state_dict(), folder / WEIGHTS)
    write_atomic(folder / _HISTORY, json.dumps(history).encode())


def best_of(cuts: Sequence[Cut]) -> Cut | None:
    """Return the smallest network that passed; None when none did."""
    return max((cut for cut in cuts if cut.accepted), key=lambda cut: cut.ratio, default=None)
