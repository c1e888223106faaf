"""Random graphs that hold the patterns of fusion, near-misses of them, and noise.

A graph grows node by node and is carried out as it grows, so that every value is known. What makes a near-miss: a
constant that is almost right or has another shape, another axis, an operand from elsewhere, an intermediate value
that something else reads or that is an output.
"""

import math
from collections.abc import Callable

import numpy as np
import onnx
from hypothesis import assume
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from burnish.graph import ComputeGraph

BATCH = 2


class Growing:
    """A graph under construction; ``values`` holds what each name is for the inputs at hand."""

    def __init__(self, opset: int, seed: int) -> None:
        self.opset, self.rng = opset, np.random.default_rng(seed)
        self.nodes, self.stored, self.inputs = [], [], {}
        self.values: dict[str, np.ndarray] = {}
        self.constants: set[str] = set()

    def input(self, shape: tuple[int, ...], dtype=np.float32, *, values=None) -> str:
        name = f"x{len(self.inputs)}"
        array = self.rng.standard_normal(shape).astype(dtype) if values is None else np.asarray(values, dtype)
        self.inputs[name] = self.values[name] = array
        return name

    def const(self, values, dtype=np.float32) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(values, dtype)
        self.stored.append(numpy_helper.from_array(array, name))
        self.constants.add(name)
        self.values[name] = array
        return name

    def weight(self, *shape: int) -> str:
        return self.const(self.rng.standard_normal(shape) / 2)

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes) -> str:
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        node = helper.make_node(op, list(inputs), names, name=f"n{len(self.nodes)}", **attributes)
        try:
            evaluator = ReferenceEvaluator(node, opsets={"": self.opset})
            results = evaluator.run(None, {name: self.values[name] for name in inputs if name})
        except Exception:  # an operator that this opset lacks, or shapes that do not fit: no graph
            assume(False)
        self.nodes.append(node)
        self.values |= dict(zip(names, results, strict=False))
        return names[0]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape

    def graph(self, outputs) -> ComputeGraph:
        def info(name: str, *, batched: bool):
            array = self.values[name]
            dims = [
                "batch" if batched and axis == 0 and n == BATCH else n for axis, n in enumerate(array.shape)
            ]
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims)

        inputs = [info(name, batched=True) for name in self.inputs]
        results = [
            helper.make_tensor_value_info(
                name, info(name, batched=False).type.tensor_type.elem_type, [None] * self.values[name].ndim
            )
            for name in outputs
        ]
        graph = helper.make_graph(self.nodes, "random", inputs, results, self.stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        onnx.checker.check_model(model)
        return ComputeGraph(model.SerializeToString())


Draw = Callable[[st.SearchStrategy], object]


def scalar(draw: Draw, g: Growing, right: float) -> str:
    """A constant that is mostly right: sometimes another number, sometimes of another shape."""
    if draw(st.integers(0, 15)):
        return g.const(right)
    value = draw(st.sampled_from([right * 1.01, -right, 0.0, right + 1e-3]))
    shape = draw(st.sampled_from([(), (1,), (1, 1), (1, 1, 1, 1, 1)]))
    return g.const(np.full(shape, value))


def swap(draw: Draw, g: Growing, op: str, a: str, b: str) -> str:
    return g.node(op, *draw(st.permutations([a, b])))


def per_channel(draw: Draw, g: Growing, channels: int, rank: int) -> str:
    ones = (1,) * (rank - 2)
    right = [(channels, *ones), (1, channels, *ones), (), (1,), (1,) * rank]
    wrong = [(1,) * (rank + 1), (BATCH, channels, *ones), (channels,), (*ones, channels)]
    shape = draw(st.sampled_from([*right, *wrong]))
    array = g.rng.standard_normal(shape)
    return g.const(array + np.sign(array))  # no divisor near 0


def convolution(draw: Draw, g: Growing) -> None:
    channels, width = draw(st.sampled_from([(2, 4), (4, 4), (3, 3)]))
    x = g.input((BATCH, channels, 5, 5))
    if draw(st.booleans()):
        pads = draw(
            st.sampled_from([[0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0, 2, 0], [0, 1, 0, 0, 0, 0, 0, 0]])
        )
        value = draw(st.sampled_from([0.0, 0.0, 1.0]))
        mode = draw(st.sampled_from(["constant", "constant", "edge"]))
        x = g.node("Pad", x, g.const(pads, np.int64), g.const(value), mode=mode)
    channels = g.shape(x)[1]
    group = draw(st.sampled_from([1, 1, 2])) if channels % 2 == 0 and width % 2 == 0 else 1
    op = draw(st.sampled_from(["Conv", "Conv", "ConvTranspose"]))
    shape = (width, channels // group, 3, 3) if op == "Conv" else (channels, width // group, 3, 3)
    w = g.weight(*shape)
    bias = [g.weight(width)] if draw(st.booleans()) else []
    pads = draw(st.sampled_from([[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]]))
    y = g.node(op, x, w, *bias, group=group, pads=pads)
    if draw(st.sampled_from([False, False, True])):  # the weight has a second reader
        g.node(op, x, w, *bias, group=group, pads=[0, 0, 0, 0])
    for _ in range(draw(st.integers(0, 2))):
        y = normalized(draw, g, y) if draw(st.booleans()) else affine(draw, g, y)
    activation = draw(st.sampled_from(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "none", "sum"]))
    if activation == "sum":
        g.node("Relu", swap(draw, g, "Add", y, g.input(g.shape(y))))
    elif activation != "none":
        g.node(activation, y)


def normalized(draw: Draw, g: Growing, y: str) -> str:
    n = g.shape(y)[1]
    stored = [g.weight(n), g.weight(n), g.weight(n), g.const(g.rng.uniform(0.5, 2, n))]
    attributes = draw(st.sampled_from([{}, {"epsilon": 1e-3}, {"epsilon": 0.1}]))
    if g.opset >= 14 and draw(st.sampled_from([False, False, False, True])):
        return g.node("BatchNormalization", y, *stored, outputs=3, training_mode=1, **attributes)
    return g.node("BatchNormalization", y, *stored, **attributes)


def affine(draw: Draw, g: Growing, y: str) -> str:
    other = per_channel(draw, g, g.shape(y)[1], g.values[y].ndim)
    pair = draw(st.permutations([y, other]))
    return g.node(draw(st.sampled_from(["Add", "Sub", "Mul", "Div"])), *pair)


def product(draw: Draw, g: Growing) -> None:
    a, b, c = draw(st.sampled_from([(2, 3, 4), (3, 3, 3), (1, 3, 4)]))
    transposed = draw(st.tuples(st.booleans(), st.booleans()))
    x = g.input((b, a) if transposed[0] else (a, b))
    w = g.weight(*((c, b) if transposed[1] else (b, c)))
    x, w = (g.node("Transpose", v, perm=[1, 0]) if t else v for v, t in zip((x, w), transposed, strict=True))
    shapes = [(c,), (1, c), (a, c), (), (1,), (a, 1), (1, a, c), (2, 1, c), (3, c)]
    shape = draw(st.sampled_from(shapes))
    bias = draw(st.sampled_from([g.input, lambda s: g.weight(*s)]))(shape)
    y = swap(draw, g, "Add", g.node("MatMul", x, w), bias)
    if g.values[y].ndim == 2 and draw(st.booleans()):
        normalized(draw, g, y)


def gemm(draw: Draw, g: Growing) -> None:
    turned = draw(st.booleans())
    w = g.weight(4, 3) if turned else g.weight(3, 4)
    bias = draw(st.sampled_from([(), (4,), (1, 4), (BATCH, 4), (BATCH, 1)]))
    given = [] if draw(st.booleans()) else [g.weight(*bias)]
    y = g.node(
        "Gemm",
        g.input((BATCH, 3)),
        w,
        *given,
        transB=int(turned),
        alpha=0.5,
        beta=draw(st.sampled_from([1.0, 2.0])),
    )
    y = draw(st.sampled_from([normalized, affine]))(draw, g, y)


def gelu(draw: Draw, g: Growing) -> None:
    x = g.input((BATCH, 3, 4))
    if draw(st.booleans()):
        x = swap(draw, g, "Add", x, g.weight(*draw(st.sampled_from([(4,), (1,), (3, 4)]))))
    if draw(st.booleans()):
        inner = draw(st.sampled_from(["Div", "Mul"]))
        root = scalar(draw, g, math.sqrt(2) if inner == "Div" else math.sqrt(0.5))
        part = g.node("Erf", g.node(inner, x, root))
    else:
        square = g.node("Mul", x, x)
        cube = (
            g.node("Pow", x, scalar(draw, g, 3)) if draw(st.booleans()) else swap(draw, g, "Mul", x, square)
        )
        sum_ = swap(draw, g, "Add", x, swap(draw, g, "Mul", cube, scalar(draw, g, 0.044715)))
        part = g.node("Tanh", swap(draw, g, "Mul", sum_, scalar(draw, g, math.sqrt(2 / math.pi))))
    rest = swap(draw, g, "Add", part, scalar(draw, g, 1))
    half, order = scalar(draw, g, 0.5), draw(st.integers(0, 2))
    other = x if draw(st.sampled_from([True] * 9 + [False])) else g.input((BATCH, 3, 4))
    if order == 0:
        swap(draw, g, "Mul", half, swap(draw, g, "Mul", other, rest))
    elif order == 1:
        swap(draw, g, "Mul", other, swap(draw, g, "Mul", half, rest))
    else:
        swap(draw, g, "Mul", rest, swap(draw, g, "Mul", half, other))


def mean(draw: Draw, g: Growing, x: str) -> str:
    last = g.values[x].ndim - 1
    axes = draw(st.sampled_from([[-1]] * 9 + [[last]] * 4 + [[0], [-2, -1], [1]]))
    keep = draw(st.sampled_from([1] * 15 + [0]))
    if g.opset >= 18:
        return g.node("ReduceMean", x, g.const(axes, np.int64), keepdims=keep)
    return g.node("ReduceMean", x, axes=axes, keepdims=keep)


def norm(draw: Draw, g: Growing) -> None:
    shape = draw(st.sampled_from([(BATCH, 3, 4), (BATCH, 4, 4), (4, 4)]))
    x = g.input(shape)
    if draw(st.booleans()):
        x = swap(
            draw, g, "Add", x, g.input(draw(st.sampled_from([shape, shape, shape[-1:], (1, *shape[1:])])))
        )
    d = g.node("Sub", x, mean(draw, g, x)) if draw(st.integers(0, 2)) else x
    squared = g.node("Mul", d, d) if draw(st.booleans()) else g.node("Pow", d, scalar(draw, g, 2))
    epsilon = g.const(np.full(draw(st.sampled_from([()] * 8 + [(1,), shape[-1:], (1, 1, 1, 1)])), 1e-5))
    root = g.node("Sqrt", swap(draw, g, "Add", mean(draw, g, squared), epsilon))
    inverse = "" if draw(st.booleans()) else g.node("Reciprocal", root)
    y = swap(draw, g, "Mul", d, inverse) if inverse else g.node("Div", d, root)
    shapes = [shape[-1:]] * 10 + [(1,), (), shape[-2:], (1, 1, *shape[-1:]), (1, 1, 1, *shape[-1:])]
    make = draw(st.sampled_from([lambda s: g.weight(*s), g.input]))
    y = swap(draw, g, "Mul", y, make(draw(st.sampled_from(shapes))))
    if draw(st.booleans()):
        swap(draw, g, "Add", y, g.weight(*draw(st.sampled_from(shapes))))


def attention(draw: Draw, g: Growing) -> None:
    heads, size = draw(st.sampled_from([(2, 3), (1, 4)]))
    queries, keys = draw(st.sampled_from([(3, 3), (3, 5), (1, 4)]))

    keep = draw(st.sampled_from([0, 0, BATCH, -1]))  # of -1, inference cannot tell that it is the batch

    def head(length: int, perm=(0, 2, 1, 3), batch=BATCH, count=heads) -> str:
        x = g.input((batch, length, count * size))
        return g.node(
            "Transpose", g.node("Reshape", x, g.const([keep, length, count, size], np.int64)), perm=perm
        )

    few = draw(st.sampled_from([heads] * 9 + [1]))
    q, v = head(queries), head(keys, batch=draw(st.sampled_from([BATCH] * 9 + [1])), count=few)
    if draw(st.booleans()):
        k = head(keys, perm=(0, 2, 3, 1), count=few)
    else:
        k = g.node("Transpose", head(keys, count=few), perm=[0, 1, 3, 2])
    where = draw(st.sampled_from(["scores", "q", "both", "none"]))
    if where in ("q", "both"):
        q = g.node("Mul", q, scalar(draw, g, 0.7))
    if where == "both":
        k = g.node(draw(st.sampled_from(["Mul", "Div"])), k, scalar(draw, g, 0.7))
    scores = g.node("MatMul", q, k)
    if where == "scores":
        scores = g.node(draw(st.sampled_from(["Mul", "Div"])), scores, scalar(draw, g, math.sqrt(size)))
    if draw(st.booleans()):
        shapes = [(1, 1, queries, keys), (BATCH, 1, 1, keys), (queries, keys), (BATCH, heads, queries, keys)]
        shapes += [(1, keys), (keys,), (1, 1, queries, 1), (heads, queries, keys), (BATCH, 1, 1, 1, keys)]
        scores = swap(draw, g, "Add", scores, g.input(draw(st.sampled_from(shapes))))
    weights = g.node("Softmax", scores, axis=draw(st.sampled_from([-1, -1, -1, 3, 3, 2])))
    g.node("MatMul", weights, v)


def moves(draw: Draw, g: Growing) -> None:
    rank = draw(st.integers(2, 4))
    sizes = (2, 3, 2, 3)[:rank]
    values = [g.input(sizes)]
    for _ in range(draw(st.integers(2, 6))):
        x = draw(st.sampled_from(values))
        kind = draw(st.sampled_from(["turn", "turn", "unary", "binary", "const"]))
        if kind == "turn":
            named = draw(st.sampled_from([True, True, True, False]))
            perm = draw(st.permutations(range(rank)))
            values.append(g.node("Transpose", x, **({"perm": perm} if named else {})))
        elif kind == "unary":
            values.append(g.node(draw(st.sampled_from(["Relu", "Neg", "Sigmoid", "Abs"])), x))
        elif kind == "binary":
            peers = [v for v in values if g.shape(v) == g.shape(x)]
            values.append(
                g.node(draw(st.sampled_from(["Add", "Sub", "Mul"])), x, draw(st.sampled_from(peers)))
            )
        else:
            shape = g.shape(x)[draw(st.integers(0, rank)) :]
            values.append(swap(draw, g, draw(st.sampled_from(["Add", "Sub"])), x, g.weight(*shape)))


def casts(draw: Draw, g: Growing) -> None:
    kinds = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64]
    kinds += [TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL]
    x = g.input((BATCH, 3), draw(st.sampled_from([np.float32, np.float16, np.float64])))
    if draw(st.booleans()):
        x = g.input((BATCH, 3), np.int32, values=g.rng.integers(-100, 100, (BATCH, 3)))
    for _ in range(draw(st.integers(1, 4))):
        signed = g.values[x].dtype.kind != "f" or (g.values[x] >= 0).all()
        x = g.node(
            "Cast", x, to=draw(st.sampled_from([k for k in kinds if signed or k != TensorProto.UINT8]))
        )


def bounds(draw: Draw, g: Growing) -> None:
    x = g.input((BATCH, 8))
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            x = g.node("Relu", x)
            continue
        number = st.sampled_from([None, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0])
        low, high = draw(number), draw(number)
        x = g.node("Clip", x, *("" if b is None else g.const(b) for b in (low, high)))


def hardswish(draw: Draw, g: Growing) -> None:
    x = g.input((BATCH, 8))
    y = g.node(
        "Clip",
        swap(draw, g, "Add", x, scalar(draw, g, 3)),
        g.const(0.0),
        g.const(draw(st.sampled_from([6.0, 6.0, 5.0]))),
    )
    if draw(st.booleans()):
        g.node("Div", swap(draw, g, "Mul", x, y), scalar(draw, g, 6))
    else:
        swap(draw, g, "Mul", x, g.node("Div", y, scalar(draw, g, 6)))


def nothing(draw: Draw, g: Growing) -> None:
    x = g.input((BATCH, 3))
    for _ in range(draw(st.integers(1, 5))):
        op, neutral = draw(
            st.sampled_from([("Add", 0.0), ("Sub", 0.0), ("Mul", 1.0), ("Div", 1.0), ("Identity", 0.0)])
        )
        if op == "Identity":
            x = g.node("Identity", x)
        else:
            value = draw(st.sampled_from([neutral, neutral, neutral + 1e-2, neutral + 1.0]))
            shape = draw(st.sampled_from([(), (1,), (1, 1), (1, 1, 1), (3,)]))
            pair = [x, g.const(np.full(shape, value))]
            x = g.node(op, *(draw(st.permutations(pair)) if value else pair))


def repeats(draw: Draw, g: Growing) -> None:
    values = [g.input((BATCH, 3)), g.const(np.ones((BATCH, 3))), g.const(np.ones((BATCH, 3)))]
    for _ in range(draw(st.integers(2, 6))):
        op = draw(st.sampled_from(["Add", "Mul", "Relu", "Softmax", "Shape", "Reshape"]))
        x = draw(st.sampled_from(values))
        if op in ("Add", "Mul"):
            values.append(g.node(op, x, draw(st.sampled_from(values))))
        elif op == "Softmax":
            values.append(g.node(op, x, axis=draw(st.sampled_from([0, 1, -1]))))
        elif op == "Relu":
            values.append(g.node(op, x))
        else:
            shape = g.node("Shape", x)
            rows = g.node("Gather", shape, g.const(draw(st.sampled_from([0, 1, -1])), np.int64), axis=0)
            sizes = g.node("Unsqueeze", rows, g.const([0], np.int64))
            target = g.node("Concat", sizes, g.const([-1], np.int64), axis=0)
            y = g.node("Reshape", x, target)
            if g.shape(y) == (BATCH, 3):
                values.append(y)


def quantized(draw: Draw, g: Growing) -> None:
    assume(g.opset >= 19)  # the reference evaluator has no older ones
    kind = draw(st.sampled_from([np.int8, np.uint8]))
    grid = [g.const(0.1), g.const(3, kind)]
    other = [g.const(draw(st.sampled_from([0.1, 0.1, 0.2]))), g.const(draw(st.sampled_from([3, 3, 4])), kind)]
    x = g.input((BATCH, 3, 4))
    start = g.const(g.rng.standard_normal((4, 8))) if draw(st.booleans()) else x
    y = g.node("DequantizeLinear", g.node("QuantizeLinear", start, *grid), *grid)
    for _ in range(draw(st.integers(0, 2))):
        move = draw(st.sampled_from(["Transpose", "Reshape", "Flatten", "Unsqueeze", "Relu"]))
        rank = g.values[y].ndim
        if move == "Transpose":
            y = g.node(move, y, perm=draw(st.permutations(range(rank))))
        elif move == "Reshape":
            y = g.node(move, y, g.const([-1, 2], np.int64))
        elif move == "Unsqueeze":
            y = g.node(move, y, g.const([0], np.int64))
        else:
            y = g.node(move, y)
        y = g.node("DequantizeLinear", g.node("QuantizeLinear", y, *other), *other)
    if draw(st.booleans()):
        n = g.shape(y)[-1]
        axis = g.values[y].ndim - 1
        scales = [g.const(g.rng.uniform(0.1, 0.2, n)), g.const(np.zeros(n), kind)]
        y = g.node("DequantizeLinear", g.node("QuantizeLinear", y, *scales, axis=axis), *scales, axis=axis)
        again = draw(st.sampled_from([scales, other]))
        g.node("QuantizeLinear", y, *again, **({"axis": axis} if again is scales else {}))


SNIPPETS = (
    convolution,
    product,
    gemm,
    gelu,
    norm,
    attention,
    moves,
    casts,
    bounds,
    hardswish,
    nothing,
    repeats,
    quantized,
)


@st.composite
def growing(draw, snippets=SNIPPETS) -> tuple[Growing, list[str]]:
    """Return a graph under construction and the names of its outputs."""
    g = Growing(draw(st.sampled_from([14, 17, 20, 23, 23, 23])), draw(st.integers(0, 1000)))
    for _ in range(draw(st.integers(1, 2))):
        draw(st.sampled_from(snippets))(draw, g)
    computed = [name for node in g.nodes for name in node.output if name in g.values]
    read = {name for node in g.nodes for name in node.input}
    outputs = [name for name in computed if name not in read]
    if draw(st.sampled_from([False, False, True])):  # something else reads, or is, an intermediate value
        extra = draw(st.sampled_from(computed))
        outputs += [] if extra in outputs else [extra]
    if draw(st.sampled_from([False, False, True])):
        extra = draw(st.sampled_from(computed))
        if g.values[extra].dtype == np.float32:
            outputs.append(g.node("Abs", extra))
    return g, outputs
