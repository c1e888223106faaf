"""Small graphs, written as text, that exams and probes run."""

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
