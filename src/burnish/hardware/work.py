"""What a device is asked to do for one model: a list of operators with their sizes, without weights or engine."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

import onnx_ir as ir

from burnish.graph import ComputeGraph
from burnish.graph.cost import NodeCost, cost_of_sized
from burnish.graph.shapes import sized_model, static_shape
from burnish.hardware.device import ITEM_BYTES, Dtype
from burnish.hardware.loops import Role, loops_of, role_of
from burnish.hardware.quantized import integers_of, is_taken_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One operator of a model at one batch size."""

    name: str
    op: str
    role: Role
    index: int
    """Its place among the nodes of the graph."""
    flops: int
    """A multiply-add counts as two."""
    bytes: int
    """Read and written, each element once: of inputs, weights and outputs."""
    weight_bytes: int
    """Read of the weights."""
    elements: int
    """Of the outputs."""
    dtype: Dtype
    """Of the arithmetic."""
    count: int = 1
    """Independent products: of a stack, of a convolution's groups, of a recurrence's steps."""
    m: int = 0
    """Rows of each product, such as output positions of a convolution; of other operators how many rows or runs
    of elements they take one after the other."""
    n: int = 0
    """Columns of each product, such as output channels; of other operators the elements of each row or run."""
    k: int = 0
    """Depth of each product: what is summed; 0 where there is no product."""
    kernel: int = 1
    """Elements of a convolution's or pool's window."""
    stride: int = 1
    """Largest step of the window; of a reduction how far apart lies what is summed."""
    width: int = 0
    """Columns of the image that a window gives; 0 where there is none."""
    parameter_bytes: int = 0
    """Stored weights, of which a lookup reads only some rows."""
    model_bytes: int = 0
    """Weights that one call of the whole model reads: they share the caches with this operator's."""
    model_results: int = 0
    """Bytes that all operators of the model write in one call, or 0 for an operator by itself."""

    @property
    def result_bytes(self) -> int:
        """Bytes of its first output."""
        return round(self.elements * ITEM_BYTES[self.dtype])


@dataclass(frozen=True)
class Workload:
    """All operators of a model at one batch size."""

    name: str
    batch: int
    works: tuple[Work, ...]
    uncosted: Mapping[str, int]
    """Operators without a cost rule and how often each occurs: their time is missing from every estimate."""
    weight_bytes: int
    activation_bytes: int
    """Most bytes of intermediate values that are alive at once."""

    @cached_property
    def flops(self) -> int:
        """Operations of one call."""
        return sum(work.flops for work in self.works)

    @cached_property
    def bytes(self) -> int:
        """Traffic of one call when every operator reads and writes memory once."""
        return sum(work.bytes for work in self.works)


_DTYPES: Mapping[ir.DataType, Dtype] = {
    ir.DataType.DOUBLE: "float64",
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.BFLOAT16: "bfloat16",
    ir.DataType.INT8: "int8",
    ir.DataType.UINT8: "int8",
}


def workload(
    graph: ComputeGraph,
    *,
    name: str = "model",
    batch: int = 1,
    sizes: Mapping[str, int] | None = None,
    change: Callable[[ir.Model], None] | None = None,
) -> Workload:
    """List the operators of a graph at one batch size.

    Args:
        graph: As the engine will run it: fuse it first (`burnish.graph.fusion.fuse`).
        name: For tables and charts.
        batch: Size of every symbolic leading dimension of an input.
        sizes: Sizes of the other symbolic dimensions.
        change: What else an engine does to a copy of the model in which all sizes are known.

    Raises:
        ShapeError: A symbolic dimension has no size.
    """
    sized = sized_model(graph.model, batch=batch, sizes=sizes or {})
    if change is not None:
        change(sized)
    cost = cost_of_sized(sized)
    nodes = list(sized.graph)
    weights = sum(
        value.const_value.nbytes for value in sized.graph.initializers.values() if value.const_value
    )
    works = [_work(nodes[one.index], one) for one in cost.nodes]
    read = sum(work.weight_bytes for work in works)
    written = sum(work.result_bytes for work in works if work.role != "free")
    return Workload(
        name,
        batch,
        tuple(replace(work, model_bytes=read, model_results=written) for work in works),
        cost.uncosted,
        weights,
        _most_alive(nodes),
    )


def _work(node: ir.Node, cost: NodeCost) -> Work:
    loops = loops_of(node, macs=cost.macs)
    role = role_of(node, loops, flops=cost.flops)
    if is_taken_in(node):
        role = "free"
    free = role == "free"
    integers = integers_of(node)
    stored = sum(value.const_value.nbytes for value in node.inputs if value is not None and value.const_value)
    work = Work(
        name=cost.name,
        op=cost.op,
        role=role,
        index=cost.index,
        flops=0 if free else cost.flops,
        bytes=0 if free else cost.bytes,
        weight_bytes=0 if free else min(cost.bytes, stored),
        parameter_bytes=0 if free else stored,
        elements=math.prod(static_shape(node.outputs[0]) or ()),
        dtype=_dtype(node),
        **{field.name: getattr(loops, field.name) for field in fields(loops)},
    )
    if integers is None:
        return work
    weights = integers.weight_bytes
    return replace(work, dtype="int8", bytes=integers.bytes, weight_bytes=weights, parameter_bytes=weights)


def _dtype(node: ir.Node) -> Dtype:
    values = (*node.inputs, *node.outputs)
    if node.op_type == "DynamicQuantizeMatMul":  # its first factor is quantized on the way
        values = values[1:]
    for value in values:
        dtype = value.dtype if value is not None else None
        if dtype in _DTYPES and dtype is not None:
            return _DTYPES[dtype]
    return "float32"


def _most_alive(nodes: list[ir.Node]) -> int:
    last = {value: step for step, node in enumerate(nodes) for value in node.inputs if value is not None}
    alive, most = 0, 0
    ending: dict[int, int] = {}
    for step, node in enumerate(nodes):
        for value in node.outputs:
            size = math.prod(static_shape(value) or ()) * (value.dtype.itemsize if value.dtype else 4)
            alive += int(size)
            end = last.get(value, len(nodes))
            ending[end] = ending.get(end, 0) + int(size)
        most = max(most, alive)
        alive -= ending.pop(step, 0)
    return most
