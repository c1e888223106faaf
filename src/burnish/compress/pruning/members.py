"""What belongs to a pruning group: layers, and which slices of their tensors go with which channel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

Group = Any  # torch_pruning.Group, which ships no types
Conv = nn.modules.conv._ConvNd
_PER_CHANNEL = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.PReLU)
_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Slices:
    """A tensor of which a cut takes slices."""

    name: str
    """In its layer; empty for a bare parameter."""
    tensor: torch.Tensor
    axis: int
    """Along which the channels lie."""
    grad: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GroupMember:
    """One end of a layer, or a bare parameter, that becomes narrower with a group."""

    target: nn.Module | nn.Parameter
    side: Literal["out", "in"]
    indices: list[int]
    """Of the layer's channels at this end; of one of the group's channels it may take several."""
    positions: list[int]
    """Which of the group's channels each index goes with, counted from 0 in the group's order."""
    axis: int = -1
    """Of a bare parameter."""

    @property
    def makes(self) -> bool:
        """Whether it computes the group's channels, and does not only read, scale or pass them."""
        return self.side == "out" and isinstance(self.target, Conv | nn.Linear | nn.Embedding)

    def slices(self) -> Iterator[Slices]:
        """Yield the tensors that a cut makes smaller."""
        target = self.target
        if isinstance(target, nn.Parameter):
            yield Slices("", target, self.axis, target.grad)
        elif isinstance(target, nn.MultiheadAttention):
            yield from _attention(target)
        else:
            for name, tensor in (
                *target.named_parameters(recurse=False),
                *target.named_buffers(recurse=False),
            ):
                axis = self._axis(target, name, tensor)
                if axis is not None:
                    yield Slices(name, tensor, axis, tensor.grad)

    def _axis(self, layer: nn.Module, name: str, tensor: torch.Tensor) -> int | None:
        if isinstance(layer, Conv):
            if name == "bias":
                return 0 if self.side == "out" or is_depthwise(layer) else None
            # a transposed convolution keeps its inputs first, a depthwise one all its channels
            return 0 if is_depthwise(layer) or (self.side == "out") != layer.transposed else 1
        if isinstance(layer, nn.Linear):
            return {"weight": 0 if self.side == "out" else 1, "bias": 0 if self.side == "out" else None}.get(
                name
            )
        if isinstance(layer, nn.Embedding):
            return 1
        if isinstance(layer, nn.LSTM):
            return 1 if name.startswith("weight_ih_l0") else None
        if isinstance(layer, _PER_CHANNEL):
            return tensor.dim() - 1 if tensor.dim() and len(tensor) > 1 else None
        return None


def members_of(group: Group) -> list[GroupMember]:
    """Return the members of a group that hold tensors.

    Raises:
        ValueError: Torch-Pruning lost track of which channel goes with which.
    """
    position = {channel: i for i, channel in enumerate(group[0].idxs)}
    found = []
    for item in group:
        target = item.dep.target.module
        if not isinstance(target, nn.Parameter) and not target.state_dict():
            continue  # an operation, which holds nothing
        if any(root not in position for root in item.root_idxs):
            raise ValueError("its channels cannot be followed through a reshape")
        side: Literal["out", "in"] = "in" if takes_in(item) else "out"
        positions = [position[root] for root in item.root_idxs]
        found.append(GroupMember(target, side, list(item.idxs), positions, item.dep.target.pruning_dim))
    return found


def takes_in(item: Any) -> bool:
    """Tell whether an item of a group reads the channels and gives others."""
    return "in_channels" in getattr(item.dep.handler, "__name__", "")


def is_depthwise(layer: nn.Module) -> bool:
    """Tell whether a layer is a convolution of each channel by itself."""
    return isinstance(layer, Conv) and layer.groups == layer.out_channels > 1


def is_statistic(slices: Slices) -> bool:
    """Tell whether a tensor was counted over data and not learnt."""
    return slices.name in _STATISTICS


def _attention(layer: nn.MultiheadAttention) -> Iterator[Slices]:
    """Torch-Pruning cuts its inputs, queries, keys, values and outputs together."""
    width = layer.embed_dim
    joint, bias = layer.in_proj_weight, layer.in_proj_bias
    if joint is not None:
        grad = joint.grad.view(3, width, width) if joint.grad is not None else None
        yield from (Slices("in_proj_weight", joint.data.view(3, width, width), axis, grad) for axis in (1, 2))
    if bias is not None:
        grad = bias.grad.view(3, width) if bias.grad is not None else None
        yield Slices("in_proj_bias", bias.data.view(3, width), 1, grad)
    out = layer.out_proj
    yield from (Slices("out_proj.weight", out.weight, axis, out.weight.grad) for axis in (0, 1))
    if out.bias is not None:
        yield Slices("out_proj.bias", out.bias, 0, out.bias.grad)
