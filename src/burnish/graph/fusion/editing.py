"""Changes to a graph that keep what it shows outside: the names, types and order of its inputs and outputs."""

from collections.abc import Iterator

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass, RemoveUnusedNodesPass, TopologicalSortPass

from burnish.graph.fusion.values import standard
from burnish.graph.signature import Array


def graphs(model: ir.Model) -> Iterator[ir.Graph]:
    """Yield the model's graph and those inside its nodes; functions have none of their own by now."""
    yield model.graph
    yield from model.graph.subgraphs()


def bypass(output: ir.Value, source: ir.Value) -> bool:
    """Let everything that reads ``output`` read ``source`` instead, if the graph stays the same outside.

    Args:
        output: The only output that is read of a node, which is taken out.
        source: A value that equals it.

    Returns:
        Whether it was done. It cannot be where ``output`` is a graph's output and ``source`` has a name or a place
        of its own that must stay: an input, a weight, another output, or a value of an outer graph.
    """
    node = output.producer()
    if node is None or node.graph is None:
        return False
    name = output.name if output.is_graph_output() else None
    if name is not None:
        maker = source.producer()
        if maker is None or maker.graph is not node.graph or source.is_graph_output():
            return False
        source.shape = output.shape if source.shape is None else source.shape
    output.replace_all_uses_with(source, replace_graph_outputs=True)
    if name is not None:
        source.name, output.name = name, None
    if source.type is None:
        source.type = output.type
    node.graph.remove(node, safe=True)
    return True


def remove_identities(model: ir.Model) -> int:
    """Take out Identity nodes; return how many."""
    removed = 0
    for graph in graphs(model):
        for node in list(graph):
            if standard(node, "Identity") and node.inputs[0] is not None:
                removed += bypass(node.outputs[0], node.inputs[0])
    return removed


def weight(graph: ir.Graph, array: Array, name: str) -> ir.Value:
    """Store a new weight under a name that the graph does not have yet."""
    tensor = ir.tensor(array)
    value = ir.Value(
        name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor
    )
    return register(graph, value)


def register(graph: ir.Graph, value: ir.Value) -> ir.Value:
    """Store a weight that was made for a graph, under a fresh name where its own is taken."""
    stem, number = value.name or "weight", 0
    while value.name is None or value.name in graph.initializers:
        number += 1
        value.name = f"{stem}_{number}"
    graph.register_initializer(value)
    return value


def tidy(model: ir.Model) -> None:
    """Take out copies and what nothing reads, order the nodes, and give each a name of its own."""
    remove_identities(model)
    put_in_order(model)


def put_in_order(model: ir.Model) -> None:
    """Take out what nothing reads, order the nodes, and give every value and node a name of its own."""
    RemoveUnusedNodesPass()(model)
    TopologicalSortPass()(model)
    NameFixPass()(model)
