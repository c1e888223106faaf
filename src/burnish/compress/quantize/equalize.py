"""Moving spread from activations to the weights after them: the network computes the same, in better numbers.

A channel that is a hundred times larger than the others takes a hundredth of an activation's grid from them. Divided
by its size where it is made, and multiplied back by the weights that read it, it leaves the grid to all.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from burnish.compress.quantize.building import Editor
from burnish.compress.quantize.constants import stored
from burnish.compress.quantize.observe import Channels, observe
from burnish.compress.quantize.plan import Selection
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.fusion.values import attribute, constant
from burnish.graph.signature import Array

Scales = NDArray[np.float64]

_PASSING = frozenset(("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool"))
"""Operators that give ``s`` times as much for ``s`` times as much, channel by channel."""
_MOST = 1e4
"""No channel is scaled by more."""


def equalized(
    graph: ComputeGraph, planned: Selection, samples: Split, strength: float, *, bins: int
) -> tuple[ComputeGraph, tuple[str, ...]]:
    """Even out the channels of what convolutions and linear layers read.

    Channel ``j`` is divided by ``largest(x_j) ** strength / largest(w_j) ** (1 - strength)``. The division is
    computed into the layer normalization or the layer that makes the channel, across operators that let a factor
    pass; where neither is there, or others read the tensor too, it becomes one Mul in front of linear layers, and
    convolutions are left alone.

    Args:
        graph: Prepared float graph; not changed.
        planned: What is going to be quantized.
        samples: Calibration examples.
        strength: How much of the spread goes to the weights, in (0, 1].
        bins: Fineness of the histograms that are made on the way.

    Returns:
        A graph that computes the same, and notes on what was left alone.

    References:
        Xiao et al. 2023, SmoothQuant, arXiv:2211.10438. Nagel et al. 2019, arXiv:1906.04721.
    """
    editor = Editor(graph)
    readers = _readers(editor.graph, set(planned.nodes))
    axes = {value.name or "": axis for value, (axis, _) in readers.items()}
    seen = observe(graph, (), samples, bins=bins, by_channel=axes)
    notes = []
    for value, (_, nodes) in readers.items():
        channels = seen.channels.get(value.name or "")
        if channels is None:
            continue
        scales = _scales(channels, [_input_weights(node) for node in nodes], strength)
        if not _divide(editor, value, nodes, scales):
            notes.append(f"{nodes[0].name}: nothing before it can take the scales of its channels")
            continue
        for node in nodes:
            _multiply(editor, node, scales)
    return editor.finish(), tuple(notes)


def input_axes(graph: ir.Graph, names: set[str]) -> dict[str, int]:
    """Return the axis of the channels of everything that quantized layers with stored weights read."""
    return {value.name or "": axis for value, (axis, _) in _readers(graph, names).items()}


def _readers(graph: ir.Graph, names: set[str]) -> dict[ir.Value, tuple[int, list[ir.Node]]]:
    """Return the layers that read each activation, with the axis of its channels."""
    found: dict[ir.Value, tuple[int, list[ir.Node]]] = {}
    for node in graph:
        value = node.inputs[0] if node.inputs else None
        if node.name not in names or value is None or constant(value) is not None:
            continue
        axis = _axis(node, value)
        if axis is not None:
            found.setdefault(value, (axis, []))[1].append(node)
    return {value: seen for value, seen in found.items() if len({_convolves(node) for node in seen[1]}) == 1}


def _axis(node: ir.Node, value: ir.Value) -> int | None:
    weight = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if weight is None:
        return None
    if node.op_type == "Conv":
        grouped = attribute(node, "group", 1)
        return 1 if grouped == 1 or weight.shape[1] == 1 == weight.shape[0] // grouped else None
    rank = len(value.shape) if value.shape is not None else 0
    return rank - 1 if node.op_type in ("Gemm", "MatMul") and weight.ndim == 2 and rank else None


def _convolves(node: ir.Node) -> bool:
    return node.op_type == "Conv"


def _input_weights(node: ir.Node) -> Array:
    """Return the largest weight that reads each input channel."""
    weight = np.abs(_weight(node))
    if node.op_type == "Conv":
        channel = 0 if attribute(node, "group", 1) > 1 else 1
    else:
        channel = 1 if attribute(node, "transB", 0) else 0
    return np.asarray(weight.max(axis=tuple(a for a in range(weight.ndim) if a != channel)))


def _weight(node: ir.Node) -> Array:
    return stored(node.inputs[1])


def _scales(channels: Channels, weights: list[Array], strength: float) -> Scales:
    """Return what each channel is divided by; 1 where there is nothing in it, or nothing reads it."""
    read = np.max(weights, axis=0).astype(np.float64)
    some = (channels.largest > 0) & (read > 0)
    scales = np.ones(read.shape)
    scales[some] = channels.largest[some] ** strength / read[some] ** (1 - strength)
    return np.clip(scales, 1 / _MOST, _MOST)


def _divide(editor: Editor, value: ir.Value, nodes: list[ir.Node], scales: Scales) -> bool:
    """Divide the channels of a value; tell whether there was a way."""
    convolved = _convolves(nodes[0])
    alone = {use.node for use in value.uses()} == set(nodes) and not value.is_graph_output()
    if alone and _divide_maker(editor, value, scales, convolved=convolved):
        return True
    if convolved:
        return False
    factor = editor.weight((1 / scales).astype(np.float32), f"{value.name}_equalizer")
    evened = editor.before(nodes[0], "Mul", value, factor)
    evened.type, evened.shape = value.type, value.shape
    for node in nodes:
        node.replace_input_with(0, evened)
    return True


def _divide_maker(editor: Editor, value: ir.Value, scales: Scales, *, convolved: bool) -> bool:
    maker = value.producer()
    while maker is not None and maker.op_type in _PASSING:
        source = maker.inputs[0]
        if source is None or source.is_graph_output() or len(list(source.uses())) != 1:
            return False
        maker = source.producer()
    if maker is None or len(maker.inputs) < 2 or any(constant(one) is None for one in maker.inputs[1:]):
        return False
    axis = _made_along(maker, value, scales.size, convolved=convolved)
    if axis is None:
        return False
    bias = constant(maker.inputs[2]) if len(maker.inputs) > 2 else None
    if bias is not None and (bias.size != scales.size or bias.shape[-1:] != scales.shape):
        return False  # one number for several channels, or one for each example
    _scale_weight(editor, maker, 1, axis, 1 / scales)
    if bias is not None:
        _scale_weight(editor, maker, 2, bias.ndim - 1, 1 / scales)
    return True


def _made_along(maker: ir.Node, value: ir.Value, channels: int, *, convolved: bool) -> int | None:
    """Return the axis of a maker's weights along which it makes the channels of a value; None if it does not."""
    weight = _weight(maker)
    if maker.op_type == "Conv" and convolved and weight.shape[0] == channels:
        return 0
    if maker.op_type == "Gemm" and not convolved:
        return 0 if attribute(maker, "transB", 0) else 1
    if maker.op_type == "LayerNormalization" and maker.outputs[0] is value and weight.shape == (channels,):
        return 0
    return None


def _multiply(editor: Editor, node: ir.Node, scales: Scales) -> None:
    """Let the weights of a layer undo the division of its channels."""
    if node.op_type == "Conv":
        axis = 0 if attribute(node, "group", 1) > 1 else 1
    else:
        axis = 1 if attribute(node, "transB", 0) else 0
    _scale_weight(editor, node, 1, axis, scales)


def _scale_weight(editor: Editor, node: ir.Node, place: int, axis: int, scales: Scales) -> None:
    value = node.inputs[place]
    array, name = stored(value), value.name if value is not None else None
    shape = [-1 if one == axis else 1 for one in range(array.ndim)]
    scaled = (array.astype(np.float64) * scales.reshape(shape)).astype(array.dtype)
    node.replace_input_with(place, editor.weight(scaled, name or "weight"))
