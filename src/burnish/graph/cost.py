"""What a graph costs: multiply-adds, operations and bytes of every node, for a given batch.

An operator without a rule is counted and named in `GraphCost.uncosted`; it is never silently zero.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from burnish.graph.arithmetic import VIEWS, arithmetic
from burnish.graph.shapes import sized_model, static_shape

# Operators that read of their first input only what they give.
_TAKING = frozenset(("Gather", "GatherElements", "GatherND", "Slice", "Split", "Compress"))


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work costs."""

    name: str
    op: str
    macs: int
    """Multiply-adds; two operations each."""
    flops: int
    bytes: int
    """Read and written, each element once: of all inputs, weights included, and outputs.

    An operator that takes a part of its input, such as the rows of an embedding, reads that part; one that only
    relabels what is there reads nothing.
    """
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
    outputs = [value for value in node.outputs if _is_made(value)]
    shapes_in = [shape for value in inputs if (shape := static_shape(value)) is not None]
    shapes_out = [shape for value in outputs if (shape := static_shape(value)) is not None]
    if len(shapes_in) < len(inputs) or len(shapes_out) < len(outputs):
        return None
    work = arithmetic(node, shapes_in, shapes_out)
    if work is None:
        return None
    macs, flops = work
    parameters = sum(
        math.prod(static_shape(value) or ()) for value in inputs if value.const_value is not None
    )
    name = node.name or f"{node.op_type}_{index}"
    return NodeCost(name, node.op_type, macs, flops, _traffic(node, inputs, outputs), parameters, index)


def _is_made(value: ir.Value) -> bool:
    """Tell whether an engine computes an output; one that nothing reads may lack even a shape."""
    return bool(value.name) and (
        value.index() == 0 or value.is_graph_output() or any(True for _ in value.uses())
    )


def _traffic(node: ir.Node, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> int:
    if node.op_type in VIEWS:
        return 0
    sizes = [_bytes(value) for value in (*inputs, *outputs)]
    if node.op_type in _TAKING and inputs:
        sizes[0] = min(sizes[0], sum(map(_bytes, outputs)))
    return sum(sizes)


def _bytes(value: ir.Value) -> int:
    dtype = value.dtype or (value.const_value.dtype if value.const_value is not None else None)
    item = dtype.itemsize if dtype is not None and dtype != ir.DataType.STRING else 0
    return math.ceil(math.prod(static_shape(value) or ()) * item)
