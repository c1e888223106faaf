"""How many operations an operator does, by rules a kind of operator each.

A multiply-add counts as two operations, any other function of one number as one. An operator without a rule has
no count, which whoever asks must say; it is never zero.
"""

import math
from collections.abc import Callable, Sequence

import onnx_ir as ir

from burnish.graph.shapes import static_shape

Shape = tuple[int, ...]
Shapes = Sequence[Shape]
"""Of a node's inputs, absent ones left out, or of its outputs."""

VIEWS = frozenset("Constant Dropout Flatten Identity Reshape Shape Size Squeeze Unsqueeze".split())
"""Operators that read or write no element: they relabel what is there, or read a shape."""

_MOVES = VIEWS | frozenset(
    "Cast CastLike Compress Concat ConstantOfShape DepthToSpace Expand EyeLike Gather GatherElements GatherND "
    "NonZero OneHot Pad Range ReorderInput ReorderOutput Resize ReverseSequence ScatterElements ScatterND Slice "
    "SpaceToDepth Split Tile Transpose Trilu Unique Upsample Where".split()
)
# Operations per output element of element-wise operators; a transcendental function counts as one.
_ELEMENTWISE = {
    **dict.fromkeys(
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor "
        "Greater GreaterOrEqual IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow "
        "PRelu Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softsign Sqrt Sub Sum Tan Tanh ThresholdedRelu Xor "
        "QuantizeLinear DequantizeLinear QLinearAdd QLinearMul".split(),
        1,
    ),
    "BatchNormalization": 2,
    "BiasGelu": 5,
    "FastGelu": 5,
    "Gelu": 4,
    "QuickGelu": 3,
    "HardSigmoid": 2,
    "HardSwish": 3,
    "Mish": 5,
    "RotaryEmbedding": 3,
    "Softplus": 3,
    "Swish": 2,
}
# Operations per input element of reductions and normalisations.
_REDUCING = {
    **dict.fromkeys(
        "ArgMax ArgMin CumSum GlobalAveragePool GlobalMaxPool Hardmax ReduceL1 ReduceMax ReduceMean ReduceMin "
        "ReduceProd ReduceSum ReduceLogSum TopK QLinearGlobalAveragePool".split(),
        1,
    ),
    "ReduceL2": 2,
    "ReduceLogSumExp": 2,
    "ReduceSumSquare": 2,
    "Softmax": 5,
    "LogSoftmax": 5,
    "DynamicQuantizeLinear": 4,
    "LayerNormalization": 8,
    "SkipLayerNormalization": 9,
    "SimplifiedLayerNormalization": 5,
    "SkipSimplifiedLayerNormalization": 6,
    "MeanVarianceNormalization": 6,
    "LpNormalization": 3,
    "LRN": 6,
    "InstanceNormalization": 8,
    "GroupNormalization": 8,
    "RMSNormalization": 5,
}
_POOLS = ("MaxPool", "AveragePool", "LpPool")
_PAST_KEYS = {
    ("Attention", ""): 4,
    ("MultiHeadAttention", "com.microsoft"): 6,
    ("Attention", "com.microsoft"): 4,
}
"""Which input holds the keys of earlier calls."""
_DOMAINS = ("", "ai.onnx", "com.microsoft", "com.microsoft.nchwc")
"""Whose operators are known; elsewhere the same name may mean anything."""


def arithmetic(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> tuple[int, int] | None:
    """Return multiply-adds and operations; None for an operator without a rule."""
    op = node.op_type
    if node.domain not in _DOMAINS:
        return None
    if op in _MOVES:
        return 0, 0
    if op in _ELEMENTWISE:
        return 0, _ELEMENTWISE[op] * math.prod(shapes_out[0])
    if op in _REDUCING:
        return 0, _REDUCING[op] * math.prod(shapes_in[0])
    if op in _POOLS:
        return 0, math.prod(shapes_out[0]) * math.prod(node.attributes["kernel_shape"].as_ints())
    rule = _MULTIPLYING.get((op, node.domain)) or _MULTIPLYING.get((op, ""))
    macs = rule(node, shapes_in, shapes_out) if rule is not None else None
    return None if macs is None else (macs, 2 * macs)


def _conv(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:
    weight = shapes_in[3] if node.op_type == "QLinearConv" else shapes_in[1]
    return math.prod(shapes_out[0]) * math.prod(weight[1:])


def _conv_transpose(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:  # noqa: ARG001
    return math.prod(shapes_in[0]) * math.prod(shapes_in[1][1:])


def _matmul(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:  # noqa: ARG001
    return math.prod(shapes_out[0]) * (shapes_in[0][-1] if shapes_in[0] else 1)


def _fused_matmul(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:
    transposed = node.attributes.get_int("transA", 0)
    return math.prod(shapes_out[0]) * (shapes_in[0][-2] if transposed else shapes_in[0][-1])


def _gemm(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:
    transposed = node.attributes.get_int("transA", 0)
    return math.prod(shapes_out[0]) * shapes_in[0][0 if transposed else 1]


def _recurrent(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:  # noqa: ARG001
    steps, batch, _ = shapes_in[0]
    return steps * batch * (math.prod(shapes_in[1]) + math.prod(shapes_in[2]))


def _attention(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int | None:
    """Count softmax(q k) v; q, k and v are [batch, heads, rows, depth] or [batch, rows, heads * depth]."""
    if any(value is None for value in node.inputs[:3]) or len(node.inputs) < 3:
        return None  # packed in one
    query, key = shapes_in[:2]
    if {len(shape) for shape in shapes_in[:3]} not in ({3}, {4}):
        return None
    return (math.prod(query) + math.prod(shapes_out[0])) * (key[-2] + _past_rows(node))


def _past_rows(node: ir.Node) -> int:
    """Return how many rows of keys earlier calls left; they are [..., rows, depth]."""
    place = _PAST_KEYS.get((node.op_type, node.domain))
    past = node.inputs[place] if place is not None and len(node.inputs) > place else None
    shape = static_shape(past) if past is not None else None
    return shape[-2] if shape else 0


def _attention_with_projection(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int:
    """Count ONNX Runtime's Attention, which makes q, k and v of its input by one product."""
    rows = shapes_in[0][-2] + _past_rows(node)
    return math.prod(shapes_in[0]) * shapes_in[1][1] + 2 * math.prod(shapes_out[0]) * rows


def _einsum(node: ir.Node, shapes_in: Shapes, shapes_out: Shapes) -> int | None:  # noqa: ARG001
    """Count every combination of the labels once for each product of two operands."""
    terms = node.attributes["equation"].as_string().replace(" ", "").partition("->")[0].split(",")
    if len(terms) < 2:
        return None  # a sum or a move, by its labels
    if any("." in term or len(term) != len(shape) for term, shape in zip(terms, shapes_in, strict=True)):
        return None
    sizes = {
        label: size
        for term, shape in zip(terms, shapes_in, strict=True)
        for label, size in zip(term, shape, strict=True)
    }
    return (len(terms) - 1) * math.prod(sizes.values())


_MULTIPLYING: dict[tuple[str, str], Callable[[ir.Node, Shapes, Shapes], int | None]] = {
    **dict.fromkeys(
        [(op, "") for op in ("Conv", "ConvInteger", "QLinearConv", "FusedConv", "NhwcFusedConv")], _conv
    ),
    **dict.fromkeys(
        [(op, "") for op in ("MatMul", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul")], _matmul
    ),
    **dict.fromkeys([(op, "") for op in ("Gemm", "FusedGemm")], _gemm),
    **dict.fromkeys([(op, "") for op in ("LSTM", "GRU", "RNN")], _recurrent),
    ("ConvTranspose", ""): _conv_transpose,
    ("FusedMatMul", ""): _fused_matmul,
    ("Attention", ""): _attention,
    ("MultiHeadAttention", ""): _attention,
    ("Attention", "com.microsoft"): _attention_with_projection,
    ("Einsum", ""): _einsum,
}
