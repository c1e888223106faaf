"""Small graphs, written as text, that exams and probes run."""

import numpy as np
import onnx_ir as ir

from burnish.graph import ComputeGraph
from burnish.graph.signature import DType

_WORDS = {"float32": "float", "float64": "double"}


def from_text(text: str) -> ComputeGraph:
    """Build a graph from ONNX's text form."""
    return ComputeGraph(ir.from_onnx_text(text))


def double() -> ComputeGraph:
    """Return ``y = x + x`` over [batch, 3]."""
    return from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        double (float[batch, 3] x) => (float[batch, 3] y) { y = Add(x, x) }
    """)


def same(dtype: DType) -> ComputeGraph:
    """Return ``y = x`` over [batch, 3]."""
    word = _WORDS.get(dtype, dtype)
    return from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        same ({word}[batch, 3] x) => ({word}[batch, 3] y) {{ y = Identity(x) }}
    """)


def product(dtype: DType) -> ComputeGraph:
    """Return ``y = x @ w + x`` over [batch, 3], with ``w`` a rotation of the columns: exact in every dtype."""
    word = _WORDS.get(dtype, dtype)
    return from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        product ({word}[batch, 3] x) => ({word}[batch, 3] y)
        <float[3, 3] w = {{0, 1, 0, 0, 0, 1, 1, 0, 0}}>
        {{ c = CastLike(w, x)  p = MatMul(x, c)  y = Add(p, x) }}
    """)


def quantized() -> ComputeGraph:
    """Return the same product with 8-bit inputs and weights between QuantizeLinear and DequantizeLinear.

    Both scales are one half: multiples of it between -64 and 63.5 come out exact.
    """
    return from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        quantized (float[batch, 3] x) => (float[batch, 3] y)
        <float s = {0.5}, int8 z = {0}, int8[3, 3] w = {0, 2, 0, 0, 0, 2, 2, 0, 0}>
        {
            q = QuantizeLinear(x, s, z)
            d = DequantizeLinear(q, s, z)
            v = DequantizeLinear(w, s, z)
            p = MatMul(d, v)
            y = Add(p, d)
        }
    """)


def expanded() -> ComputeGraph:
    """Return ``y``, which repeats [1] of x to a shape that is only told when it runs."""
    return from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        expanded (float[1] x, int64[3] shape) => (float[a, b, c] y) { y = Expand(x, shape) }
    """)


def heavy(size: int = 2048) -> ComputeGraph:
    """Return ``y = x @ w`` over [batch, size] with weights of ``4 * size**2`` bytes."""
    model = from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        heavy (float[batch, {size}] x, float[{size}, {size}] w) => (float[batch, {size}] y) {{ y = MatMul(x, w) }}
    """).model
    weights = model.graph.inputs.pop()
    values = np.random.default_rng(0).standard_normal((size, size), np.float32)
    weights.const_value = ir.tensor(values, name=weights.name)
    model.graph.register_initializer(weights)
    return ComputeGraph(model)


def network() -> ComputeGraph:
    """Return a small convolutional classifier over [batch, 1, 8, 8] with fixed weights."""
    return from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        network (float[batch, 1, 8, 8] x) => (float[batch, 4] scores, float[batch, 4] probabilities)
        <float[4, 1, 3, 3] k = {
            0.1, -0.2, 0.3, 0.4, -0.5, 0.6, -0.7, 0.8, -0.9, 0.9, 0.8, 0.7, -0.6, -0.5, -0.4, 0.3, 0.2, 0.1,
            -0.3, 0.1, 0.2, 0.5, 0.4, -0.1, -0.2, 0.6, 0.7, 0.2, 0.4, -0.6, 0.8, -0.1, 0.3, 0.5, -0.7, 0.9},
         float[4, 4] w = {
            0.5, -0.1, 0.2, 0.7, -0.4, 0.6, 0.1, -0.3, 0.9, 0.8, -0.2, 0.3, 0.1, -0.6, 0.4, -0.5},
         float[4] b = {0.01, -0.02, 0.03, -0.04}>
        {
            c = Conv <pads = [1, 1, 1, 1]> (x, k)
            r = Relu(c)
            p = GlobalAveragePool(r)
            f = Flatten(p)
            scores = Gemm(f, w, b)
            probabilities = Softmax <axis = 1> (scores)
        }
    """)


def two_inputs() -> ComputeGraph:
    """Return ``sum = a + b`` and ``product = a * b`` over [batch, n]."""
    return from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        pair (float[batch, n] a, float[batch, n] b) => (float[batch, n] sum, float[batch, n] product)
        { sum = Add(a, b)  product = Mul(a, b) }
    """)


def unknown_operator() -> ComputeGraph:
    """Return a graph whose only operator belongs to a domain that no engine knows."""
    return from_text("""
        <ir_version: 8, opset_import: ["" : 17, "nobody.knows" : 1]>
        strange (float[batch, 3] x) => (float[batch, 3] y) { y = nobody.knows.Frobnicate(x) }
    """)
