"""What shapes a network's multiplying layers have, so that each can be timed by itself at another width."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from burnish.compress.pruning.members import Conv, Group, is_depthwise, members_of
from burnish.compress.pruning.units import Unit

Ends = Literal["in", "out", "both"]


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One convolution or linear layer as it runs in its network."""

    kind: Literal["conv", "transposed", "linear"]
    inner: int
    """Channels in."""
    outer: int
    """Channels out."""
    sizes: tuple[int, ...]
    """Of the input without batch and channels: of an image its height and width, of a text its tokens."""
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1

    @property
    def key(self) -> str:
        """Name it, for tables.

        >>> LayerShape("linear", 384, 1536, (128,)).key
        'linear 384-1536 at 128'
        """
        parts = [f"{self.kind} {self.inner}-{self.outer} at {_by(self.sizes)}"]
        if self.kernel:
            parts.append(f"kernel {_by(self.kernel)} stride {_by(self.stride)} padding {_by(self.padding)}")
            parts.append(f"dilation {_by(self.dilation)} groups {self.groups}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Member:
    """A layer that becomes narrower with a unit, and at which of its ends."""

    shape: LayerShape
    ends: Ends
    factor: int = 1
    """Channels of the layer that go with one part of the unit, such as those of a head."""

    def narrowed(self, removed: int) -> LayerShape | None:
        """Return the layer's shape once parts of the unit are removed; None when there is no such layer."""
        gone, shape = removed * self.factor, self.shape
        inner = shape.inner - gone if self.ends != "out" else shape.inner
        outer = shape.outer - gone if self.ends != "in" else shape.outer
        groups = inner if self.ends == "both" else shape.groups
        if min(inner, outer) < 1 or inner % groups or outer % groups:
            return None
        return replace(shape, inner=inner, outer=outer, groups=groups)


def layer_shapes(model: nn.Module, one_example: tuple[torch.Tensor, ...]) -> dict[nn.Module, LayerShape]:
    """Return the shape of every convolution and linear layer that one example passes, as it passes."""
    found: dict[nn.Module, LayerShape] = {}

    def look(module: nn.Module, inputs: tuple[torch.Tensor, ...], _: object) -> None:
        if inputs and isinstance(module, Conv | nn.Linear):
            found[module] = _shape(module, inputs[0])

    handles = [m.register_forward_hook(look) for m in model.modules() if isinstance(m, Conv | nn.Linear)]
    try:
        with torch.no_grad():
            model(*one_example)
    finally:
        for handle in handles:
            handle.remove()
    return found


def shaped_members(unit: Unit, group: Group, shapes: dict[nn.Module, LayerShape]) -> list[Member]:
    """Return the convolutions and linear layers that become narrower with a unit, each once for each end.

    Args:
        unit: What is narrowed.
        group: Of all its parts.
        shapes: By layer, as `layer_shapes` returns.
    """
    found: dict[tuple[nn.Module, Ends], int] = {}
    for member in members_of(group):
        layer = member.target
        if isinstance(layer, nn.Module) and layer in shapes:
            ends: Ends = "both" if is_depthwise(layer) else member.side
            found[layer, ends] = len(member.indices) // unit.width
    return [Member(shapes[layer], ends, factor) for (layer, ends), factor in found.items()]


def _shape(module: Conv | nn.Linear, x: torch.Tensor) -> LayerShape:
    if isinstance(module, nn.Linear):
        sizes = tuple(x.shape[1:-1])
        return LayerShape("linear", module.in_features, module.out_features, sizes)
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    return LayerShape(
        "transposed" if transposed else "conv",
        module.in_channels,
        module.out_channels,
        tuple(x.shape[2:]),
        module.kernel_size,
        module.stride,
        _padding(module),
        module.dilation,
        module.groups,
    )


def _padding(module: Conv) -> tuple[int, ...]:
    if isinstance(module.padding, str):  # "same" or "valid"
        halves = (d * (k - 1) // 2 for d, k in zip(module.dilation, module.kernel_size, strict=True))
        return tuple(halves) if module.padding == "same" else (0,) * len(module.kernel_size)
    return tuple(module.padding)


def _by(sizes: Iterable[int]) -> str:
    return "x".join(str(size) for size in sizes) or "1"
