"""Which channels must go together: Torch-Pruning's dependency graph behind a small face."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from burnish.errors import InputError
from burnish.plugins import require

Group = Any  # torch_pruning.Group, which ships no types
History = list[tuple[str, bool, list[int]]]


class ChannelGroups:
    """The pruning groups of a model.

    Args:
        model: What to prune; it is changed in place by `remove`.
        example_inputs: What a forward pass takes.

    Raises:
        InputError: The model cannot be traced.
    """

    def __init__(self, model: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> None:
        self._model = model
        pruning = require("torch_pruning", extra="compress", need="channel pruning")
        try:
            self._graph = pruning.DependencyGraph().build_dependency(model, example_inputs=example_inputs)
        except Exception as error:  # whatever a user's forward may raise when it is traced
            raise InputError(
                f"{type(model).__name__} cannot be traced for pruning: {type(error).__name__}: {error}",
                hint="forward must take the task's inputs and return tensors",
            ) from error

    def roots(self) -> list[nn.Module]:
        """Return one layer of each group that may be cut; its output channels stand for the group's.

        A group whose channels no layer takes in leaves the model: they mean something outside, such as
        classes, and stay.
        """
        kinds = [nn.modules.conv._ConvNd, nn.Linear]
        groups = self._graph.get_all_groups(ignored_layers=[], root_module_types=kinds)
        return [group[0].dep.target.module for group in groups if any(map(_takes_in, group))]

    def group(self, root: nn.Module, channels: list[int] | None = None) -> Group:
        """Return the group of a layer's output channels; None takes all of them."""
        chosen = channels if channels is not None else list(range(width_of(root)))
        return self._graph.get_pruning_group(
            root, self._graph.get_pruner_of_module(root).prune_out_channels, chosen
        )

    def remove(self, root: nn.Module, channels: list[int]) -> None:
        """Cut channels of a layer's output, and everything that depends on them."""
        self.group(root, channels).prune()

    def history(self) -> History:
        """Return all that was cut, as plain data."""
        return [
            (name, bool(out), [int(i) for i in idxs]) for name, out, idxs in self._graph.pruning_history()
        ]

    def replay(self, history: History) -> None:
        """Cut again what `history` of an equal model tells."""
        self._graph.load_pruning_history(history)


def _takes_in(item: Any) -> bool:
    return "in_channels" in getattr(item.dep.handler, "__name__", "")


def member_channels(group: Group) -> Iterator[tuple[nn.Module, list[int], bool]]:
    """Yield the layers of a group: the layer, its channels in the group's order, whether they are its outputs."""
    size = len(group[0].idxs)
    for dependency, channels in group:
        module = dependency.target.module
        if isinstance(module, nn.Module) and len(channels) == size:
            is_output = "out_channels" in getattr(dependency.handler, "__name__", "")
            yield module, list(channels), is_output


def width_of(layer: nn.Module) -> int:
    """Return a layer's number of output channels."""
    for name in ("out_channels", "out_features", "num_features"):
        if hasattr(layer, name):
            return int(getattr(layer, name))
    raise InputError(f"{type(layer).__name__} has no output channels")
