"""Making a float graph ready for integers: what can be computed ahead is, and every node has a name of its own."""

import onnx_ir as ir

from burnish.graph import ComputeGraph
from burnish.graph.fusion import PASSES, fuse

_OPSET = 13
"""The first opset whose QuantizeLinear has a scale for each channel."""
_BEFORE = ("no-ops", "constants", "batchnorm", "affine", "pad")
"""Passes after which a convolution, its batch norm and its padding are one node, as integer kernels compute them."""


def prepared(graph: ComputeGraph) -> ComputeGraph:
    """Return the graph as it is quantized: at opset 13 or later, with batch norms folded.

    Nodes that survive keep their names; one that took in others has the name of the multiplying node among them.

    Args:
        graph: Float graph; not changed.

    Raises:
        UnsupportedOpError: The graph is older than opset 13 and cannot be brought up to it.
    """
    opset = graph.model.opset_imports.get("", 0)
    if opset < _OPSET:
        graph, opset = graph.convert(_OPSET), _OPSET
    folded = fuse(graph, [name for name in _BEFORE if PASSES[name].opset <= opset]).graph.model.clone()
    _name_nodes(folded.graph, graph.model.graph)
    return ComputeGraph(folded)


def _name_nodes(graph: ir.Graph, original: ir.Graph) -> None:
    makers = {value.name: node for node in original for value in node.outputs}
    known = {node.name for node in original}
    taken: set[str] = set()
    for number, node in enumerate(graph):
        old = node.name if node.name in known else _inherited(node, makers)
        name = old or node.name or f"{node.op_type}_{number}"
        while name in taken:
            name = f"{name}_{number}"
        taken.add(name)
        node.name = name


def _inherited(node: ir.Node, makers: dict[str | None, ir.Node]) -> str:
    """Return the name that the node of this kind had, of which and of those after it this one was made."""
    maker = makers.get(node.outputs[0].name)
    while maker is not None and maker.op_type != node.op_type:
        source = maker.inputs[0] if maker.inputs else None
        maker = source.producer() if source is not None else None
    return (maker.name or "") if maker is not None else ""
