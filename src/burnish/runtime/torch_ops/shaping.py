"""Operators that move, select or relabel elements."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from burnish.graph.signature import Array
from burnish.runtime.torch_ops.node import Function, Node, ints

_REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    sizes = ints(shape)
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    if -1 in sizes and x.numel() == 0:  # torch cannot infer a size from nothing
        known = math.prod(size for size in sizes if size != -1)
        sizes = [0 if size == -1 and known else max(size, 0) for size in sizes]
    return x.reshape(sizes)


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _squeeze(_: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(ints(axes)))


def _unsqueeze(_: Node, x: Tensor, axes: Tensor) -> Tensor:
    places = ints(axes)
    rank = x.dim() + len(places)
    for axis in sorted(axis % rank for axis in places):
        x = x.unsqueeze(axis)
    return x


def _slice(
    _: Node, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    first, last = ints(starts), ints(ends)
    dims = ints(axes) if axes is not None else list(range(len(first)))
    strides = ints(steps) if steps is not None else [1] * len(first)
    for dim, begin, end, stride in zip(dims, first, last, strides, strict=True):
        size = x.shape[dim]
        # ONNX clamps what Python would wrap around once more: an end far below zero means "to the front"
        stop = None if stride < 0 and end < -size else end
        picked = range(size)[slice(begin, stop, stride)]
        if stride == 1:
            x = x.narrow(dim, picked.start, len(picked))
        else:
            x = x.index_select(dim, torch.tensor(list(picked), dtype=torch.int64, device=x.device))
    return x


def _split(node: Node, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = node.get("axis", 0)
    if sizes is not None:
        return tuple(torch.split(x, ints(sizes), dim=axis))
    return tuple(torch.split(x, math.ceil(x.shape[axis] / len(node.outputs)), dim=axis))


def _wrapped(index: Tensor, size: int) -> Tensor:
    """Replace negative indices, which count from the end."""
    return torch.where(index < 0, index + size, index).long()


def _gather(node: Node, x: Tensor, index: Tensor) -> Tensor:
    axis = node.get("axis", 0) % x.dim()
    picked = x.index_select(axis, _wrapped(index, x.shape[axis]).reshape(-1))
    return picked.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _gather_elements(node: Node, x: Tensor, index: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    return torch.gather(x, axis, _wrapped(index, x.shape[axis]))


def _gather_nd(node: Node, x: Tensor, index: Tensor) -> Tensor:
    batch = node.get("batch_dims", 0)
    depth = index.shape[-1]
    lead = x.shape[:batch]
    rows, tables = index.reshape(math.prod(lead), -1, depth), x.reshape(math.prod(lead), *x.shape[batch:])
    picked = [table[tuple(row.long().unbind(-1))] for table, row in zip(tables, rows, strict=True)]
    return torch.stack(picked).reshape((*index.shape[:-1], *x.shape[batch + depth :]))


def _scatter_elements(node: Node, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    where, how = _wrapped(index, x.shape[axis]), node.get("reduction", "none")
    if how == "none":
        return x.scatter(axis, where, updates)
    return x.scatter_reduce(axis, where, updates, reduce=_REDUCE[how])


def _scatter_nd(_: Node, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    result = x.clone()
    result[tuple(index.long().unbind(-1))] = updates
    return result


def _pad(
    node: Node, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    amounts, mode = ints(pads), node.get("mode", "constant")
    dims = [axis % x.dim() for axis in ints(axes)] if axes is not None else list(range(x.dim()))
    both = [[0, 0] for _ in range(x.dim())]
    for i, dim in enumerate(dims):
        both[dim] = [amounts[i], amounts[i + len(dims)]]
    if mode == "constant":
        flat = [amount for pair in reversed(both) for amount in pair]
        return functional.pad(x, flat, value=0 if value is None else value.item())
    for dim, (before, after) in enumerate(both):  # torch pads the last axes only; ONNX any
        x = x.index_select(dim, _border(mode, x.shape[dim], before, after).to(x.device))
    return x


def _border(mode: str, size: int, before: int, after: int) -> Tensor:
    """Return the positions that a padded axis reads from."""
    places = torch.arange(-before, size + after)
    if mode == "edge":
        return places.clamp(0, size - 1)
    period = max(2 * (size - 1), 1)
    places = places.remainder(period)
    return torch.where(places >= size, period - places, places)


def _constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    value = node.get("value")
    fill = torch.zeros(1) if value is None else torch.from_numpy(value.copy())
    return fill.reshape(()).expand(ints(shape)).clone()


def _transpose(node: Node, x: Tensor) -> Tensor:
    return x.permute(node.get("perm") or list(reversed(range(x.dim()))))


def _trilu(node: Node, x: Tensor, k: Tensor | None = None) -> Tensor:
    offset = 0 if k is None else int(k.item())
    return torch.triu(x, offset) if node.get("upper", 1) else torch.tril(x, offset)


def _depth_to_space(node: Node, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    size = node.get("blocksize")
    if node.get("mode", "DCR") == "DCR":
        blocks = x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(n, c // size**2, size, size, h, w).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // size**2, h * size, w * size)


def _space_to_depth(node: Node, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    size = node.get("blocksize")
    blocks = x.reshape(n, c, h // size, size, w // size, size)
    order = (0, 3, 5, 1, 2, 4) if node.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return blocks.permute(order).reshape(n, c * size**2, h // size, w // size)


def _range(_: Node, start: Tensor | Array, limit: Tensor | Array, delta: Tensor | Array) -> Tensor:
    given = (start, limit, delta)
    tensors = [value for value in given if isinstance(value, Tensor)]
    arrays = [value for value in given if not isinstance(value, Tensor) and value.dtype != object]
    if tensors:
        dtype = tensors[0].dtype
    else:  # integers worked out on the host are int64, as Shape's are
        dtype = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype if arrays else torch.int64
    first, last, step = (value.item() for value in given)
    return torch.arange(first, last, step, dtype=dtype, device=tensors[0].device if tensors else None)


def _expand(_: Node, x: Tensor, shape: Tensor) -> Tensor:
    # not numpy's: sizes may be symbolic
    return x.expand(torch.broadcast_shapes(tuple(x.shape), tuple(ints(shape))))  # type: ignore[no-untyped-call]


TABLE: dict[str, Function] = {
    "Concat": lambda node, *xs: torch.cat(xs, dim=node.get("axis")),
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda _, x, repeats: x.repeat(ints(repeats)),
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
