"""One small graph for each kind of operator, with as many copies of the operator as asked.

The difference in time between more and fewer copies is what a copy costs *inside* a network: the call itself, and
the copies into and out of an engine's own layouts at either end, are in both. Copies that follow each other read
what the one before has just written, as in a network. Where an operator cannot follow itself, since its output has
another shape, its copies stand side by side: all add to one sum, or each has an input and an output of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.evaluate.micro.sketch import Sketch

Sizes = Mapping[str, int]
Cell = Callable[[Sketch, Sizes, int], list[ir.Value]]
"""Draws copies of an operator; returns the outputs of the graph."""

Attributes = Mapping[str, Any]

UNARY = ("Relu", "Sigmoid", "Tanh", "Erf", "Gelu", "HardSwish", "Sqrt", "Clip")
BINARY = ("Add", "Mul", "Div", "Sub")
MOVES = ("turn heads", "turn matrix", "channels last", "channels first", "join", "cut", "rows")


def conv(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Convolutions A to B channels and back, each with a Relu."""
    side, a, b = sizes["side"], sizes["inner"], sizes["outer"]
    x = _image(sketch, sizes, a)
    for _ in range(copies):
        for channels, width in ((a, b), (b, a)):
            x = sketch.add("Relu", _conv(sketch, x, channels, width, sizes))
    return [_small(sketch, x, side)]


def strided_conv(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Convolutions of one image, whose results are added up: for strides, and for images of few channels."""
    a, b = sizes["inner"], sizes["outer"]
    x = sketch.input(sizes["batch"], a, sizes["side"], sizes["side"])
    if a >= 8:
        x = _conv(sketch, x, a, a, {"kernel": 1})
    total = sketch.add("Relu", _conv(sketch, x, a, b, sizes))
    for _ in range(copies):
        total = sketch.add("Relu", sketch.add("Add", _conv(sketch, x, a, b, sizes), total))
    return [_small(sketch, total, sizes["side"])]


def grouped_conv(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Convolutions in groups, as many as channels or fewer; a stride keeps them side by side."""
    channels = sizes["inner"]
    x = _image(sketch, sizes, channels)
    if sizes["stride"] > 1:
        return strided_conv(sketch, {**sizes, "outer": channels}, copies)
    for _ in range(copies):
        x = sketch.add("Relu", _conv(sketch, x, channels, channels, sizes))
    return [_small(sketch, x, sizes["side"])]


def transposed_conv(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Convolutions that double the image, whose results are added up."""
    a, b = sizes["inner"], sizes["outer"]
    x, total = sketch.input(sizes["batch"], a, sizes["side"], sizes["side"]), None
    for _ in range(copies + 1):
        weight = sketch.weight(a, b, 2, 2, depth=a)
        y = sketch.add("ConvTranspose", x, weight, strides=[2, 2], kernel_shape=[2, 2])
        total = y if total is None else sketch.add("Add", y, total)
    return [_small(sketch, total or x, sizes["side"])]


def linear(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Products with weights, from K to N columns and back."""
    k, n = sizes["k"], sizes["n"]
    x = (
        sketch.input(sizes["batch"], sizes["rows"], k)
        if sizes["rows"] > 1
        else sketch.input(sizes["batch"], k)
    )
    for _ in range(copies):
        for a, b in ((k, n), (n, k)):
            if sizes["rows"] > 1:
                x = sketch.add("MatMul", x, sketch.weight(a, b, depth=a))
            else:
                x = sketch.add("Gemm", x, sketch.weight(a, b, depth=a), sketch.weight(b))
    return [x]


def attention(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Products of queries with keys, then with values, for every head."""
    stack, tokens, depth = (sizes["batch"], sizes["heads"]), sizes["tokens"], sizes["depth"]
    shapes = ((tokens, depth), (depth, tokens), (tokens, depth))
    q, k, v = (sketch.input(*stack, *shape) for shape in shapes)
    scale = sketch.constant(np.float32(1 / tokens))
    for _ in range(copies):
        q = sketch.add("MatMul", sketch.add("MatMul", sketch.add("Mul", q, scale), k), v)
    return [q]


def unary(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Functions of one number; a sum in between where the function would vanish when repeated."""
    op = UNARY[sizes["op"]]
    x = sketch.input(sizes["batch"], sizes["rows"], sizes["columns"])
    limits = [sketch.constant(np.float32(limit)) for limit in (-0.5, 0.5)] if op == "Clip" else []
    shift = sketch.constant(np.float32(0.25))
    for _ in range(copies):
        x = sketch.add(op, x, *limits)
        if op in ("Relu", "Clip"):
            x = sketch.add("Sub", x, shift)
    return [x]


def bias_gelu(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """A bias for each column, and GELU."""
    x = sketch.input(sizes["batch"], sizes["rows"], sizes["columns"])
    for _ in range(copies):
        x = sketch.add("Gelu", sketch.add("Add", x, sketch.weight(sizes["columns"])))
    return [x]


def binary(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Sums, products and quotients: with a whole tensor, a row, a number for each channel, or one number."""
    batch, rows, columns = sizes["batch"], sizes["rows"], sizes["columns"]
    x = sketch.input(batch, rows, columns)
    other = {
        "whole": lambda: sketch.input(batch, rows, columns),
        "row": lambda: sketch.constant(np.linspace(0.9, 1.1, columns, dtype=np.float32)),
        "channel": lambda: sketch.input(batch, rows, 1),
        "number": lambda: sketch.constant(np.float32(1.01)),
    }[("whole", "row", "channel", "number")[sizes["with"]]]()
    for _ in range(copies):
        x = sketch.add(BINARY[sizes["op"]], x, other)
    return [x]


def softmax(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Softmax over rows."""
    x = sketch.input(sizes["batch"], sizes["rows"], sizes["columns"])
    for _ in range(copies):
        x = sketch.add("Softmax", x, axis=-1)
    return [x]


def normalize(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Layer normalization, of a sum where ``skip`` is set."""
    shape = (sizes["batch"], sizes["rows"], sizes["columns"])
    x, skip = sketch.input(*shape), sketch.input(*shape)
    for _ in range(copies):
        y = sketch.add("Add", x, skip) if sizes["skip"] else x
        scale, bias = sketch.weight(sizes["columns"]), sketch.weight(sizes["columns"])
        x = sketch.add("LayerNormalization", y, scale, bias, axis=-1)
    return [x]


def reduce(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Means over the last axis, or over the one before it, each of an input of its own."""
    shape = (sizes["batch"], sizes["rows"], sizes["columns"])
    axes = sketch.constant(np.array([1 if sizes["middle"] else 2], np.int64))
    return [sketch.add("ReduceMean", sketch.input(*shape), axes, keepdims=0) for _ in range(copies)]


def pool(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Windows that move one step, so that the image keeps its size."""
    kernel, op = sizes["kernel"], ("MaxPool", "AveragePool")[sizes["op"]]
    x = _image(sketch, sizes, sizes["inner"])
    for _ in range(copies):
        x = sketch.add(op, x, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, strides=[1, 1])
    return [_small(sketch, x, sizes["side"])]


def halved(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Pools that halve the image, each followed by what doubles it again."""
    kernel = sizes["kernel"]
    x = _image(sketch, sizes, sizes["inner"])
    scales = sketch.constant(np.array([1, 1, 2, 2], np.float32))
    for _ in range(copies):
        pads = [0, 0, 0, 0] if kernel == 2 else [1, 1, 1, 1]
        x = sketch.add("MaxPool", x, kernel_shape=[kernel] * 2, pads=pads, strides=[2, 2])
        mode: Attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        x = sketch.add("Resize", x, None, scales, **mode)
    return [_small(sketch, x, sizes["side"])]


def move(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Copies into another order or place, each with an input and an output of its own."""
    return [_moved(sketch, sizes) for _ in range(copies)]


def blocked(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Cheap convolutions with a function in between that engines with a layout of their own leave that layout for."""
    x = _image(sketch, sizes, sizes["inner"])
    for _ in range(copies):
        x = sketch.add("Abs", _scaled(sketch, x, sizes["inner"]))
    return [x]


def joined(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Convolutions that halve the channels, each joined with another that reads the same."""
    channels = sizes["inner"]
    x = _image(sketch, sizes, channels)
    for _ in range(copies):
        halves = [_conv(sketch, x, channels, channels // 2, {"kernel": 1}) for _ in range(2)]
        x = sketch.add("Concat", *halves, axis=1)
    return [_small(sketch, x, sizes["side"])]


def recurrent(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Recurrent layers on each other, of one direction or both."""
    op, gates = (("LSTM", 4), ("GRU", 3))[sizes["op"]]
    hidden, ways = sizes["hidden"], sizes["ways"]
    attributes: Attributes = {"hidden_size": hidden, "direction": ("forward", "bidirectional")[ways - 1]}
    shape = (sizes["steps"], sizes["batch"], ways * hidden)
    x, flat = sketch.input(*shape), sketch.constant(np.array(shape, np.int64))
    for _ in range(copies):
        w = sketch.weight(ways, gates * hidden, ways * hidden, depth=ways * hidden)
        r = sketch.weight(ways, gates * hidden, hidden, depth=hidden)
        bias = sketch.constant(np.zeros((ways, 2 * gates * hidden), np.float32))
        y = sketch.add(op, x, w, r, bias, **attributes)
        x = sketch.add("Reshape", sketch.add("Transpose", y, perm=[0, 2, 1, 3]) if ways == 2 else y, flat)
    return [x]


def nothing(sketch: Sketch, sizes: Sizes, copies: int) -> list[ir.Value]:
    """Additions of one number, one after the other or side by side: what an operator or a value costs by itself."""
    if sizes["apart"]:
        one = sketch.constant(np.float32(1))
        return [sketch.add("Add", sketch.input(1), one) for _ in range(copies)]
    x, other = sketch.input(1), sketch.input(1)
    for _ in range(copies):
        x = sketch.add("Add", x, other)
    return [x]


CELLS: Mapping[str, Cell] = {
    cell.__name__: cell
    for cell in (
        conv, strided_conv, grouped_conv, transposed_conv, linear, attention, unary, bias_gelu, binary, softmax,
        normalize, reduce, pool, halved, move, blocked, joined, recurrent, nothing,
    )
}  # fmt: skip
"""Every kind of small graph by its name."""


def _image(sketch: Sketch, sizes: Sizes, channels: int) -> ir.Value:
    """Return an image as a convolution gives it: in the layout that an engine keeps images in."""
    x = sketch.input(sizes["batch"], channels, sizes["side"], sizes["side"])
    return _scaled(sketch, x, channels)


def _scaled(sketch: Sketch, x: ir.Value, channels: int) -> ir.Value:
    return _conv(sketch, x, channels, channels, {"kernel": 1, "groups": channels})


def _conv(sketch: Sketch, x: ir.Value, channels: int, width: int, sizes: Sizes) -> ir.Value:
    kernel, stride, groups = sizes["kernel"], sizes.get("stride", 1), sizes.get("groups", 1)
    weight = sketch.weight(width, channels // groups, kernel, kernel, depth=channels // groups * kernel**2)
    return sketch.add(
        "Conv",
        x,
        weight,
        sketch.weight(width),
        kernel_shape=[kernel, kernel],
        pads=[kernel // 2] * 4,
        strides=[stride, stride],
        group=groups,
    )


def _small(sketch: Sketch, x: ir.Value, side: int) -> ir.Value:
    """Return a few numbers of an image, so that the graph's output is not large."""
    return sketch.add("GlobalAveragePool", x) if side > 1 else x


def _moved(sketch: Sketch, sizes: Sizes) -> ir.Value:
    a, b, c = sizes["batch"], sizes["rows"], sizes["columns"]
    kind = MOVES[sizes["op"]]
    if kind == "turn heads":
        return sketch.add("Transpose", sketch.input(a, b, sizes["inner"], c), perm=[0, 2, 1, 3])
    if kind == "turn matrix":
        return sketch.add("Transpose", sketch.input(a, sizes["inner"], b, c), perm=[0, 1, 3, 2])
    if kind == "channels last":
        return sketch.add("Transpose", sketch.input(a, c, sizes["inner"], b), perm=[0, 2, 3, 1])
    if kind == "channels first":
        return sketch.add("Transpose", sketch.input(a, sizes["inner"], b, c), perm=[0, 3, 1, 2])
    x = sketch.input(a, b, c)
    if kind == "join":
        return sketch.add("Concat", x, x, axis=1)
    if kind == "cut":
        begin, end, axis = (sketch.constant(np.array([n], np.int64)) for n in (0, max(1, b // 2), 1))
        return sketch.add("Slice", x, begin, end, axis)
    table = sketch.weight(8192, c)
    return sketch.add("Gather", table, sketch.input(a, b, below=8192))
