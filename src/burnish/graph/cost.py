"""What a graph costs: multiply-adds, operations and bytes of every node, for a given batch.

An operator without a rule is counted and named in `GraphCost.uncosted`; it is never silently zero.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from burnish.graph.shapes import sized_model, static_shape

Shape = tuple[int, ...]

# Operators that move or relabel data without arithmetic.
_MOVES = frozenset(
    "Cast CastLike Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand EyeLike Flatten Gather "
    "GatherElements GatherND Identity NonZero OneHot Pad Range Reshape Resize ReverseSequence ScatterElements "
    "ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile Transpose Trilu Unique Unsqueeze Where".split()
)
# Operations per output element of element-wise operators; a transcendental function counts as one.
_ELEMENTWISE = {
    **dict.fromkeys(
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Greater "
        "GreaterOrEqual IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow PRelu "
        "Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softsign Sqrt Sub Sum Tan Tanh ThresholdedRelu Xor "
        "QuantizeLinear DequantizeLinear".split(),
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
    "Softplus": 3,
    "Swish": 2,
}
# Operations per input element of reductions and normalisations.
_REDUCING = {
    **dict.fromkeys(
        "ArgMax ArgMin CumSum GlobalAveragePool GlobalMaxPool Hardmax ReduceL1 ReduceMax ReduceMean ReduceMin "
        "ReduceProd ReduceSum".split(),
        1,
    ),
    "ReduceL2": 2,
    "ReduceLogSum": 1,
    "ReduceLogSumExp": 2,
    "ReduceSumSquare": 2,
    "Softmax": 5,
    "LogSoftmax": 5,
    "DynamicQuantizeLinear": 4,
    "LayerNormalization": 8,
    "SkipLayerNormalization": 9,
    "MeanVarianceNormalization": 6,
    "LpNormalization": 3,
    "LRN": 6,
    "InstanceNormalization": 8,
    "GroupNormalization": 8,
    "RMSNormalization": 5,
    "TopK": 1,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work costs."""

    name: str
    op: str
    macs: int
    """Multiply-adds; two operations each."""
    flops: int
    bytes: int
    """Bytes of all inputs, weights included, and outputs: each read or written once."""
    parameters: int

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True, slots=True)
class NodeCost(Cost):
    """The cost of one node."""

    index: int = 0
    """Its place among the nodes of the graph."""


@dataclass(frozen=True, slots=True)
class OperatorCost(Cost):
    """The cost of all nodes of one operator; a weight that two nodes read counts twice."""

    count: int = 0


@dataclass(frozen=True)
class GraphCost:
    """The cost of every node, and what could not be costed."""

    nodes: tuple[NodeCost, ...]
    uncosted: dict[str, int]
    """Operators without a rule, or with shapes that could not be inferred, and how often each occurs."""

    @cached_property
    def macs(self) -> int:
        """Multiply-adds of the whole graph."""
        return sum(node.macs for node in self.nodes)

    @cached_property
    def flops(self) -> int:
        """Operations of the whole graph."""
        return sum(node.flops for node in self.nodes)

    @cached_property
    def bytes(self) -> int:
        """Bytes moved when every node reads and writes memory once."""
        return sum(node.bytes for node in self.nodes)

    def by_operator(self) -> tuple[OperatorCost, ...]:
        """Return the cost of each operator, the most operations first."""
        groups: dict[str, list[NodeCost]] = {}
        for node in self.nodes:
            groups.setdefault(node.op, []).append(node)
        summed = (
            OperatorCost(
                op,
                op,
                sum(node.macs for node in nodes),
                sum(node.flops for node in nodes),
                sum(node.bytes for node in nodes),
                sum(node.parameters for node in nodes),
                len(nodes),
            )
            for op, nodes in groups.items()
        )
        return tuple(sorted(summed, key=lambda cost: (-cost.flops, -cost.bytes, cost.op)))


def cost_of(model: ir.Model, *, batch: int, sizes: Mapping[str, int]) -> GraphCost:
    """Cost every node of the main graph.

    Args:
        model: What to cost.
        batch: Size of every symbolic leading dimension of an input.
        sizes: Sizes of the other symbolic dimensions.

    Raises:
        ShapeError: A symbolic dimension has no size.
    """
    return cost_of_sized(sized_model(model, batch=batch, sizes=sizes))


def cost_of_sized(sized: ir.Model) -> GraphCost:
    """Cost every node of the main graph of what `sized_model` returned."""
    costs, uncosted = [], Counter[str]()
    for index, node in enumerate(sized.graph):
        cost = _node_cost(node, index)
        if cost is None:
            uncosted[node.op_type] += 1
        else:
            costs.append(cost)
    return GraphCost(tuple(costs), dict(uncosted))


def _node_cost(node: ir.Node, index: int) -> NodeCost | None:
    inputs = [value for value in node.inputs if value is not None]
    shapes_in = [static_shape(value) for value in inputs]
    shapes_out = [static_shape(value) for value in node.outputs if value.name]
    if any(shape is None for shape in (*shapes_in, *shapes_out)):
        return None
    known_in = [shape for shape in shapes_in if shape is not None]
    known_out = [shape for shape in shapes_out if shape is not None]
    work = _work(node, known_in, known_out)
    if work is None:
        return None
    macs, flops = work
    sizes = [_bytes(value) for value in (*inputs, *node.outputs)]
    parameters = sum(
        math.prod(static_shape(value) or ()) for value in inputs if value.const_value is not None
    )
    name = node.name or f"{node.op_type}_{index}"
    return NodeCost(name, node.op_type, macs, flops, sum(sizes), parameters, index)


def _work(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> tuple[int, int] | None:
    op = node.op_type
    if op in _MOVES:
        return 0, 0
    if op in _ELEMENTWISE:
        return 0, _ELEMENTWISE[op] * math.prod(shapes_out[0])
    if op in _REDUCING:
        return 0, _REDUCING[op] * math.prod(shapes_in[0])
    if op in ("MaxPool", "AveragePool"):
        kernel = node.attributes["kernel_shape"].as_ints()
        return 0, math.prod(shapes_out[0]) * math.prod(kernel)
    rule = _MULTIPLYING.get(op)
    if rule is None:
        return None
    macs = rule(node, shapes_in, shapes_out)
    return macs, 2 * macs


def _conv(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> int:
    weight = shapes_in[3] if node.op_type == "QLinearConv" else shapes_in[1]
    return math.prod(shapes_out[0]) * math.prod(weight[1:])


def _conv_transpose(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> int:  # noqa: ARG001
    return math.prod(shapes_in[0]) * math.prod(shapes_in[1][1:])


def _matmul(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> int:  # noqa: ARG001
    return math.prod(shapes_out[0]) * (shapes_in[0][-1] if shapes_in[0] else 1)


def _fused_matmul(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> int:
    transposed = node.attributes.get_int("transA", 0)
    return math.prod(shapes_out[0]) * (shapes_in[0][-2] if transposed else shapes_in[0][-1])


def _gemm(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> int:
    transposed = node.attributes.get_int("transA", 0)
    return math.prod(shapes_out[0]) * shapes_in[0][0 if transposed else 1]


def _recurrent(node: ir.Node, shapes_in: list[Shape], shapes_out: list[Shape]) -> int:  # noqa: ARG001
    steps, batch, _ = shapes_in[0]
    return steps * batch * (math.prod(shapes_in[1]) + math.prod(shapes_in[2]))


_MULTIPLYING: dict[str, Callable[[ir.Node, list[Shape], list[Shape]], int]] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "QLinearConv": _conv,
    "FusedConv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "FusedGemm": _gemm,
    "MatMul": _matmul,
    "FusedMatMul": _fused_matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _matmul,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
}


def _bytes(value: ir.Value) -> int:
    dtype = value.dtype or (value.const_value.dtype if value.const_value is not None else None)
    item = dtype.itemsize if dtype is not None and dtype != ir.DataType.STRING else 0
    return math.ceil(math.prod(static_shape(value) or ()) * item)
