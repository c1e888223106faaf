"""Looking inside a graph: its intermediate values as outputs, and one of its nodes as a graph of its own."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from burnish.graph import ComputeGraph
from burnish.graph.signature import DTYPES, Array


@dataclass(frozen=True, slots=True)
class ProbePoint:
    """A value inside a graph that can be made an output."""

    value: str
    node: int
    """Position of the node that makes it; nodes are in topological order."""
    dtype: ir.DataType
    rank: int
    nbytes: int
    """Its size for the given inputs; 0 where that depends on their values."""


def probe_points(
    graph: ComputeGraph, inputs: Mapping[str, Array], dtypes: Collection[str] = DTYPES
) -> list[ProbePoint]:
    """List what the nodes of the main graph make, in the order in which they make it.

    Values that no engine could give are left out: those of another dtype, and those whose number of dimensions
    shape inference does not find. Constants are left out too.

    Args:
        graph: What to look into.
        inputs: What it will be run with, for the sizes.
        dtypes: What the engines at hand can give.
    """
    sized = _sized(graph.model, inputs)
    points = []
    for index, (node, twin) in enumerate(zip(graph.model.graph, sized.graph, strict=True)):
        if node.op_type == "Constant":
            continue
        for value, known in zip(node.outputs, twin.outputs, strict=True):
            shape = known.shape if known.shape is not None else value.shape
            dtype = known.dtype or value.dtype
            if not value.name or shape is None or dtype is None or _word(dtype) not in dtypes:
                continue
            sizes = [dim for dim in shape if isinstance(dim, int)]
            nbytes = math.ceil(math.prod(sizes) * dtype.itemsize) if len(sizes) == len(shape) else 0
            points.append(ProbePoint(value.name, index, dtype, len(shape), nbytes))
    return points


def exposed(graph: ComputeGraph, points: Iterable[ProbePoint]) -> ComputeGraph:
    """Return the graph with values inside it as further outputs.

    An engine must then keep these values, and cannot fuse across them as it would in the graph itself.
    """
    model = graph.model.clone()
    outputs = {value.name for value in model.graph.outputs}
    nodes = list(model.graph)
    for point in points:
        if point.value in outputs:
            continue
        value = next(value for value in nodes[point.node].outputs if value.name == point.value)
        value.type = ir.TensorType(point.dtype)
        value.shape = ir.Shape([f"{point.value}_dim{axis}" for axis in range(point.rank)])
        model.graph.outputs.append(value)
    return ComputeGraph(model)


def alone(graph: ComputeGraph, index: int, values: Mapping[str, Array]) -> ComputeGraph | None:
    """Return one node as a graph: what it computes from is an input, its weights stay weights.

    Args:
        graph: Holds the node.
        index: Its position.
        values: Arrays of the node's inputs and outputs by name, as they were in a run.

    Returns:
        None for a node that holds a graph of its own (If, Loop, Scan), or one whose values are not all known.
    """
    node = graph.model.graph[index]
    if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
        return None
    taken: dict[str, ir.Value] = {}
    for value in node.inputs:
        if value is not None and (name := value.name or "") not in taken:
            constant = ir.convenience.get_const_tensor(value)
            if constant is None and name not in values:
                return None
            taken[name] = _like(name, values[name]) if constant is None else _stored(name, constant)
    names = [value.name or "" for value in node.outputs]
    made = {name: _like(name, values[name]) for name in names if name in values}
    copy = ir.Node(
        node.domain,
        node.op_type,
        [None if value is None else taken[value.name or ""] for value in node.inputs],
        attributes=node.attributes.values(),
        overload=node.overload,
        outputs=[made.get(name) or ir.Value(name=name) for name in names],
        name=node.name,
    )
    body = ir.Graph(
        [value for value in taken.values() if value.const_value is None],
        list(made.values()),
        nodes=[copy],
        initializers=[value for value in taken.values() if value.const_value is not None],
        opset_imports=graph.model.opset_imports,
        name="alone",
    )
    functions = tuple(graph.model.functions.values())
    return ComputeGraph(ir.Model(body, ir_version=graph.model.ir_version, functions=functions).clone())


def computed_inputs(graph: ComputeGraph, index: int) -> list[str]:
    """Return the names of what a node computes from, weights and constants left out."""
    node = graph.model.graph[index]
    values = [value for value in node.inputs if value is not None]
    return list(dict.fromkeys(v.name or "" for v in values if ir.convenience.get_const_tensor(v) is None))


def _sized(model: ir.Model, inputs: Mapping[str, Array]) -> ir.Model:
    """Return a copy whose shapes are inferred from the sizes of actual inputs."""
    copy = model.clone()
    for value in copy.graph.inputs:
        if value.name is not None and value.name in inputs:
            value.shape = ir.Shape(inputs[value.name].shape)
    outputs = set(map(id, copy.graph.outputs))
    for node in copy.graph:
        for value in node.outputs:
            if id(value) not in outputs:
                value.shape = None
    from onnx_ir.passes.common import ShapeInferencePass

    ShapeInferencePass(check_type=False, strict_mode=False)(copy)
    return copy


def _like(name: str, array: Array) -> ir.Value:
    dtype = ir.DataType.STRING if array.dtype.kind in "OSU" else ir.DataType.from_numpy(array.dtype)
    return ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(array.shape))


def _stored(name: str, tensor: ir.TensorProtocol) -> ir.Value:
    shape = ir.Shape(tensor.shape.numpy())
    return ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=shape, const_value=tensor)


def _word(dtype: ir.DataType) -> str:
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(dtype.name, dtype.name.lower())
