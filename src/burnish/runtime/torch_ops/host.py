"""Integers that steer a graph - sizes, axes, positions - worked out on the host instead of in tensors.

A size that went through a tensor would cost an accelerator a wait for every reshape, and would hide from a
tracing compiler that it is the batch. So what `Shape` gives, and what is computed from it, is kept as numpy
arrays of Python integers, which while tracing are torch's symbolic ones.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from burnish.graph.signature import Array
from burnish.runtime.torch_ops.node import Node, ints

LARGEST = 64
"""Arrays of more integers than this are data, not sizes."""

_REDUCTIONS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()
# The inputs that an operator's function reads as Python numbers, by position.
STEERING: dict[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "CumSum": (1,),
    "Expand": (1,),
    "Pad": (1, 2, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    **{f"Reduce{name}": (1,) for name in _REDUCTIONS},
}


def is_host(value: Any) -> bool:
    """Tell whether a value is kept on the host."""
    return isinstance(value, np.ndarray)


def integers(values: Any) -> Array:
    """Return integers, symbolic ones among them, as an array of Python objects."""
    items = np.asarray(values, object)
    array: Array = items if items.dtype == object else items.astype(object)
    return array


def from_constant(array: Array) -> Array | None:
    """Return a stored tensor as host integers, or None when it is no such thing."""
    return array.astype(object) if array.dtype == np.int64 and array.size <= LARGEST else None


def to_tensor(array: Array, device: Any) -> torch.Tensor:
    """Return host integers as an int64 tensor."""
    if all(isinstance(item, int) for item in array.reshape(-1)):
        return torch.tensor(array.astype(np.int64).tolist(), dtype=torch.int64, device=device)
    parts = [torch.scalar_tensor(item, dtype=torch.int64, device=device) for item in array.reshape(-1)]
    return torch.stack(parts).reshape(array.shape)


def evaluate(node: Node, arguments: list[Array | None]) -> Array | None:
    """Carry out a node on host integers; None when it has no such form."""
    function = _TABLE.get(node.op)
    if function is None or len(node.outputs) != 1:
        return None
    result = function(node, *arguments)
    if result is None:
        return None
    result = integers(result)
    return result if result.size <= LARGEST else None


def _shape(node: Node, sizes: tuple[Any, ...]) -> Array:
    return integers(list(sizes)[slice(node.get("start", 0), node.get("end"))])


def _size(_: Node, sizes: tuple[Any, ...]) -> Array:
    return integers(math.prod(sizes))


def _truncated(a: Any, b: Any) -> Any:
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def _elementwise(function: Callable[..., Any], count: int) -> Callable[..., Array | None]:
    vectorized = np.frompyfunc(function, count, 1)
    return lambda _, *arrays: integers(vectorized(*arrays))


def _constant_of_shape(node: Node, sizes: Array) -> Array | None:
    value = node.get("value")
    if value is None or value.dtype != np.int64 or sizes.size != 1:
        return None
    return integers([int(value.reshape(-1)[0])] * ints(sizes)[0])


def _reshape(_: Node, data: Array, sizes: Array) -> Array | None:
    wanted = ints(sizes)
    return data.reshape(wanted) if 0 not in wanted else None


def _slice(_: Node, data: Array, starts: Array, ends: Array, *rest: Array | None) -> Array | None:
    if data.ndim != 1 or len(starts) != 1:  # then the axes, which come first of the rest, say nothing more
        return None
    step = ints(rest[1])[0] if len(rest) > 1 and rest[1] is not None else 1
    return data[starts[0] : ends[0] : step] if step > 0 else None


def _squeeze(_: Node, data: Array, axes: Array | None = None) -> Array:
    return np.squeeze(data, axis=None if axes is None else tuple(ints(axes)))


def _reduced(function: Callable[[list[Any]], Any]) -> Callable[..., Array | None]:
    def run(node: Node, data: Array, *_: Array | None) -> Array | None:
        if data.ndim != 1 or node.get("noop_with_empty_axes", 0):
            return None
        total = function(ints(data))
        return integers([total] if node.get("keepdims", 1) else total)

    return run


OF_SIZES: dict[str, Callable[[Node, tuple[Any, ...]], Array]] = {"Shape": _shape, "Size": _size}
"""What only looks at the sizes of its input."""

_TABLE: dict[str, Callable[..., Array | None]] = {
    "Add": _elementwise(lambda a, b: a + b, 2),
    "Cast": lambda node, data: data if node.get("to") == 7 else None,  # 7: TensorProto.INT64
    "Concat": lambda node, *arrays: np.concatenate(arrays, axis=node.get("axis")),
    "ConstantOfShape": _constant_of_shape,
    "Div": _elementwise(_truncated, 2),
    "Gather": lambda node, data, index: np.take(data, index.astype(np.int64), axis=node.get("axis", 0)),
    "Identity": lambda _, data: data,
    "Mul": _elementwise(lambda a, b: a * b, 2),
    "Neg": _elementwise(lambda a: -a, 1),
    "ReduceProd": _reduced(math.prod),
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _elementwise(lambda a, b: a - b, 2),
    "Unsqueeze": lambda _, data, axes: np.expand_dims(data, tuple(ints(axes))),
}
