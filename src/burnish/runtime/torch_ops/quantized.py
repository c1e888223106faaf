"""Operators that leave or enter the integers."""

import torch
from torch import Tensor

from burnish.runtime.torch_ops.elementwise import torch_dtype
from burnish.runtime.torch_ops.neural import convolve
from burnish.runtime.torch_ops.node import Function, Node

_WIDE = {
    torch.int8: torch.int32,
    torch.uint8: torch.int32,
    torch.int16: torch.int32,
    torch.uint16: torch.int32,
}


def _along(node: Node, parameter: Tensor, rank: int) -> Tensor:
    """Lay a scale or zero point of one value a channel along the node's axis."""
    if parameter.numel() == 1 or rank == 0:
        return parameter.reshape(())
    sizes = [1] * rank
    sizes[node.get("axis", 1) % rank] = -1
    return parameter.reshape(sizes)


def _quantize(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    code = node.get("output_dtype", 0)
    dtype = zero.dtype if zero is not None else torch_dtype(code) if code else torch.uint8
    limits = torch.iinfo(dtype)
    scaled = torch.round(x / _along(node, scale, x.dim()))
    if zero is not None:
        scaled = scaled + _along(node, zero, x.dim()).to(scaled.dtype)
    return scaled.clamp(limits.min, limits.max).to(dtype)


def _dequantize(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    wide = x.to(_WIDE.get(x.dtype, x.dtype))
    if zero is not None:
        wide = wide - _along(node, zero, x.dim()).to(wide.dtype)
    return wide.to(scale.dtype) * _along(node, scale, x.dim())


def _dynamic_quantize(_: Node, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    low, high = x.amin().clamp(max=0.0), x.amax().clamp(min=0.0)
    scale = (high - low) / 255.0
    zero = torch.round((-low / scale).nan_to_num(0.0)).clamp(0, 255)
    y = (torch.round((x / scale).nan_to_num(0.0)) + zero).clamp(0, 255)
    return y.to(torch.uint8), scale, zero.to(torch.uint8)


def _centered(x: Tensor, zero: Tensor | None, *, last_row: bool) -> Tensor:
    wide = x.to(torch.int32)
    if zero is None:
        return wide
    per_row = last_row and zero.dim() == 1 and zero.numel() > 1
    return wide - (zero.to(torch.int32).unsqueeze(-1) if per_row else zero.to(torch.int32))


def _matmul_integer(
    _: Node, a: Tensor, b: Tensor, zero_a: Tensor | None = None, zero_b: Tensor | None = None
) -> Tensor:
    return torch.matmul(_centered(a, zero_a, last_row=True), _centered(b, zero_b, last_row=False))


def _conv_integer(
    node: Node, x: Tensor, weight: Tensor, zero_x: Tensor | None = None, zero_w: Tensor | None = None
) -> Tensor:
    kernel = weight.to(torch.int32)
    if zero_w is not None:
        kernel = kernel - zero_w.to(torch.int32).reshape(-1, *[1] * (weight.dim() - 1))
    # doubles hold every sum of products of bytes exactly, and torch convolves them faster than integers
    centered = _centered(x, zero_x, last_row=False)
    return torch.round(convolve(node, centered.double(), kernel.double())).to(torch.int32)


TABLE: dict[str, Function] = {
    "ConvInteger": _conv_integer,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic_quantize,
    "MatMulInteger": _matmul_integer,
    "QuantizeLinear": _quantize,
}
