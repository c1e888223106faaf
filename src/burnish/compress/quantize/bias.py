"""Taking the mean error of quantized weights out of the biases after them."""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.building import Editor
from burnish.compress.quantize.observe import Channels
from burnish.compress.quantize.report import stored_weights
from burnish.graph import ComputeGraph
from burnish.graph.fusion.values import attribute, constant, sole_consumer
from burnish.graph.signature import Array


def corrected(
    graph: ComputeGraph, quantized: ComputeGraph, channels: Mapping[str, Channels]
) -> tuple[ComputeGraph, tuple[str, ...]]:
    """Return the float graph with biases that make up for what rounding does to the weights.

    A rounded weight is off by a constant, so that for inputs whose mean is not zero, as after a ReLU, the outputs
    are off by a constant too: the product of both means is taken out of the bias. What convolutions pad with zeros is
    counted as the mean.

    Args:
        graph: Prepared float graph; not changed.
        quantized: The same in integers.
        channels: Means of the channels of what the layers read.

    Returns:
        A float graph that, quantized in the same way, has the same integers for weights and other biases; and notes
        on layers that have no place for a bias.

    References:
        Nagel et al. 2019, Data-Free Quantization, section 4.2, arXiv:1906.04721.
    """
    editor = Editor(graph)
    nodes = {node.name: node for node in editor.graph}
    notes = []
    for weight in stored_weights(quantized.model.graph):
        node = nodes[weight.node]
        value, true = node.inputs[0], constant(node.inputs[1])
        seen = channels.get(value.name or "") if value is not None else None
        if seen is None or true is None:
            continue
        error = _mean_error(node, weight.numbers.astype(np.float64) - true, seen.mean)
        if not _subtract(editor, node, error):
            notes.append(f"{node.name}: has no bias to correct")
    return editor.finish(), tuple(notes)


def _mean_error(node: ir.Node, difference: Array, mean: Array) -> Array:
    """Return the mean error of each output channel.

    Args:
        node: The layer.
        difference: Of the rounded weights to the true ones, in the weights' shape.
        mean: Of each input channel.
    """
    if node.op_type == "Conv":
        by_input = difference.reshape(*difference.shape[:2], -1).sum(axis=2)
        groups = attribute(node, "group", 1)
        means = np.repeat(mean.reshape(groups, -1), difference.shape[0] // groups, axis=0)
        return np.asarray((by_input * means).sum(axis=1))
    transposed = attribute(node, "transB", 0)
    return np.asarray(difference @ mean if transposed else mean @ difference)


def _subtract(editor: Editor, node: ir.Node, error: Array) -> bool:
    """Take an error of each output channel out of a layer's bias; tell whether there was a place for it."""
    if node.op_type == "MatMul":
        node = sole_consumer(node.outputs[0]) or node
        place = next((p for p, v in enumerate(node.inputs) if _is_bias(v, error.size)), None)
        if node.op_type != "Add" or place is None:
            return False
    else:
        place = 2
        if len(node.inputs) < 3:
            node.resize_inputs(3)
    value = node.inputs[place]
    old = constant(value)
    new = -error if old is None else old.astype(np.float64) - error
    name = f"{node.name}_bias" if value is None else value.name or "bias"
    node.replace_input_with(place, editor.weight(new.astype(np.float32), name))
    return True


def _is_bias(value: ir.Value | None, channels: int) -> bool:
    array = constant(value)
    return array is not None and array.shape == (channels,) and array.dtype == np.float32
