"""Operators that work element by element."""

from collections.abc import Callable
from functools import reduce

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from burnish.runtime.torch_ops.node import Function, Node, without_node

_WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64}
_DTYPES = {"FLOAT": torch.float32, "DOUBLE": torch.float64}


def _widened(function: Callable[..., Tensor]) -> Function:
    """Compute in a wider dtype where torch has no arithmetic for 16- and 32-bit unsigned integers."""

    def run(_: Node, *tensors: Tensor) -> Tensor:
        dtype = tensors[0].dtype
        if dtype not in _WIDER:
            return function(*tensors)
        result = function(*(tensor.to(_WIDER[dtype]) for tensor in tensors))
        return result if result.dtype == torch.bool else result.to(dtype)

    return run


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _power(a: Tensor, b: Tensor) -> Tensor:
    return torch.pow(a, b).to(a.dtype)


def _clip(_: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    # the upper bound wins where the bounds cross, and NaN stays NaN
    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def _cast(node: Node, x: Tensor) -> Tensor:
    return x.to(torch_dtype(node.get("to")))


def _modulo(node: Node, a: Tensor, b: Tensor) -> Tensor:
    result: Tensor = _widened(torch.fmod if node.get("fmod", 0) else torch.remainder)(node, a, b)
    return result


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    return _widened(lambda *tensors: reduce(function, tensors))


def _mean(_: Node, *tensors: Tensor) -> Tensor:
    return reduce(torch.add, tensors) / len(tensors)


def _is_inf(node: Node, x: Tensor) -> Tensor:
    positive, negative = node.get("detect_positive", 1), node.get("detect_negative", 1)
    return (torch.isposinf(x) & bool(positive)) | (torch.isneginf(x) & bool(negative))


def torch_dtype(code: int) -> torch.dtype:
    """Return the torch dtype of an ONNX dtype code."""
    name = ir.DataType(code).name
    dtype: torch.dtype = _DTYPES.get(name) or getattr(torch, name.lower())
    return dtype


_UNARY: dict[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": functional.hardswish,
    "Identity": lambda x: x,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Mish": functional.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": functional.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}
_BINARY: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
    "Div": _divide,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Mul": torch.mul,
    "Or": torch.logical_or,
    "Pow": _power,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}

TABLE: dict[str, Function] = {
    **{name: without_node(function) for name, function in _UNARY.items()},
    **{name: _widened(function) for name, function in _BINARY.items()},
    "Cast": _cast,
    "CastLike": lambda _, x, like: x.to(like.dtype),
    "BitwiseNot": _widened(torch.bitwise_not),
    "Celu": lambda node, x: functional.celu(x, node.get("alpha", 1.0)),
    "Clip": _clip,
    "Elu": lambda node, x: functional.elu(x, node.get("alpha", 1.0)),
    "Gelu": lambda node, x: functional.gelu(x, approximate=node.get("approximate", "none")),
    "HardSigmoid": lambda node, x: torch.clamp(x * node.get("alpha", 0.2) + node.get("beta", 0.5), 0.0, 1.0),
    "IsInf": _is_inf,
    "LeakyRelu": lambda node, x: functional.leaky_relu(x, node.get("alpha", 0.01)),
    "Max": _many(torch.maximum),
    "Mean": _mean,
    "Min": _many(torch.minimum),
    "Mod": _modulo,
    "PRelu": lambda _, x, slope: torch.where(x >= 0, x, x * slope),
    "Selu": lambda node, x: (
        node.get("gamma", 1.0507009873554805) * functional.elu(x, node.get("alpha", 1.6732632423543772))
    ),
    "Sum": _many(torch.add),
    "Swish": lambda node, x: x * torch.sigmoid(node.get("alpha", 1.0) * x),
    "ThresholdedRelu": lambda node, x: torch.where(x > node.get("alpha", 1.0), x, torch.zeros_like(x)),
    "Where": lambda _, condition, a, b: torch.where(condition, a, b),
}
