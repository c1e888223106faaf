"""What of a network can be narrowed, and how: Torch-Pruning's dependency graph behind a small face."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from burnish.compress.pruning.discovery import Findings, discover
from burnish.compress.pruning.members import Group
from burnish.compress.pruning.restoring import unchanged
from burnish.compress.pruning.tracing import HeadCounts, dependencies, watch
from burnish.compress.pruning.trial import refused
from burnish.compress.pruning.units import Unit
from burnish.errors import InputError

__all__ = ["ChannelGroups", "Group", "History", "Unit", "width_of"]

History = list[tuple[str, bool, list[int]]]


class ChannelGroups:
    """The parts of a model that become narrower together.

    Args:
        model: What to narrow; it is changed in place by `remove`.
        example_inputs: What a forward pass takes.
        unprunable: Of an equal or a wider model, as `unprunable` returns; then nothing is tried anew.

    Raises:
        InputError: The model cannot be traced.
        MissingExtraError: Torch-Pruning is not installed.

    References:
        Fang et al. 2023, arXiv:2301.12900.
    """

    def __init__(
        self,
        model: nn.Module,
        example_inputs: tuple[torch.Tensor, ...],
        *,
        unprunable: Mapping[str, str] | None = None,
    ) -> None:
        self._model = model.eval()
        self._inputs = example_inputs
        self._seen = watch(model, example_inputs)
        self._graph = dependencies(model, example_inputs, self._seen)
        self._counts = HeadCounts(model, self._seen.heads)
        places = _places(model)
        self._ties = [held for held in places.values() if len(held) > 1]
        self._frozen = [place for p, held in places.items() if not p.requires_grad for place in held]
        self._refused: Mapping[str, str] | None = unprunable
        self._findings: Findings | None = None

    def units(self) -> list[Unit]:
        """Return all that can be narrowed, with the widths of now.

        Cost: at the first call a second trace and a few forward passes; see `burnish.compress.pruning.trial`.
        """
        bad = self._tried()
        return [unit for unit in self.found().units if unit.name not in bad]

    def unprunable(self) -> dict[str, str]:
        """Return the layers whose outputs cannot become fewer, and why."""
        findings, bad = self.found(), self._tried()
        return findings.refused | {
            layer: reason for name, reason in bad.items() for layer in findings.makers.get(name, [name])
        }

    def group(self, of: Unit, chosen: Sequence[int] | None = None) -> Group:
        """Return the group of a unit's parts; None takes all of them."""
        pruner = self._graph.get_pruner_of_module(of.layer)
        end = pruner.prune_out_channels if of.at == "out" else pruner.prune_in_channels
        channels = of.channels(range(of.width) if chosen is None else chosen)
        return self._graph.get_pruning_group(of.layer, end, channels)

    def remove(self, of: Unit, chosen: Sequence[int]) -> None:
        """Cut parts of a unit, and everything that depends on them."""
        self.group(of, chosen).prune()
        self._settle()

    def history(self) -> History:
        """Return all that was cut, as plain data."""
        return [
            (name, bool(out), [int(i) for i in idxs]) for name, out, idxs in self._graph.pruning_history()
        ]

    def replay(self, history: History) -> None:
        """Cut again what `history` of an equal model tells."""
        self._graph.load_pruning_history(list(history))
        self._settle()

    def found(self) -> Findings:
        """Return what the tracer sees, untried."""
        if self._findings is None:
            self._findings = discover(self._model, self._graph, self._seen)
        return self._findings

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Put the model back to how it was before, whatever is cut inside."""
        with unchanged(self._model, self._graph):
            yield
        self._findings = None

    def _tried(self) -> Mapping[str, str]:
        if self._refused is None:
            model = copy.deepcopy(self._model)
            self._refused = refused(model, self._inputs, ChannelGroups(model, self._inputs, unprunable={}))
        return self._refused

    def _settle(self) -> None:
        """Put right what Torch-Pruning leaves behind: numbers of heads, widths of tables, tied and frozen weights."""
        self._findings = None
        self._counts.update()
        for first, *others in self._ties:
            kept = getattr(*first)
            for owner, name in others:
                if getattr(owner, name).shape == kept.shape:
                    setattr(owner, name, kept)
        for owner, name in self._frozen:
            getattr(owner, name).requires_grad_(False)
        for module in self._model.modules():
            if isinstance(module, nn.Embedding):
                module.embedding_dim = module.weight.shape[1]


def _places(model: nn.Module) -> dict[nn.Parameter, list[tuple[nn.Module, str]]]:
    """Return where each parameter is held; one that is tied is held more than once."""
    places: dict[nn.Parameter, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            places.setdefault(parameter, []).append((module, name))
    return places


def width_of(layer: nn.Module) -> int:
    """Return a layer's number of output channels."""
    for name in ("out_channels", "out_features", "num_features"):
        if hasattr(layer, name):
            return int(getattr(layer, name))
    raise InputError(f"{type(layer).__name__} has no output channels")
