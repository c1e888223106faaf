"""What a graph costs: multiply-adds, operations and bytes of every node, for a given batch.

An operator without a rule is counted and named in `GraphCost.uncosted`; it is never silently zero.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import onnx
import onnx_ir as ir

from burnish.errors import ShapeError

Shape = tuple[int, ...]

# Operators that move or relabel data without arithmetic.
_MOVES = frozenset(
    "Cast Concat Constant ConstantOfShape DepthToSpace Dropout Expand Flatten Gather GatherElements GatherND "
    "Identity NonZero Pad Range Reshape Resize ScatterElements ScatterND Shape Size Slice SpaceToDepth Split "
    "Squeeze Tile Transpose Unique Unsqueeze Where".split()
)
# Operations per output element of element-wise operators; a transcendental function counts as one.
_ELEMENTWISE = {
    **dict.fromkeys(
        "Abs Add And Ceil Clip Cos Div Elu Equal Erf Exp Floor Greater GreaterOrEqual LeakyRelu "
        "Less LessOrEqual Log Max Min Mod Mul Neg Not Or Pow PRelu Reciprocal Relu Round Sigmoid Sign Sin Sqrt Sub "
        "Tanh Xor QuantizeLinear DequantizeLinear".split(),
        1,
    ),
    "BatchNormalization": 2,
    "Gelu": 4,
    "HardSigmoid": 2,
    "HardSwish": 3,
    "Softplus": 3,
    "Swish": 2,
}
# Operations per input element of reductions and normalisations.
_REDUCING = {
    **dict.fromkeys(
        "ArgMax ArgMin CumSum GlobalAveragePool GlobalMaxPool ReduceL1 ReduceMax ReduceMean ReduceMin "
        "ReduceProd ReduceSum".split(),
        1,
    ),
    "ReduceL2": 2,
    "ReduceSumSquare": 2,
    "Softmax": 5,
    "LogSoftmax": 5,
    "LayerNormalization": 8,
    "InstanceNormalization": 8,
    "GroupNormalization": 8,
    "RMSNormalization": 5,
    "TopK": 1,
}


@dataclass(frozen=True, slots=True)
class NodeCost:
    """The cost of one node."""

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


def cost_of(model: ir.Model, *, batch: int, sizes: Mapping[str, int]) -> GraphCost:
    """Cost every node of the main graph.

    Args:
        model: What to cost.
        batch: Size of every symbolic leading dimension of an input.
        sizes: Sizes of the other symbolic dimensions.

    Raises:
        ShapeError: A symbolic dimension has no size.
    """
    sized = _with_shapes(model, batch, sizes)
    costs, uncosted = [], Counter[str]()
    for index, node in enumerate(sized.graph):
        cost = _node_cost(node, index)
        if cost is None:
            uncosted[node.op_type] += 1
        else:
            costs.append(cost)
    return GraphCost(tuple(costs), dict(uncosted))


def _with_shapes(model: ir.Model, batch: int, sizes: Mapping[str, int]) -> ir.Model:
    proto = ir.serde.serialize_model(model)
    del proto.graph.value_info[:]
    for value in proto.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                dim.dim_value = _size(value.name, axis, dim.dim_param, batch, sizes)
    for value in proto.graph.output:  # an output's own symbols need not be the inputs'
        value.type.tensor_type.ClearField("shape")
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto, data_prop=True))


def _size(name: str, axis: int, symbol: str, batch: int, sizes: Mapping[str, int]) -> int:
    if symbol in sizes:
        return sizes[symbol]
    if axis == 0:
        return batch
    raise ShapeError(
        f"input {name!r}: dimension {axis} ({symbol or 'unnamed'}) has no size", hint="give it in sizes"
    )


def _node_cost(node: ir.Node, index: int) -> NodeCost | None:
    inputs = [value for value in node.inputs if value is not None]
    shapes_in = [_shape(value) for value in inputs]
    shapes_out = [_shape(value) for value in node.outputs if value.name]
    if any(shape is None for shape in (*shapes_in, *shapes_out)):
        return None
    known_in = [shape for shape in shapes_in if shape is not None]
    known_out = [shape for shape in shapes_out if shape is not None]
    work = _work(node, known_in, known_out)
    if work is None:
        return None
    macs, flops = work
    sizes = [_bytes(value) for value in (*inputs, *node.outputs)]
    parameters = sum(math.prod(_shape(value) or ()) for value in inputs if value.const_value is not None)
    return NodeCost(node.name or f"{node.op_type}_{index}", node.op_type, macs, flops, sum(sizes), parameters)


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
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _matmul,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
}


def _shape(value: ir.Value) -> Shape | None:
    if value.const_value is not None:
        return tuple(value.const_value.shape.numpy())
    if value.shape is None:
        return None
    dims = tuple(value.shape)
    return tuple(d for d in dims if isinstance(d, int)) if all(isinstance(d, int) for d in dims) else None


def _bytes(value: ir.Value) -> int:
    dtype = value.dtype or (value.const_value.dtype if value.const_value is not None else None)
    item = dtype.itemsize if dtype is not None and dtype != ir.DataType.STRING else 0
    return math.ceil(math.prod(_shape(value) or ()) * item)
