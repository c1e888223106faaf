"""Putting nodes into a graph in place of others."""

from typing import Any

import onnx_ir as ir

from burnish.graph import ComputeGraph
from burnish.graph.fusion.editing import put_in_order, register
from burnish.graph.signature import Array


class Editor:
    """A copy of a graph that is being rewritten.

    Args:
        graph: Not changed.
    """

    def __init__(self, graph: ComputeGraph) -> None:
        self.model = graph.model.clone()
        self.graph = self.model.graph

    def weight(self, array: Array, name: str) -> ir.Value:
        """Store a weight under this name, or one like it where it is taken."""
        tensor = ir.tensor(array)
        value = ir.Value(
            name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor
        )
        return register(self.graph, value)

    def before(self, place: ir.Node, operator: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """Put a node with one output in front of ``place``; return what it gives."""
        return self._put(place, operator, inputs, attributes, outputs=1)[0]

    def several(self, place: ir.Node, operator: str, *inputs: ir.Value, outputs: int) -> tuple[ir.Value, ...]:
        """Put a node with several outputs in front of ``place``; return what it gives."""
        return self._put(place, operator, inputs, {}, outputs)

    def replace(self, node: ir.Node, result: ir.Value) -> None:
        """Let ``result`` take the place of a node's only output: its name, type, shape and readers."""
        old = node.outputs[0]
        result.type, result.shape = old.type, old.shape
        name = old.name
        old.replace_all_uses_with(result, replace_graph_outputs=True)
        maker = result.producer()
        if maker is not None:
            maker.name = node.name
        self.graph.remove(node, safe=True)
        result.name = name

    def finish(self) -> ComputeGraph:
        """Take out what nothing reads any more, and return the graph."""
        put_in_order(self.model)
        return ComputeGraph(self.model)

    def _put(
        self, place: ir.Node, operator: str, inputs: Any, attributes: dict[str, Any], outputs: int
    ) -> tuple[ir.Value, ...]:
        node = ir.node(operator, list(inputs), attributes, num_outputs=outputs)
        node.name = f"{place.name}_{operator}"
        for number, value in enumerate(node.outputs):
            value.name = f"{node.name}_{number}"  # the last pass makes equal names unlike
        self.graph.insert_before(place, node)
        return tuple(node.outputs)
