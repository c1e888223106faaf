"""Operators that reduce or order an axis."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from burnish.runtime.torch_ops.node import Function, Node, ints


def _reduce(function: Callable[[Tensor, list[int], bool], Tensor]) -> Function:
    def run(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
        dims = ints(axes) if axes is not None else list(node.get("axes") or [])
        if not dims:
            if node.get("noop_with_empty_axes", 0):
                return x
            dims = list(range(x.dim()))
        return function(x, dims, bool(node.get("keepdims", 1)))

    return run


def _extreme(function: Callable[..., Tensor], *, lowest: bool) -> Function:
    def run(x: Tensor, dims: list[int], keep: bool) -> Tensor:
        if all(x.shape[dim] for dim in dims):
            found: Tensor = function(x, dims, keepdim=keep)
            return found
        shape = x.sum(dims, keepdim=keep).shape  # torch refuses to take the extreme of nothing
        return torch.full(shape, _limit(x.dtype, lowest=lowest), dtype=x.dtype, device=x.device)

    return _reduce(run)


def _limit(dtype: torch.dtype, *, lowest: bool) -> Any:
    if dtype == torch.bool:
        return not lowest
    if dtype.is_floating_point:
        return float("-inf") if lowest else float("inf")
    return torch.iinfo(dtype).min if lowest else torch.iinfo(dtype).max


def _prod(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    for dim in sorted((dim % x.dim() for dim in dims), reverse=True):
        x = x.prod(dim, keepdim=keep, dtype=x.dtype)
    return x


def _arg(function: Callable[..., Tensor]) -> Function:
    def run(node: Node, x: Tensor) -> Tensor:
        axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
        if node.get("select_last_index", 0):
            from_end: Tensor = function(x.flip(axis), dim=axis, keepdim=keep)
            last: Tensor = (x.shape[axis] - 1) - from_end
            return last
        first: Tensor = function(x, dim=axis, keepdim=keep)
        return first

    return run


def _cumulative_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    dim = int(axis.item())
    x = x.flip(dim) if node.get("reverse", 0) else x
    total = torch.cumsum(x, dim, dtype=x.dtype)
    total = total - x if node.get("exclusive", 0) else total
    return total.flip(dim) if node.get("reverse", 0) else total


def _top_k(node: Node, x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    axis, largest = node.get("axis", -1), bool(node.get("largest", 1))
    # a stable sort: ONNX wants the lower index first among equals, torch.topk promises nothing
    order = torch.sort(x, dim=axis, descending=largest, stable=True)
    count = int(k.item())
    return order.values.narrow(axis, 0, count), order.indices.narrow(axis, 0, count)


TABLE: dict[str, Function] = {
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
    "CumSum": _cumulative_sum,
    "LogSoftmax": lambda node, x: torch.log_softmax(x, dim=node.get("axis", -1)),
    "ReduceL1": _reduce(lambda x, dims, keep: x.abs().sum(dims, keepdim=keep, dtype=x.dtype)),
    "ReduceL2": _reduce(lambda x, dims, keep: x.square().sum(dims, keepdim=keep).sqrt()),
    "ReduceLogSum": _reduce(lambda x, dims, keep: x.sum(dims, keepdim=keep).log()),
    "ReduceLogSumExp": _reduce(lambda x, dims, keep: torch.logsumexp(x, dims, keepdim=keep)),
    "ReduceMax": _extreme(torch.amax, lowest=True),
    "ReduceMean": _reduce(lambda x, dims, keep: x.mean(dims, keepdim=keep)),
    "ReduceMin": _extreme(torch.amin, lowest=False),
    "ReduceProd": _reduce(_prod),
    "ReduceSum": _reduce(lambda x, dims, keep: x.sum(dims, keepdim=keep, dtype=x.dtype)),
    "ReduceSumSquare": _reduce(lambda x, dims, keep: x.square().sum(dims, keepdim=keep, dtype=x.dtype)),
    "Softmax": lambda node, x: torch.softmax(x, dim=node.get("axis", -1)),
    "TopK": _top_k,
}
