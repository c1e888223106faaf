"""ONNX operators as torch functions, for the back end that carries a graph out node by node.

Each function takes the node, for its attributes, and the input tensors (None for an omitted one), and returns
one tensor or a tuple. Semantics: the ONNX operator specification, opset 13 and later.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from burnish.plugins import require

Tensor = Any
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One node as plain data."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default when the node does not set it."""
        return self.attributes.get(name, default)


@cache
def table() -> dict[str, Function]:
    """Return the function of every operator that the torch back end knows."""
    return {**_elementwise(), **_shaping(), **_reducing(), **_neural(), **_quantized()}


def _torch() -> Any:
    return require("torch", extra="compress", need="the back end 'torch'")


def _ints(tensor: Tensor) -> list[int]:
    return [int(i) for i in tensor.reshape(-1).tolist()]


def _elementwise() -> dict[str, Function]:
    torch = _torch()
    functional = torch.nn.functional
    unary = {
        "Abs": torch.abs,
        "Ceil": torch.ceil,
        "Cos": torch.cos,
        "Erf": torch.erf,
        "Exp": torch.exp,
        "Floor": torch.floor,
        "Identity": lambda x: x,
        "Log": torch.log,
        "Neg": torch.neg,
        "Not": torch.logical_not,
        "Reciprocal": torch.reciprocal,
        "Relu": functional.relu,
        "Round": torch.round,
        "Sigmoid": torch.sigmoid,
        "Sign": torch.sign,
        "Sin": torch.sin,
        "Softplus": functional.softplus,
        "Sqrt": torch.sqrt,
        "Tanh": torch.tanh,
        "HardSwish": functional.hardswish,
    }
    binary = {
        "Add": torch.add,
        "And": torch.logical_and,
        "Equal": torch.eq,
        "Greater": torch.gt,
        "GreaterOrEqual": torch.ge,
        "Less": torch.lt,
        "LessOrEqual": torch.le,
        "Mul": torch.mul,
        "Or": torch.logical_or,
        "Pow": lambda a, b: torch.pow(a, b).to(a.dtype),
        "Sub": torch.sub,
        "Xor": torch.logical_xor,
    }

    def div(_: Node, a: Tensor, b: Tensor) -> Tensor:
        return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")

    def clip(_: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        return x if low is None and high is None else torch.clamp(x, low, high)

    def cast(node: Node, x: Tensor) -> Tensor:
        return x.to(_dtype(node.get("to")))

    return {
        **{name: _drop_node(function) for name, function in (unary | binary).items()},
        "Cast": cast,
        "Clip": clip,
        "Div": div,
        "Elu": lambda node, x: functional.elu(x, node.get("alpha", 1.0)),
        "Gelu": lambda node, x: functional.gelu(x, approximate=_text(node.get("approximate", "none"))),
        "HardSigmoid": lambda node, x: torch.clamp(
            x * node.get("alpha", 0.2) + node.get("beta", 0.5), 0.0, 1.0
        ),
        "LeakyRelu": lambda node, x: functional.leaky_relu(x, node.get("alpha", 0.01)),
        "Max": lambda _, *xs: _fold(torch.maximum, xs),
        "Min": lambda _, *xs: _fold(torch.minimum, xs),
        "Mod": lambda node, a, b: torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b),
        "PRelu": lambda _, x, slope: torch.where(x >= 0, x, x * slope),
        "Swish": lambda node, x: x * torch.sigmoid(node.get("alpha", 1.0) * x),
        "Where": lambda _, condition, a, b: torch.where(condition, a, b),
    }


def _shaping() -> dict[str, Function]:
    torch = _torch()

    def constant(node: Node) -> Tensor:
        (value,) = (item for name, item in node.attributes.items() if name.startswith("value"))
        return torch.as_tensor(value)

    def reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
        sizes = _ints(shape)
        if not node.get("allowzero", 0):
            sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
        return x.reshape(sizes)

    def flatten(node: Node, x: Tensor) -> Tensor:
        axis = node.get("axis", 1) % (x.dim() + 1)
        return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))

    def squeeze(_: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
        return x.squeeze() if axes is None else x.squeeze(tuple(_ints(axes)))

    def unsqueeze(_: Node, x: Tensor, axes: Tensor) -> Tensor:
        rank = x.dim() + axes.numel()
        for axis in sorted(axis % rank for axis in _ints(axes)):
            x = x.unsqueeze(axis)
        return x

    def slice_(
        _: Node,
        x: Tensor,
        starts: Tensor,
        ends: Tensor,
        axes: Tensor | None = None,
        steps: Tensor | None = None,
    ) -> Tensor:
        first, last = _ints(starts), _ints(ends)
        dims = _ints(axes) if axes is not None else list(range(len(first)))
        strides = _ints(steps) if steps is not None else [1] * len(first)
        for dim, begin, end, stride in zip(dims, first, last, strides, strict=True):
            picked = range(x.shape[dim])[slice(begin, end if end > -(2**31) else None, stride)]
            if stride > 0:
                x = x.narrow(dim, picked.start, max(0, picked.stop - picked.start))
                x = x[(slice(None),) * (dim % x.dim()) + (slice(None, None, stride),)]
            else:
                x = x.index_select(dim, torch.tensor(list(picked), device=x.device))
        return x

    def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        axis = node.get("axis", 0)
        if sizes is not None:
            return tuple(torch.split(x, _ints(sizes), dim=axis))
        return tuple(torch.split(x, math.ceil(x.shape[axis] / len(node.outputs)), dim=axis))

    def gather(node: Node, x: Tensor, index: Tensor) -> Tensor:
        axis = node.get("axis", 0) % x.dim()
        flat = torch.where(index < 0, index + x.shape[axis], index).reshape(-1).long()
        picked = x.index_select(axis, flat)
        return picked.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])

    def pad(
        node: Node, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
    ) -> Tensor:
        amounts = _ints(pads)
        dims = [axis % x.dim() for axis in _ints(axes)] if axes is not None else list(range(x.dim()))
        both = [[0, 0] for _ in range(x.dim())]
        for i, dim in enumerate(dims):
            both[dim] = [amounts[i], amounts[i + len(dims)]]
        flat = [amount for pair in reversed(both) for amount in pair]
        mode = _text(node.get("mode", "constant"))
        if mode == "constant":
            return torch.nn.functional.pad(x, flat, value=0 if value is None else value.item())
        while len(flat) > 2 and flat[-2:] == [0, 0]:
            flat = flat[:-2]
        return torch.nn.functional.pad(x, flat, mode={"edge": "replicate"}.get(mode, mode))

    def constant_of_shape(node: Node, shape: Tensor) -> Tensor:
        value = torch.as_tensor(node.get("value", [0.0]))
        return value.reshape(()).expand(_ints(shape)).clone()

    def shape_of(node: Node, x: Tensor) -> Tensor:
        return torch.tensor(list(x.shape)[slice(node.get("start", 0), node.get("end"))], dtype=torch.int64)

    return {
        "Concat": lambda node, *xs: torch.cat(xs, dim=node.get("axis")),
        "Constant": constant,
        "ConstantOfShape": constant_of_shape,
        "Expand": lambda _, x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(_ints(shape)))),
        "Flatten": flatten,
        "Gather": gather,
        "Pad": pad,
        "Range": lambda _, start, limit, delta: torch.arange(
            start.item(), limit.item(), delta.item(), dtype=start.dtype
        ),
        "Reshape": reshape,
        "Shape": shape_of,
        "Size": lambda _, x: torch.tensor(x.numel()),
        "Slice": slice_,
        "Split": split,
        "Squeeze": squeeze,
        "Tile": lambda _, x, repeats: x.repeat(_ints(repeats)),
        "Transpose": lambda node, x: x.permute(node.get("perm") or list(reversed(range(x.dim())))),
        "Unsqueeze": unsqueeze,
    }


def _reducing() -> dict[str, Function]:
    torch = _torch()

    def reduce(function: Function) -> Function:
        def run(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
            dims = _ints(axes) if axes is not None else list(node.get("axes") or [])
            if not dims:
                if node.get("noop_with_empty_axes", 0):
                    return x
                dims = list(range(x.dim()))
            return function(x, dims, bool(node.get("keepdims", 1)))

        return run

    def arg(function: Function) -> Function:
        def run(node: Node, x: Tensor) -> Tensor:
            axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
            if node.get("select_last_index", 0):
                return x.shape[axis] - 1 - function(x.flip(axis), dim=axis, keepdim=keep)
            return function(x, dim=axis, keepdim=keep)

        return run

    def cumulative_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
        dim = int(axis.item())
        x = x.flip(dim) if node.get("reverse", 0) else x
        total = torch.cumsum(x, dim)
        total = total - x if node.get("exclusive", 0) else total
        return total.flip(dim) if node.get("reverse", 0) else total

    return {
        "ArgMax": arg(torch.argmax),
        "ArgMin": arg(torch.argmin),
        "CumSum": cumulative_sum,
        "LogSoftmax": lambda node, x: torch.log_softmax(x, dim=node.get("axis", -1)),
        "ReduceL1": reduce(lambda x, dims, keep: x.abs().sum(dims, keepdim=keep)),
        "ReduceL2": reduce(lambda x, dims, keep: x.square().sum(dims, keepdim=keep).sqrt()),
        "ReduceMax": reduce(lambda x, dims, keep: torch.amax(x, dims, keepdim=keep)),
        "ReduceMean": reduce(lambda x, dims, keep: x.mean(dims, keepdim=keep)),
        "ReduceMin": reduce(lambda x, dims, keep: torch.amin(x, dims, keepdim=keep)),
        "ReduceSum": reduce(lambda x, dims, keep: x.sum(dims, keepdim=keep)),
        "ReduceSumSquare": reduce(lambda x, dims, keep: x.square().sum(dims, keepdim=keep)),
        "Softmax": lambda node, x: torch.softmax(x, dim=node.get("axis", -1)),
    }


def _neural() -> dict[str, Function]:
    torch = _torch()
    functional = torch.nn.functional

    def conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = x.dim() - 2
        dilations = node.get("dilations") or [1] * rank
        strides = node.get("strides") or [1] * rank
        reach = [(size - 1) * dilation for size, dilation in zip(weight.shape[2:], dilations, strict=True)]
        begin, end = _padding(node, x.shape[2:], reach, strides)
        if begin != end:
            x, begin = functional.pad(x, _interleave(begin, end)), [0] * rank
        function = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
        return function(x, weight, bias, strides, begin, dilations, node.get("group", 1))

    def pool(node: Node, x: Tensor, *, average: bool) -> Tensor:
        kernel = node.get("kernel_shape")
        rank = len(kernel)
        strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
        reach = [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]
        begin, end = _padding(node, x.shape[2:], reach, strides)
        ceil = bool(node.get("ceil_mode", 0))
        if average:
            function = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[rank - 1]
            include = bool(node.get("count_include_pad", 0))
            if begin == end:
                return function(x, kernel, strides, begin, ceil, include)
            amounts = _interleave(begin, end)
            total = function(functional.pad(x, amounts), kernel, strides, 0, ceil, True)
            if include:
                return total
            return total / function(
                functional.pad(torch.ones_like(x), amounts), kernel, strides, 0, ceil, True
            )
        function = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[rank - 1]
        if begin != end or any(2 * amount > size for amount, size in zip(begin, kernel, strict=True)):
            x, begin = functional.pad(x, _interleave(begin, end), value=-math.inf), [0] * rank
        return function(x, kernel, strides, begin, dilations, ceil)

    def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a = a.T if node.get("transA", 0) else a
        b = b.T if node.get("transB", 0) else b
        product = node.get("alpha", 1.0) * (a @ b) if node.get("alpha", 1.0) != 1.0 else a @ b
        return product if c is None else product + node.get("beta", 1.0) * c

    def batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return functional.batch_norm(x, mean, var, scale, bias, False, 0.0, node.get("epsilon", 1e-5))

    def layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
        axis = node.get("axis", -1) % x.dim()
        return functional.layer_norm(x, x.shape[axis:], scale, bias, node.get("epsilon", 1e-5))

    def instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return functional.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))

    def global_pool(function: Function) -> Function:
        return lambda _, x: function(x, tuple(range(2, x.dim())), keepdim=True)

    return {
        "AveragePool": lambda node, x: pool(node, x, average=True),
        "BatchNormalization": batch_norm,
        "Conv": conv,
        "Dropout": lambda _, x, *rest: x,  # noqa: ARG005 - inference mode: the identity
        "Gemm": gemm,
        "GlobalAveragePool": global_pool(torch.mean),
        "GlobalMaxPool": global_pool(torch.amax),
        "InstanceNormalization": instance_norm,
        "LayerNormalization": layer_norm,
        "MatMul": lambda _, a, b: torch.matmul(a, b),
        "MaxPool": lambda node, x: pool(node, x, average=False),
    }


def _quantized() -> dict[str, Function]:
    torch = _torch()
    limits = {torch.int8: (-128, 127), torch.uint8: (0, 255), torch.int32: (-(2**31), 2**31 - 1)}

    def along(node: Node, parameter: Tensor, rank: int) -> Tensor:
        if parameter.dim() == 0 or rank == 0:
            return parameter
        sizes = [1] * rank
        sizes[node.get("axis", 1) % rank] = -1
        return parameter.reshape(sizes)

    def quantize(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        dtype = zero.dtype if zero is not None else torch.uint8
        low, high = limits[dtype]
        scaled = torch.round(x / along(node, scale, x.dim()))
        if zero is not None:
            scaled = scaled + along(node, zero, x.dim())
        return scaled.clamp(low, high).to(dtype)

    def dequantize(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        shifted = x.to(torch.int32) if zero is None else x.to(torch.int32) - along(node, zero, x.dim()).int()
        return shifted.to(scale.dtype) * along(node, scale, x.dim())

    return {"QuantizeLinear": quantize, "DequantizeLinear": dequantize}


def _padding(
    node: Node, sizes: tuple[int, ...], reach: list[int], strides: list[int]
) -> tuple[list[int], list[int]]:
    """Return the padding before and after each spatial axis."""
    rank = len(sizes)
    mode = _text(node.get("auto_pad", "NOTSET"))
    if mode in ("NOTSET", "VALID"):
        pads = node.get("pads") if mode == "NOTSET" else None
        pads = pads or [0] * (2 * rank)
        return list(pads[:rank]), list(pads[rank:])
    total = [
        max(0, (math.ceil(size / stride) - 1) * stride + 1 + span - size)
        for size, span, stride in zip(sizes, reach, strides, strict=True)
    ]
    small = [amount // 2 for amount in total]
    large = [amount - half for amount, half in zip(total, small, strict=True)]
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def _interleave(begin: list[int], end: list[int]) -> list[int]:
    """Order padding as torch wants it: last axis first, before and after in turn."""
    return [amount for pair in zip(reversed(begin), reversed(end), strict=True) for amount in pair]


def _drop_node(function: Function) -> Function:
    return lambda _, *tensors: function(*tensors)


def _fold(function: Function, tensors: tuple[Tensor, ...]) -> Tensor:
    first, *rest = tensors
    for tensor in rest:
        first = function(first, tensor)
    return first


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _dtype(code: int) -> Any:
    import onnx_ir as ir

    torch = _torch()
    names = {"FLOAT": "float32", "DOUBLE": "float64"}
    name = ir.DataType(code).name
    return getattr(torch, names.get(name, name.lower()))
