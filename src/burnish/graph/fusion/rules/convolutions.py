"""What stands beside a convolution or a Gemm and is linear, computed into its weights.

The library has rules for this, too. Its rule for batch normalization ignores training mode, makes an invalid graph
where a weight happens to be called like the bias that it adds, and leaves every layer alone whose bias is stored once
for several, as exporters store zeros; its rule for scales makes an invalid graph where two layers share a weight.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from burnish.graph.fusion import editing
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import common
from burnish.graph.fusion.rewriting import NodeRule, PatternRule, rewrite
from burnish.graph.fusion.values import FLOATS, attribute, constant, rank, sole_consumer, standard, text
from burnish.graph.signature import Array

_LAYERS = ("Conv", "ConvTranspose", "Gemm")


def fold_norm(graph: ir.Graph, node: ir.Node) -> bool:
    """Compute a BatchNormalization that uses stored statistics into the layer before it."""
    if not standard(node, "BatchNormalization") or attribute(node, "training_mode", 0):
        return False
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return False
    layer = _layer(graph, node.inputs[0], node)
    gamma, beta, mean, variance = (constant(value) for value in node.inputs[1:5])
    if layer is None or gamma is None or beta is None or mean is None or variance is None:
        return False
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + attribute(node, "epsilon", 1e-5))
    return _fold(graph, node, layer, scale, beta - mean * scale)


def fold_affine(graph: ir.Graph, node: ir.Node) -> bool:
    """Compute a sum, difference, product or quotient with one constant a channel into the layer before it."""
    if not standard(node, "Add", "Sub", "Mul", "Div"):
        return False
    for position, value in enumerate(node.inputs):
        layer = _layer(graph, value, node)
        channels = None if layer is None else _channels(layer)
        shape = rank(value)
        if layer is None or channels is None or shape is None or (position and node.op_type == "Div"):
            continue
        other = per_channel(constant(node.inputs[1 - position]), channels, shape)
        if other is None:
            return False
        c = other.astype(np.float64)
        scale, shift = {
            "Add": (None, c),
            "Sub": (None, -c) if position == 0 else (-np.ones_like(c), c),
            "Mul": (c, None),
            "Div": (1 / c if c.all() else None, None),
        }[node.op_type]
        return (scale is not None or shift is not None) and _fold(graph, node, layer, scale, shift)
    return False


def per_channel(array: Array | None, channels: int, rank: int) -> Array | None:
    """Return a constant as one number a channel, if broadcasting it over [N, C, ...] comes to that."""
    if array is None or array.ndim > rank or array.dtype.kind not in "fV":
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if shape[1] not in (1, channels) or any(size != 1 for axis, size in enumerate(shape) if axis != 1):
        return None
    return np.broadcast_to(array.reshape(shape[1]), (channels,))


def _layer(graph: ir.Graph, value: ir.Value | None, reader: ir.Node) -> ir.Node | None:
    """Return the layer with stored weights that gives a value to this reader alone."""
    maker = value.producer() if value is not None else None
    if maker is None or value is None or maker.graph is not graph or not standard(maker, *_LAYERS):
        return None
    plain = maker.inputs[0] is not None and maker.inputs[0].dtype in FLOATS and _channels(maker) is not None
    return maker if plain and sole_consumer(value) is reader else None


def _channels(layer: ir.Node) -> int | None:
    """Return the number of output channels; None when weights or bias are not stored, or the bias is odd."""
    weight = constant(layer.inputs[1])
    bias = layer.inputs[2] if len(layer.inputs) > 2 else None
    if weight is None or weight.ndim < 2:
        return None
    if standard(layer, "Gemm"):
        channels = weight.shape[0 if attribute(layer, "transB", 0) else 1]
    elif standard(layer, "ConvTranspose"):
        channels = weight.shape[1] * attribute(layer, "group", 1)
    else:
        channels = weight.shape[0]
    stored = constant(bias)
    if bias is not None and (stored is None or stored.shape != (channels,)):
        return None
    return int(channels)


def _fold(graph: ir.Graph, node: ir.Node, layer: ir.Node, scale: Array | None, shift: Array | None) -> bool:
    """Write ``layer * scale + shift``, each a float64 number a channel, as one layer."""
    source, channels = layer.inputs[1], _channels(layer)
    stored = constant(source)
    if source is None or stored is None or channels is None:
        return False
    if scale is not None and len(list(source.uses())) > 1:
        return False  # the weight would have to be stored twice
    old = constant(layer.inputs[2]) if len(layer.inputs) > 2 else None
    bias = np.zeros(channels) if old is None else old.astype(np.float64) * attribute(layer, "beta", 1.0)
    bias = bias * (1 if scale is None else scale) + (0 if shift is None else shift)
    weight = source
    if scale is not None:
        weight = editing.weight(
            graph, _scaled(layer, stored, scale).astype(stored.dtype), f"{source.name}_scaled"
        )
    added = editing.weight(graph, bias.astype(stored.dtype), f"{layer.outputs[0].name}_bias")
    attributes = [one for name, one in layer.attributes.items() if name != "beta"]
    made = ir.Node("", layer.op_type, [layer.inputs[0], weight, added], attributes)
    ir.convenience.replace_nodes_and_values(
        graph, node, [node, layer], [made], node.outputs[:1], made.outputs
    )
    return True


def _scaled(layer: ir.Node, weight: Array, scale: Array) -> Array:
    """Multiply the weights of each output channel."""
    tail = (1,) * (weight.ndim - 2)
    if standard(layer, "Conv") or attribute(layer, "transB", 0):
        return np.asarray(weight * scale.reshape(-1, 1, *tail))
    if standard(layer, "Gemm"):
        return np.asarray(weight * scale)
    group = attribute(layer, "group", 1)  # weight_CMkk of a ConvTranspose: C inputs, M outputs of each group
    by_group = np.repeat(scale.reshape(group, 1, weight.shape[1]), weight.shape[0] // group, axis=1)
    return np.asarray(weight * by_group.reshape(weight.shape[0], weight.shape[1], *tail))


def _norms(model: ir.Model) -> Counter[str]:
    return rewrite(model, [NodeRule("layer + BatchNormalization", fold_norm)])


def _affine(model: ir.Model) -> Counter[str]:
    return rewrite(model, [NodeRule("layer + constant", fold_affine)])


def _pad_is_plain(nodes: Sequence[ir.Node]) -> bool:
    """Tell whether all that a matched Pad is given is stored."""
    pad = next(node for node in nodes if standard(node, "Pad"))
    layer = next(node for node in nodes if node is not pad)
    stored = all(constant(value) is not None for value in pad.inputs[1:] if value is not None)
    return stored and text(layer, "auto_pad", "NOTSET") == "NOTSET"


def _pads(model: ir.Model) -> Counter[str]:
    return rewrite(model, [PatternRule("Pad + Conv", "Conv", common.fuse_pad_into_conv_rule, _pad_is_plain)])


PASSES = (
    Contract(
        name="batchnorm",
        about="compute batch normalization into the convolution or Gemm before it",
        apply=_norms,
        opset=9,  # before it, a normalization could be of each element
    ),
    Contract(
        name="affine",
        about="compute a bias or a scale for each channel into the convolution or Gemm before it",
        apply=_affine,
        opset=11,  # before it, arithmetic broadcasts by attributes, and a Gemm needs its bias
    ),
    Contract(
        name="pad",
        about="let a convolution do the padding with zeros before it",
        apply=_pads,
        opset=11,  # before it, the amounts are attributes
    ),
)
