"""Operators of neural networks: convolution, pooling, normalisation, products."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from burnish.runtime.torch_ops.node import Function, Node
from burnish.runtime.torch_ops.windows import flat_padding, window

_CONV: tuple[Function, ...] = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED: tuple[Function, ...] = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)
_AVERAGE: tuple[Function, ...] = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
_MAX: tuple[Function, ...] = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)


def convolve(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Carry out Conv."""
    w = window(node, list(weight.shape[2:]), list(x.shape[2:]))
    begin = w.begin
    if not w.symmetric:
        x, begin = functional.pad(x, flat_padding(w.begin, w.end)), [0] * len(w.begin)
    result: Tensor = _CONV[x.dim() - 3](x, weight, bias, w.strides, begin, w.dilations, node.get("group", 1))
    return result


def _conv_transpose(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.dim() - 2
    strides = list(node.get("strides") or [1] * rank)
    dilations = list(node.get("dilations") or [1] * rank)
    extra = list(node.get("output_padding") or [0] * rank)
    full = [
        strides[i] * (x.shape[2 + i] - 1) + extra[i] + (weight.shape[2 + i] - 1) * dilations[i] + 1
        for i in range(rank)
    ]
    begin, end = _transposed_padding(node, full, list(x.shape[2:]), strides)
    # without padding torch gives the whole extent, to which output_padding adds; then cut to what is wanted
    group = node.get("group", 1)
    whole: Tensor = _TRANSPOSED[rank - 1](x, weight, None, strides, 0, 0, group, dilations)
    cut = [full[i] - whole.shape[2 + i] - end[i] for i in range(rank)]
    whole = functional.pad(whole, flat_padding([-amount for amount in begin], cut))
    return whole if bias is None else whole + bias.reshape(-1, *[1] * rank)


def _transposed_padding(
    node: Node, full: list[int], sizes: list[int], strides: list[int]
) -> tuple[list[int], list[int]]:
    rank, mode = len(full), node.get("auto_pad", "NOTSET")
    wanted = node.get("output_shape")
    if not wanted and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    if not wanted:
        pads = list((node.get("pads") if mode == "NOTSET" else None) or [0] * (2 * rank))
        return pads[:rank], pads[rank:]
    begin = []
    for have, want in zip(full, wanted[-rank:], strict=True):
        total = max(0, have - want)
        begin.append(total // 2 if mode == "SAME_UPPER" else total - total // 2)
    # where more is wanted than there is, the end is padded
    return begin, [have - want - b for have, want, b in zip(full, wanted[-rank:], begin, strict=True)]


def _average_pool(node: Node, x: Tensor) -> Tensor:
    w = window(node, list(node.get("kernel_shape")), list(x.shape[2:]))
    rank = len(w.kernel)
    include = bool(node.get("count_include_pad", 0))
    fits = all(2 * amount <= size for amount, size in zip(w.begin, w.kernel, strict=True))
    if w.symmetric and fits and set(w.dilations) == {1} and not node.get("ceil_mode", 0):
        result: Tensor = _AVERAGE[rank - 1](x, w.kernel, w.strides, w.begin, False, include)
        return result
    amounts = flat_padding(w.begin, w.end)
    beyond = w.overhang(list(x.shape[2:])) if node.get("ceil_mode", 0) else [0] * rank
    rest = flat_padding([0] * rank, beyond)
    counted = functional.pad(torch.ones_like(x[:1, :1]), amounts, value=1.0 if include else 0.0)
    sums = _window_sums(functional.pad(x, amounts), rest, w.kernel, w.strides, w.dilations)
    return sums / _window_sums(counted, rest, w.kernel, w.strides, w.dilations)


def _window_sums(
    x: Tensor, rest: list[int], kernel: list[int], strides: list[int], dilations: list[int]
) -> Tensor:
    x = functional.pad(x, rest)
    rows = x.reshape(-1, 1, *x.shape[2:])
    ones = torch.ones(1, 1, *kernel, dtype=x.dtype, device=x.device)
    sums: Tensor = _CONV[len(kernel) - 1](rows, ones, None, strides, 0, dilations)
    return sums.reshape(*x.shape[:2], *sums.shape[2:])


def _max_pool(node: Node, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    w = window(node, list(node.get("kernel_shape")), list(x.shape[2:]))
    rank, begin, size = len(w.kernel), w.begin, list(x.shape)
    ceil = bool(node.get("ceil_mode", 0))
    fits = all(2 * amount <= kernel for amount, kernel in zip(begin, w.kernel, strict=True))
    dtype = x.dtype
    x = x if x.is_floating_point() else x.float()  # torch pools floats; small integers stay exact
    if not w.symmetric or not fits or ceil:
        beyond = w.overhang(size[2:]) if ceil else [0] * rank
        end = [a + b for a, b in zip(w.end, beyond, strict=True)]
        x, begin = functional.pad(x, flat_padding(w.begin, end), value=-math.inf), [0] * rank
    indices = len(node.outputs) > 1
    result = _MAX[rank - 1](x, w.kernel, w.strides, begin, w.dilations, False, indices)
    if not indices:
        pooled: Tensor = result.to(dtype)
        return pooled
    shift = w.begin if begin != w.begin else [0] * rank
    return result[0].to(dtype), _flat_index(result[1], list(x.shape[2:]), shift, size)


def _flat_index(index: Tensor, padded: list[int], shift: list[int], size: list[int]) -> Tensor:
    """Turn indices into one padded channel into indices into the whole unpadded tensor."""
    places = torch.unravel_index(index, tuple(padded))
    flat = torch.zeros_like(index)
    for place, offset, extent in zip(places, shift, size[2:], strict=True):
        flat = flat * extent + place - offset
    channels = torch.arange(size[0] * size[1], device=index.device).reshape(
        size[0], size[1], *[1] * len(padded)
    )
    return flat + channels * math.prod(size[2:])


def _gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.T if node.get("transA", 0) else a
    b = b.T if node.get("transB", 0) else b
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if c is not None and a.is_floating_point():
        return torch.addmm(c, a, b, beta=beta, alpha=alpha)
    product = a @ b if alpha == 1.0 else alpha * (a @ b)
    return product if c is None else product + beta * c


def _batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return functional.batch_norm(x, mean, var, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


def _layer_norm(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    axis, epsilon = node.get("axis", -1) % x.dim(), node.get("epsilon", 1e-5)
    if len(node.outputs) == 1 and scale.shape == x.shape[axis:]:
        return functional.layer_norm(x, x.shape[axis:], scale, bias, epsilon)
    axes = tuple(range(axis, x.dim()))
    mean = x.mean(axes, keepdim=True)
    inverse = torch.rsqrt((x - mean).square().mean(axes, keepdim=True) + epsilon)
    y = (x - mean) * inverse * scale
    return (y if bias is None else y + bias), mean, inverse


def _rms_norm(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    axes = tuple(range(node.get("axis", -1) % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + node.get("epsilon", 1e-5)) * scale


def _instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return functional.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


def _group_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return functional.group_norm(x, node.get("num_groups"), scale, bias, node.get("epsilon", 1e-5))


def _global_pool(function: Callable[..., Tensor]) -> Function:
    return lambda _, x: function(x, tuple(range(2, x.dim())), keepdim=True)


def _dropout(node: Node, x: Tensor, *_: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
    return x if len(node.outputs) == 1 else (x, torch.ones_like(x, dtype=torch.bool))


TABLE: dict[str, Function] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": convolve,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "Einsum": lambda node, *xs: torch.einsum(node.get("equation"), *xs),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool(torch.mean),
    "GlobalMaxPool": _global_pool(torch.amax),
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda _, a, b: torch.matmul(a, b),
    "MaxPool": _max_pool,
    "RMSNormalization": _rms_norm,
}
