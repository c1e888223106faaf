"""Which operators can share memory between an input and an output, from their ONNX definitions.

An operator that is not named here shares nothing.
"""

import math
from collections.abc import Callable, Sequence

import onnx_ir as ir

from burnish.graph.memory.program import View

Shape = tuple[int, ...]

# Each output element depends on the input elements at the same place alone.
ELEMENTWISE = frozenset(
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr "
    "BitwiseXor Cast Ceil Celu Clip Cos Cosh DequantizeLinear Div Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg "
    "Not Or PRelu Pow QuantizeLinear Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt "
    "Sub Sum Swish Tan Tanh ThresholdedRelu Xor".split()
)
# With more than two inputs a kernel may fold them in one after another: the third must outlive the first result.
_VARIADIC = frozenset("Max Mean Min Sum".split())
_RELABELS = frozenset("Flatten Identity Reshape Squeeze Unsqueeze".split())


def views(node: ir.Node, shapes: Sequence[Shape | None], sizes: Sequence[int | None]) -> dict[int, View]:
    """Return which outputs, by index, are bytes of the first input.

    Args:
        node: An operator of the ONNX domain.
        shapes: Of its inputs and then its outputs; None where unknown.
        sizes: Their bytes, in the same order.
    """
    source, outputs = node.inputs[0] if node.inputs else None, range(len(node.outputs))
    if source is None or source.name is None or shapes[0] is None or sizes[0] is None:
        return {}
    after = len(node.inputs)
    if node.op_type in _RELABELS or _MOVES_NOTHING.get(node.op_type, _never)(node, shapes):
        return {0: View(source.name)} if sizes[after] == sizes[0] else {}
    if node.op_type == "Split":
        lengths = sizes[after:]
        axis = _axis(node, shapes[0], default=0)
        if _leading(shapes[0], axis) and None not in lengths:
            starts = [sum(length or 0 for length in lengths[:i]) for i in outputs]
            return {i: View(source.name, start) for i, start in zip(outputs, starts, strict=True)}
    if node.op_type == "Slice":
        start = _slice_start(node, shapes[0], shapes[after])
        if start is not None:
            return {0: View(source.name, sizes[0] // shapes[0][start[0]] * start[1])}
    return {}


def joins(node: ir.Node, shapes: Sequence[Shape | None], sizes: Sequence[int | None]) -> dict[str, View]:
    """Return where each input of a Concat lies inside its output, when each lies there in one piece."""
    names = [value.name for value in node.inputs if value is not None and value.name]
    target = node.outputs[0].name if node.op_type == "Concat" else None
    first, lengths = shapes[0] if shapes else None, sizes[: len(node.inputs)]
    if not target or first is None or None in lengths or len(set(names)) != len(node.inputs):
        return {}
    if not _leading(first, _axis(node, first, default=0)):
        return {}
    starts = [sum(length or 0 for length in lengths[:i]) for i in range(len(names))]
    return {name: View(target, start) for name, start in zip(names, starts, strict=True)}


def in_place(node: ir.Node, shapes: Sequence[Shape | None], sizes: Sequence[int | None]) -> list[str]:
    """Return the inputs that the output may overwrite: as many elements, as many bytes."""
    if node.op_type not in ELEMENTWISE or len([value for value in node.outputs if value.name]) != 1:
        return []
    after, fit = len(node.inputs), []
    inputs = node.inputs[:2] if node.op_type in _VARIADIC else node.inputs
    for index, value in enumerate(inputs):
        same = shapes[index] == shapes[after] and sizes[index] == sizes[after]
        if same and sizes[index] is not None and value is not None and value.name:
            fit.append(value.name)
    return fit


def _never(node: ir.Node, shapes: Sequence[Shape | None]) -> bool:  # noqa: ARG001
    return False


def _keeps_order(node: ir.Node, shapes: Sequence[Shape | None]) -> bool:
    """Tell whether a Transpose moves dimensions of one element only."""
    shape = shapes[0] or ()
    order = node.attributes.get_ints("perm", list(reversed(range(len(shape)))))
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)


def _same_shape(node: ir.Node, shapes: Sequence[Shape | None]) -> bool:
    return shapes[0] == shapes[len(node.inputs)]


def _same_dtype(node: ir.Node, shapes: Sequence[Shape | None]) -> bool:  # noqa: ARG001
    return node.inputs[0] is not None and node.inputs[0].dtype == node.outputs[0].dtype


def _only_infers(node: ir.Node, shapes: Sequence[Shape | None]) -> bool:  # noqa: ARG001
    """Tell whether a Dropout passes its input on: neither in training nor asked for its mask."""
    training = node.inputs[2] if len(node.inputs) > 2 else None
    return training is None and len([value for value in node.outputs if value.name]) == 1


_MOVES_NOTHING: dict[str, Callable[[ir.Node, Sequence[Shape | None]], bool]] = {
    "Transpose": _keeps_order,
    "Expand": _same_shape,
    "Cast": _same_dtype,
    "Dropout": _only_infers,
}


def _axis(node: ir.Node, shape: Shape, *, default: int) -> int:
    return node.attributes.get_int("axis", default) % max(1, len(shape))


def _leading(shape: Shape, axis: int) -> bool:
    """Tell whether cutting along the axis leaves pieces without gaps."""
    return math.prod(shape[:axis]) == 1


def _slice_start(node: ir.Node, shape: Shape, result: Shape | None) -> tuple[int, int] | None:
    """Return axis and first index of a Slice that takes one piece without gaps, or None."""
    if len(node.inputs) < 3 or result is None or 0 in shape:
        return None
    parts = [None if value is None else _constant(value) for value in node.inputs[1:]]
    starts, axes, steps = parts[0], *(parts[i] if len(parts) > i else None for i in (2, 3))
    given = [value is not None for value in node.inputs[1:]]
    if starts is None or (len(given) > 2 and given[2] and axes is None):
        return None
    if len(given) > 3 and given[3] and (steps is None or set(steps) != {1}):
        return None
    axes = axes if axes is not None else list(range(len(starts)))
    cut = [(axis % len(shape), start) for axis, start in zip(axes, starts, strict=True)]
    cut = [(axis, start) for axis, start in cut if result[axis] != shape[axis]]
    if len(cut) != 1 or not _leading(shape, cut[0][0]) or 0 in result:
        return None
    axis, start = cut[0]
    length = shape[axis]
    return axis, min(max(start + length if start < 0 else start, 0), length)


def _constant(value: ir.Value) -> list[int] | None:
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else [int(number) for number in tensor.numpy().ravel()]
