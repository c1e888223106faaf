"""The trained network becomes a file, which must answer as the network does."""

import numpy as np
from torch.fx import GraphModule

from burnish.compress.network import predict
from burnish.compress.qat.config import QatConfig
from burnish.compress.qat.lower import lower
from burnish.compress.quantize.embeddings import quantize_embeddings
from burnish.evaluate.hooks import dynamic_axes
from burnish.evaluate.task import Task
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture

_COMPARED = 32
"""Examples by which the file is compared with the network."""


def export(network: GraphModule, task: Task, config: QatConfig) -> ComputeGraph:
    """Return a trained network as a graph of integers.

    Args:
        network: As training left it; not changed.
        task: For names and examples.
        config: Integer types.
    """
    example = task.split("valid").sample(2).inputs
    lowered = lower(network, integer_biases=config.activation != "int8")
    graph = capture(lowered, example, output_names=task.output_names, dynamic=dynamic_axes(task))
    graph = _without_traces(graph)
    if config.embedding_bits == 32:
        return graph
    return quantize_embeddings(graph, config.embedding_bits)[0]


def _without_traces(graph: ComputeGraph) -> ComputeGraph:
    """Return the graph without the exporter's notes on where in the traced code each node came from."""
    model = graph.model.clone()
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    return ComputeGraph(model)


def difference(graph: ComputeGraph, network: GraphModule, task: Task) -> float:
    """Return how far a graph's answers on ONNX Runtime are from the network's on a few valid examples.

    Returns:
        Root of the mean squared difference as a share of that of the answers; of several outputs the largest.
    """
    valid = task.split("valid")
    few = valid.take(np.arange(min(_COMPARED, len(valid))))
    wanted, found = predict(network, task, few), graph.infer(few.inputs, backend="onnxruntime")
    graph.close()
    shares = []
    for name, array in wanted.items():
        size = float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))
        apart = float(np.sqrt(np.mean(np.square(found[name] - array, dtype=np.float64))))
        shares.append(apart / size if size else apart)
    return max(shares)
