"""A graph whose groups of nodes are quantized in different ways."""

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from burnish.compress.quantize import QuantScheme, quantize
from burnish.compress.quantize.layers import multiplying
from burnish.compress.quantize.scheme import Method
from burnish.compress.quantize.settings import with_method
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph

_ORDER: tuple[Method, ...] = ("static", "dynamic", "weight-only")
"""Each leaves alone what those before it made; fixed ranges come first, for they run the graph to find them."""


def with_names(graph: ComputeGraph) -> ComputeGraph:
    """Return the graph with a name for every node."""
    model = graph.model.clone()
    for number, node in enumerate(model.graph):
        node.name = node.name or f"{node.op_type}_{number}"
    NameFixPass()(model)
    return ComputeGraph(model)


def mix(
    graph: ComputeGraph, samples: Split, choice: Mapping[str, Method], scheme: QuantScheme
) -> ComputeGraph:
    """Quantize each node in its own way.

    Args:
        graph: Float graph whose nodes have names; not changed.
        samples: Calibration examples.
        choice: Method by name of a multiplying node; nodes without one stay in floating point.
        scheme: Settings of every method, as far as they mean something to it.

    Raises:
        UnsupportedOpError: A method cannot quantize any of its nodes.
    """
    for method in _ORDER:
        chosen = {node for node, wanted in choice.items() if wanted == method}
        if chosen:
            others = tuple(name for name in _names(graph.model.graph) if name not in chosen)
            graph = quantize(graph, samples, replace(with_method(scheme, method), keep_float=others))
    return graph


def _names(graph: ir.Graph) -> list[str]:
    return [node.name for node in multiplying(graph) if node.name]
