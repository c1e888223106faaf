"""What ONNX Runtime changes in a graph beyond fusion, since it keeps images in blocks of channels on processors.

Its convolutions read and write images as [N, C / 8, H, W, 8]. What else knows that layout stays in it; before and
after all other operators an image is reordered, which can take as long as a convolution. What is written here
serves estimates alone: the engine does this by itself, and more exactly, when it loads a graph.

References:
    ONNX Runtime, core/optimizer/nchwc_transformer.cc, matmul_scale_fusion.cc, matmul_transpose_fusion.cc.
"""

import math
from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from burnish.graph.shapes import static_shape

_BLOCK = 8
"""Channels of a block: one vector of AVX2; wider ones take two blocks at once."""
_ALIGNED = 4
"""Channels come in multiples of it, or their convolutions run on images as they are."""
_ACTIVATIONS = frozenset("Relu LeakyRelu Sigmoid Tanh Clip HardSigmoid".split())
_POOLS = frozenset("MaxPool AveragePool GlobalMaxPool GlobalAveragePool".split())
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def relayout(model: ir.Model) -> None:
    """Change a model into what ONNX Runtime runs on a processor.

    Args:
        model: Fused, with plain sizes everywhere (`burnish.graph.shapes.sized_model`); changed.
    """
    graph = model.graph
    for node in list(graph):
        _fold(graph, node)
    blocked = _Blocked(graph)
    for node in list(graph):
        blocked.visit(node)
    blocked.finish()


def _fold(graph: ir.Graph, node: ir.Node) -> None:
    """Compute scales and transposes inside a matrix product, and ``x * sigmoid(x)`` at once."""
    x = node.inputs[0] if node.inputs else None
    if x is None:
        return
    reader = _sole_reader(node.outputs[0])
    if node.op_type == "Sigmoid" and reader is not None and reader.op_type == "Mul" and x in reader.inputs:
        made = _like(reader.outputs[0], ir.node("QuickGelu", [x], domain="com.microsoft"))
        _replace(graph, [reader, node], made, reader)
    elif node.op_type == "SkipLayerNormalization" and len(node.outputs) > 3 and any(node.outputs[3].uses()):
        _part(graph, node, x)
    elif _swaps_last(node) and reader is not None and reader.op_type in ("MatMul", "FusedMatMul"):
        reader.op_type, reader.domain = "FusedMatMul", "com.microsoft"
        side = "transA" if reader.inputs[0] is node.outputs[0] else "transB"
        reader.attributes[side] = ir.AttrInt64(side, 1 - reader.attributes.get_int(side, 0))
        _drop(graph, node, x)
    elif node.op_type in ("Mul", "Div") and _is_number(node.inputs[1]):
        before = x.producer()
        ends = (reader, before if before is not None and _sole_reader(x) is node else None)
        products = [end for end in ends if end is not None and end.op_type in ("MatMul", "FusedMatMul")]
        if products:
            products[0].op_type, products[0].domain = "FusedMatMul", "com.microsoft"
            _drop(graph, node, x)


def _part(graph: ir.Graph, node: ir.Node, x: ir.Value) -> None:
    """Write sums apart from the normalization: the engine joins them where nothing else reads the sum."""
    terms = [value for value in (*node.inputs[4:5], node.inputs[1]) if value is not None]
    for term in terms:
        made = _like(node.outputs[3], ir.node("Add", [x, term]))
        graph.insert_before(node, made)
        x = made.outputs[0]
    norm = _like(node.outputs[0], ir.node("LayerNormalization", [x, *node.inputs[2:4]]))
    graph.insert_before(node, norm)
    for old, new in ((node.outputs[0], norm.outputs[0]), (node.outputs[3], x)):
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


class _Blocked:
    """Which images lie in blocks, as one goes through a graph."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._native: set[ir.Value] = set()
        """Images that only exist in blocks."""
        self._turned: dict[ir.Value, ir.Value] = {}
        """Images in the other layout, by those that were reordered."""

    def visit(self, node: ir.Node) -> None:
        x = node.inputs[0] if node.inputs else None
        if x is None:
            return
        if self._absorb(node) or self._transpose(node, x):
            return
        if not self._runs_blocked(node):
            self._give(node, (value for value in node.inputs if value in self._native), "ReorderOutput")
            return
        if node.op_type == "BatchNormalization":
            node = self._as_conv(node, x)
        images = [
            value for place, value in enumerate(node.inputs) if value is not None and _is_image(node, place)
        ]
        self._give(node, (value for value in images if value not in self._native), "ReorderInput")
        self._native.add(node.outputs[0])

    def finish(self) -> None:
        """Reorder what the graph returns."""
        for value in self._graph.outputs:
            if value in self._native:
                self._graph.append(_like(value, ir.node("ReorderOutput", [value])))

    def _give(self, node: ir.Node, values: Iterable[ir.Value | None], op: str) -> None:
        """Let a node read images in the other layout."""
        for value in [value for value in values if value is not None]:
            if value not in self._turned:
                made = _like(value, ir.node(op, [value]))
                self._graph.insert_before(node, made)
                self._turned[value] = made.outputs[0]
            for place, have in enumerate(node.inputs):
                if have is value:
                    node.replace_input_with(place, self._turned[value])

    def _absorb(self, node: ir.Node) -> bool:
        """Compute an activation, or the sum with another image, inside the convolution before it."""
        operands = [value for value in node.inputs if value is not None]
        if node.op_type in _ACTIVATIONS and operands[0] in self._native:
            conv = self._open_conv(operands[0])
            if conv is not None:
                self._native.add(node.outputs[0])
                _drop(self._graph, node, operands[0])
                return True
        if node.op_type == "Add" and self._all_native(operands) and len(operands) == 2:
            for value, other in (operands, operands[::-1]):
                conv = self._open_conv(value)
                if conv is not None and len(conv.inputs) <= 3:
                    inputs = [*conv.inputs, *[None] * (3 - len(conv.inputs)), other]
                    made = ir.node("FusedConv", inputs, conv.attributes, domain="com.microsoft")
                    _replace(self._graph, [node, conv], _like(node.outputs[0], made), node)
                    self._native.add(made.outputs[0])
                    return True
        return False

    def _open_conv(self, value: ir.Value) -> ir.Node | None:
        """Return the convolution without activation that gives an image to one reader alone."""
        conv = value.producer()
        if conv is None or conv.op_type not in ("Conv", "FusedConv") or _sole_reader(value) is None:
            return None
        return None if "activation" in conv.attributes else conv

    def _transpose(self, node: ir.Node, x: ir.Value) -> bool:
        """Reorder and turn an image in one step."""
        order = tuple(node.attributes.get_ints("perm", ()) or ()) if node.op_type == "Transpose" else ()
        readers = [use.node for use in node.outputs[0].uses()]
        to_last = order == _LAST and x in self._native
        to_blocks = order == _FIRST and bool(readers) and all(map(_blocked_conv, readers))
        if not (to_last or to_blocks):
            return False
        node.op_type = "ReorderOutput" if to_last else "ReorderInput"
        node.attributes.clear()
        if to_blocks:
            self._native.add(node.outputs[0])
        return True

    def _runs_blocked(self, node: ir.Node) -> bool:
        images = [value for value in node.inputs if value is not None]
        if node.op_type in ("Conv", "FusedConv"):
            return _blocked_conv(node)
        if node.op_type in _POOLS | _ACTIVATIONS | {"QuickGelu", "BatchNormalization"}:
            return images[0] in self._native
        if node.op_type in ("Resize", "Upsample"):
            return images[0] in self._native and _doubles(node)
        if node.op_type in ("Add", "Sum", "Mul"):
            return self._all_native(images)
        if node.op_type == "Concat":
            whole = all(value in self._native and _channels(value) % _BLOCK == 0 for value in images)
            return node.attributes.get_int("axis", 0) == 1 and whole
        return False

    def _all_native(self, values: list[ir.Value]) -> bool:
        return all(value in self._native for value in values) and len({static_shape(v) for v in values}) == 1

    def _as_conv(self, node: ir.Node, x: ir.Value) -> ir.Node:
        """Write batch normalization as a convolution of each channel with one number."""
        channels = _channels(x)
        weight = ir.val("scale", const_value=ir.tensor(np.zeros((channels, 1, 1, 1), np.float32)))
        weight.shape, weight.type = ir.Shape((channels, 1, 1, 1)), ir.TensorType(ir.DataType.FLOAT)
        made = _like(node.outputs[0], ir.node("Conv", [x, weight, node.inputs[2]], {"group": channels}))
        _replace(self._graph, [node], made, node)
        return made


def _blocked_conv(node: ir.Node) -> bool:
    """Tell whether ONNX Runtime runs a convolution on blocks."""
    source, weight = node.inputs[0], node.inputs[1] if len(node.inputs) > 1 else None
    if node.op_type not in ("Conv", "FusedConv") or weight is None or source is None:
        return False
    size = static_shape(weight)
    if weight.const_value is None or size is None or len(size) != 4 or weight.dtype is not ir.DataType.FLOAT:
        return False
    groups = node.attributes.get_int("group", 1)
    if groups == 1:
        return size[1] < _BLOCK or size[1] % _ALIGNED == 0
    if size[1] == 1 and size[0] == groups:
        return groups % _ALIGNED == 0
    return size[1] % _BLOCK == 0 and size[0] // groups % _BLOCK == 0


def _is_image(node: ir.Node, place: int) -> bool:
    """Tell whether a blocked operator reads one of its inputs in blocks."""
    if node.op_type in ("Conv", "FusedConv"):
        channels = _channels(node.inputs[0]) if node.inputs[0] is not None else 0
        return place == 3 or (place == 0 and channels >= _BLOCK)
    return place == 0 or node.op_type in ("Add", "Sum", "Mul", "Concat")


def _channels(image: ir.Value) -> int:
    return (static_shape(image) or (0, 0))[1]


def _doubles(node: ir.Node) -> bool:
    """Tell whether an image grows by whole numbers."""
    before, after = (
        static_shape(value) or () if value is not None else () for value in (node.inputs[0], node.outputs[0])
    )
    return (
        len(before) == 4
        and before[:2] == after[:2]
        and all(b % a == 0 for a, b in zip(before, after, strict=True))
    )


def _swaps_last(node: ir.Node) -> bool:
    order = tuple(node.attributes.get_ints("perm", ()) or ()) if node.op_type == "Transpose" else ()
    axes = tuple(range(len(order)))
    return len(order) >= 2 and order == (*axes[:-2], axes[-1], axes[-2])


def _is_number(value: ir.Value | None) -> bool:
    return value is not None and value.const_value is not None and math.prod(static_shape(value) or ()) == 1


def _sole_reader(value: ir.Value) -> ir.Node | None:
    readers = {use.node for use in value.uses()}
    return next(iter(readers)) if len(readers) == 1 and not value.is_graph_output() else None


def _like(value: ir.Value, node: ir.Node) -> ir.Node:
    """Return a node whose output has the shape and type of a value."""
    made = node.outputs[0]
    made.shape, made.type, made.name = value.shape, value.type, f"{value.name}_{node.op_type}"
    return node


def _replace(graph: ir.Graph, old: list[ir.Node], made: ir.Node, last: ir.Node) -> None:
    ir.convenience.replace_nodes_and_values(graph, last, old, [made], last.outputs[:1], made.outputs)


def _drop(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Take a node out; who reads it reads a value before it."""
    ir.convenience.replace_all_uses_with(node.outputs[0], value, replace_graph_outputs=True)
    graph.remove(node, safe=True)
