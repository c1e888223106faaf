"""Finds the units of a network in its dependency graph; whether each stands a cut, `trial` finds out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import lcm
from typing import Any

from torch import nn

from burnish.compress.pruning.members import Conv, Group, GroupMember, is_depthwise, members_of, takes_in
from burnish.compress.pruning.tracing import Heads, Pass
from burnish.compress.pruning.units import Unit, UnitKind

_MAKERS = (Conv, nn.Linear, nn.Embedding)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True, slots=True)
class Findings:
    """What may be cut, and what may not."""

    units: list[Unit] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Reason by layer."""
    makers: dict[str, list[str]] = field(default_factory=dict)
    """Layers that make the channels of each unit."""


def discover(model: nn.Module, graph: Any, seen: Pass) -> Findings:
    """Return the units of a network and the layers whose outputs belong to none.

    Args:
        model: Whose graph it is.
        graph: Torch-Pruning's dependency graph.
        seen: What ran in a forward pass.
    """
    names = {module: name for name, module in model.named_modules()}
    found = Findings()
    done: set[nn.Module] = set()
    tables = {id(module.weight): module for module in names if isinstance(module, nn.Embedding)}
    for layer in [node for node in graph.module2node if isinstance(node, _MAKERS)]:
        if layer in done:
            continue
        done.add(layer)
        name = names[layer]
        try:
            group = _whole_group(graph, layer)
            members = members_of(group)
            makers = [maker for m in members if (maker := _maker(m, tables)) is not None]
            done.update(makers)
            unit = _unit(name, group, members, seen.heads)
        except Exception as error:  # Torch-Pruning fails in many ways where it cannot follow
            found.refused[name] = _first_line(error)
            continue
        found.makers[name] = list(dict.fromkeys(names[maker] for maker in makers))
        if isinstance(unit, Unit):
            found.units.append(unit)
        else:
            found.refused.update(dict.fromkeys(found.makers[name], unit))
    for module, name in names.items():
        if isinstance(module, _RECURRENT):
            found.refused[name] = "the state of a recurrent layer feeds back into itself and is not cut"
        elif (
            isinstance(module, _MAKERS)
            and module not in seen.called
            and module.weight not in graph.module2node
        ):
            found.refused[name] = "it does not run on the example inputs"
    return found


def _maker(member: GroupMember, tables: Mapping[int, nn.Module]) -> nn.Module | None:
    """Return the layer that makes a group's channels at a member; a table may be read without its layer."""
    if isinstance(member.target, nn.Parameter):
        return tables.get(id(member.target))
    return member.target if member.makes else None


def _whole_group(graph: Any, layer: nn.Module) -> Group:
    pruner = graph.get_pruner_of_module(layer)
    channels = list(range(pruner.get_out_channels(layer)))
    return graph.get_pruning_group(layer, pruner.prune_out_channels, channels)


def _unit(
    name: str, group: Group, members: list[GroupMember], heads: Mapping[nn.Module, Heads]
) -> Unit | str:
    """Return the unit that a group is, or why it is none."""
    if not any(map(takes_in, group)):
        return "its outputs leave the network"
    if any(isinstance(m.target, nn.LSTM) and m.side == "out" for m in members):
        return "it is tied to the state of a recurrent layer"
    layer: Any = group[0].dep.target.module
    channels = len(group[0].idxs)
    split = next((_now(m.target, heads) for m in members if m.side == "out" and m.target in heads), None)
    if split is not None and split.count > 1:
        return _heads_unit(name, layer, group, split)
    groups = lcm(*(_groups_of(m) for m in members if len(m.indices) == channels))
    if channels % groups:
        return f"its {channels} channels lie in {groups} groups"
    if channels == groups:
        return "it has one channel" if groups == 1 else "each of its groups has one channel"
    kind = _kind(members, heads)
    return Unit(name, layer, kind, channels // groups, groups, spread=groups > 1)


def _now(layer: Any, heads: Mapping[nn.Module, Heads]) -> Heads:
    """Return the heads that are left of those that were seen."""
    split = heads[layer]
    return replace(split, count=layer.out_features // (split.size * split.parts))


def _heads_unit(name: str, layer: nn.Module, group: Group, split: Heads) -> Unit | str:
    channels = split.count * split.size
    if split.parts == 1:
        return Unit(name, layer, "heads", split.count, split.size)
    # queries, keys and values lie apart in one layer: counted at the layer that reads the result, heads lie together
    reader = next((item for item in group if takes_in(item) and len(item.idxs) == channels), None)
    if reader is None:
        return "no layer reads the result of its heads one after the other"
    return Unit(name, reader.dep.target.module, "heads", split.count, split.size, at="in")


def _kind(members: list[GroupMember], heads: Mapping[nn.Module, Heads]) -> UnitKind:
    reads_tokens = any(m.side == "in" and m.target in heads for m in members)
    is_embedding = any(isinstance(m.target, nn.Embedding | nn.MultiheadAttention) for m in members)
    return "hidden" if reads_tokens or is_embedding else "channels"


def _groups_of(member: GroupMember) -> int:
    layer = member.target
    if isinstance(layer, Conv) and not is_depthwise(layer):
        return int(layer.groups)
    if isinstance(layer, nn.GroupNorm):
        return int(layer.num_groups)
    if isinstance(layer, nn.MultiheadAttention):
        return int(layer.num_heads)
    return 1


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"Torch-Pruning cannot follow its channels: {type(error).__name__}: {text[0] if text else ''}"
