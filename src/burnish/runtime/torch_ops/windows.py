"""How a sliding window meets the edges of its input."""

import math
from dataclasses import dataclass

from burnish.runtime.torch_ops.node import Node


@dataclass(frozen=True, slots=True)
class Window:
    """Geometry of a convolution or pooling over the spatial axes."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    begin: list[int]
    """Padding before each axis."""
    end: list[int]
    """Padding after each axis."""

    @property
    def symmetric(self) -> bool:
        """Whether both ends of every axis are padded alike, as torch's own padding is."""
        return self.begin == self.end

    def overhang(self, sizes: list[int]) -> list[int]:
        """Return what the last window of each axis reaches beyond the padding when sizes are rounded up."""
        amounts = []
        for axis, size in enumerate(sizes):
            span = self.dilations[axis] * (self.kernel[axis] - 1) + 1
            padded = size + self.begin[axis] + self.end[axis]
            steps = math.ceil((padded - span) / self.strides[axis])
            if steps * self.strides[axis] >= size + self.begin[axis]:  # it would start in the padding
                steps -= 1
            amounts.append(max(0, steps * self.strides[axis] + span - padded))
        return amounts


def window(node: Node, kernel: list[int], sizes: list[int]) -> Window:
    """Read a node's window; ``sizes`` are those of the input's spatial axes."""
    rank = len(kernel)
    strides = list(node.get("strides") or [1] * rank)
    dilations = list(node.get("dilations") or [1] * rank)
    mode = node.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        pads = list((node.get("pads") if mode == "NOTSET" else None) or [0] * (2 * rank))
        return Window(kernel, strides, dilations, pads[:rank], pads[rank:])
    total = [
        max(0, (math.ceil(size / stride) - 1) * stride + (k - 1) * dilation + 1 - size)
        for size, k, dilation, stride in zip(sizes, kernel, dilations, strides, strict=True)
    ]
    small = [amount // 2 for amount in total]
    large = [amount - half for amount, half in zip(total, small, strict=True)]
    begin, end = (small, large) if mode == "SAME_UPPER" else (large, small)
    return Window(kernel, strides, dilations, begin, end)


def flat_padding(begin: list[int], end: list[int]) -> list[int]:
    """Order padding as torch wants it: last axis first, before and after in turn."""
    return [amount for pair in zip(reversed(begin), reversed(end), strict=True) for amount in pair]
