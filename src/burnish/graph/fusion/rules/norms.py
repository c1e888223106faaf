"""Normalization over the last axes, written out in primitives."""

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import onnx_ir as ir

from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.rewriting import Rule, rewrite, rules
from burnish.graph.fusion.values import attribute, constant, dims, scalar

_STASH = {ir.DataType.FLOAT, ir.DataType.DOUBLE}
# How the deviation is squared, and how it is divided.
_SQUARES: tuple[Callable[[Any, Any, Any], Any], ...] = (
    lambda op, d, two: op.Pow(d, two),
    lambda op, d, _: op.Mul(d, d),
)
_QUOTIENTS: tuple[Callable[[Any, Any, Any], Any], ...] = (
    lambda op, d, root: op.Div(d, root),
    lambda op, d, root: op.Mul(d, op.Reciprocal(root)),
)


def _mean(op: Any, x: Any, name: str) -> Any:
    return op.ReduceMean(x, _allow_other_inputs=True, _outputs=[name])


def _layer_norm(square: Any, quotient: Any) -> Any:
    def target(op: Any, x: Any, two: Any, epsilon: Any, scale: Any) -> Any:
        deviation = op.Sub(x, _mean(op, x, "mean"))
        variance = _mean(op, square(op, deviation, two), "variance")
        return op.Mul(quotient(op, deviation, op.Sqrt(op.Add(variance, epsilon))), scale)

    return target


def _layer_norm_check(
    _: object,
    x: ir.Value,
    epsilon: ir.Value,
    scale: ir.Value,
    mean: ir.Value,
    variance: ir.Value,
    two: ir.Value | None = None,
) -> bool:
    number = scalar(epsilon, x)
    return (
        x.dtype in _STASH
        and _over_last_axis(mean, x)
        and _over_last_axis(variance, x)
        and (two is None or scalar(two, x) == 2)
        and number is not None
        and number >= 0
        and _fits_last_axis(scale, x)
    )


def _over_last_axis(mean: ir.Value, x: ir.Value) -> bool:
    """Tell whether a ReduceMean is over the last axis alone and keeps it; the axes may be attribute or input."""
    node = mean.producer()
    if node is None or x.shape is None or not attribute(node, "keepdims", 1):
        return False
    axes = attribute(node, "axes")
    if axes is None and len(node.inputs) > 1:
        axes = constant(node.inputs[1])
    return axes is not None and [int(axis) for axis in axes] in ([-1], [len(x.shape) - 1])


def _fits_last_axis(value: ir.Value | None, x: ir.Value) -> bool:
    """Tell whether a scale or bias is one number for each position of x's last axis."""
    own, of = dims(value), dims(x)
    return (
        value is not None
        and own is not None
        and bool(of)
        and len(own) == 1
        and isinstance(own[0], int)
        and of is not None
        and own[0] == of[-1]
        and value.dtype == x.dtype
    )


def _write_layer_norm(op: Any, x: ir.Value, epsilon: ir.Value, scale: ir.Value, **_: Any) -> Any:
    kind = int(x.dtype or ir.DataType.FLOAT)
    return op.LayerNormalization(x, scale, axis=-1, epsilon=scalar(epsilon, x), stash_type=kind)


def _biased(op: Any, x: Any, scale: Any, bias: Any) -> Any:
    return op.Add(op.LayerNormalization(x, scale, _outputs=["normal"]), bias)


def _write_biased(op: Any, x: Any, scale: Any, bias: Any, normal: ir.Value) -> Any:
    node = cast("ir.Node", normal.producer())
    return op.LayerNormalization(x, scale, bias, **node.attributes)


def _biased_check(_: object, x: ir.Value, bias: ir.Value, normal: ir.Value, **__: Any) -> bool:
    node = normal.producer()
    return node is not None and attribute(node, "axis", -1) == -1 and _fits_last_axis(bias, x)


def layer_norm_rules() -> list[Rule]:
    """Return rules for LayerNormalization.

    Those of the library know the axes as an input only, which came with opset 18, and take any scale and bias.
    """
    found = [
        rule
        for square in _SQUARES
        for quotient in _QUOTIENTS
        for rule in rules(
            "LayerNorm in primitives",
            "Mul",
            _layer_norm(square, quotient),
            _write_layer_norm,
            _layer_norm_check,
        )
    ]
    return [*found, *rules("LayerNormalization + bias", "Add", _biased, _write_biased, _biased_check)]


def _rms_norm(square: Any, quotient: Any) -> Any:
    def target(op: Any, x: Any, two: Any, epsilon: Any, scale: Any) -> Any:
        mean = _mean(op, square(op, x, two), "mean")
        return op.Mul(quotient(op, x, op.Sqrt(op.Add(mean, epsilon))), scale)

    return target


def _rms_norm_check(
    _: object, x: ir.Value, epsilon: ir.Value, scale: ir.Value, mean: ir.Value, two: ir.Value | None = None
) -> bool:
    return _layer_norm_check(None, x, epsilon, scale, mean, mean, two)


def _write_rms_norm(op: Any, x: ir.Value, epsilon: ir.Value, scale: ir.Value, **_: Any) -> Any:
    kind = int(x.dtype or ir.DataType.FLOAT)
    return op.RMSNormalization(x, scale, axis=-1, epsilon=scalar(epsilon, x), stash_type=kind)


def _layer_norms(model: ir.Model) -> Counter[str]:
    return rewrite(model, layer_norm_rules())


def _rms_norms(model: ir.Model) -> Counter[str]:
    wanted: list[Rule] = []
    for square in _SQUARES:
        for quotient in _QUOTIENTS:
            wanted += rules(
                "RMS norm in primitives", "Mul", _rms_norm(square, quotient), _write_rms_norm, _rms_norm_check
            )
    return rewrite(model, wanted)


PASSES = (
    Contract(
        name="layernorm",
        about="write layer normalization as one operator",
        apply=_layer_norms,
        opset=17,
    ),
    Contract(
        name="rmsnorm",
        about="write RMS normalization as one operator",
        apply=_rms_norms,
        opset=23,
    ),
)
