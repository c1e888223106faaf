"""From a graph of static shapes to the steps and sizes that a plan is made of."""

import math
from collections.abc import Callable, Iterator

import onnx_ir as ir

from burnish.graph.memory import sharing
from burnish.graph.memory.program import Program, Step, View
from burnish.graph.shapes import static_shape

Workspace = Callable[[ir.Node], int]

_ONNX = ("", "ai.onnx")


def lower(model: ir.Model, *, workspace: Workspace | None = None) -> Program:
    """Reduce the main graph of a model to plain steps.

    Args:
        model: With static shapes; a value whose shape is unknown is named in `Program.unplanned`.
        workspace: Tells how many bytes of scratch a node needs while it runs; None for no scratch.
    """
    graph = model.graph
    stored = {value.name for value in graph.initializers.values() if value.name}
    stored |= {v.name for node in graph if node.op_type == "Constant" for v in node.outputs if v.name}
    named = {id(value): value for value in (*graph.inputs, *graph.initializers.values())}
    named |= {id(value): value for node in graph for value in node.outputs}
    local = {(function.domain, function.name) for function in model.functions.values()}
    steps, opaque = [], []
    for index, node in enumerate(graph):
        if node.op_type == "Constant" and node.domain in _ONNX:
            continue
        step = _step(node, index, named, workspace(node) if workspace else 0)
        if any(_bodies(node)) or (node.domain, node.op_type) in local:
            opaque.append(step.name)
        steps.append(step)
    sizes = {
        value.name: size for value in named.values() if value.name and (size := _bytes(value)) is not None
    }
    missing = {v.name: _reason(v) for node in graph for v in node.outputs if v.name and v.name not in sizes}
    return Program(
        steps=tuple(steps),
        sizes=sizes,
        inputs=frozenset(value.name for value in graph.inputs if value.name) - stored,
        weights=frozenset(stored),
        outputs=frozenset(value.name for value in graph.outputs if value.name),
        unplanned=missing,
        opaque=tuple(opaque),
    )


def _step(node: ir.Node, index: int, named: dict[int, ir.Value], workspace_bytes: int) -> Step:
    values = (*node.inputs, *node.outputs)
    shapes = [None if value is None else static_shape(value) for value in values]
    sizes = [None if value is None else _bytes(value) for value in values]
    reads = [value for value in node.inputs if value is not None] + list(_captured(node, named))
    views, joins, in_place = dict[int, View](), dict[str, View](), list[str]()
    if node.domain in _ONNX:
        views = sharing.views(node, shapes, sizes)
        joins = sharing.joins(node, shapes, sizes)
        in_place = sharing.in_place(node, shapes, sizes)
    return Step(
        name=node.name or f"{node.op_type}_{index}",
        op=node.op_type,
        reads=tuple(dict.fromkeys(value.name for value in reads if value.name)),
        writes=tuple(value.name for value in node.outputs if value.name),
        views={name: view for i, view in views.items() if (name := node.outputs[i].name)},
        joins=joins,
        in_place=tuple(in_place),
        workspace_bytes=workspace_bytes,
    )


def _bodies(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def _captured(node: ir.Node, named: dict[int, ir.Value]) -> Iterator[ir.Value]:
    """Yield the values of the main graph that the graphs inside a node read, at any depth."""
    for body in _bodies(node):
        for graph in (body, *body.subgraphs()):
            used = (value for inner in graph for value in inner.inputs if value is not None)
            yield from (value for value in (*used, *graph.outputs) if id(value) in named)


def _bytes(value: ir.Value) -> int | None:
    shape = static_shape(value)
    dtype = value.const_value.dtype if value.const_value is not None else value.dtype
    if shape is None or dtype is None or dtype in (ir.DataType.STRING, ir.DataType.UNDEFINED):
        return None
    if value.const_value is None and not isinstance(value.type, ir.TensorType):
        return None
    return math.ceil(math.prod(shape) * dtype.bitwidth / 8)


def _reason(value: ir.Value) -> str:
    if value.dtype == ir.DataType.STRING:
        return "strings have no fixed size"
    if value.type is not None and not isinstance(value.type, ir.TensorType):
        return "not a plain tensor"
    return "its shape is known only when it runs"
