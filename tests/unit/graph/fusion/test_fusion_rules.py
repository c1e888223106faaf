"""Each pass on the smallest graph that holds its pattern, and on the near-misses that it must leave alone."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.graph import ComputeGraph
from burnish.graph.fusion import fuse

IO = "(float[batch, 2, 4] x) => (float[a, b, c] y)"
HALF = "float h = {0.5}, float one = {1.0}, float r = {1.4142135}, float i = {0.70710677}"
ERF = f"{IO} <{HALF}> {{ d = Div(x, r) e = Erf(d) a = Add(e, one)"
NORM = f"""{IO} <int64[1] last = {{-1}}, float two = {{2.0}}, float eps = {{0.001}},
float[4] s = {{1.0, 2.0, 3.0, 4.0}},
float[2, 1] odd = {{1.0, 2.0}}, float[4] b = {{1.0, 1.0, 2.0, 2.0}}, int64[1] first = {{1}}>
{{ m = ReduceMean(x, last) d = Sub(x, m) q = Pow(d, two) v = ReduceMean(q, last) e = Add(v, eps)
t = Sqrt(e) n = Div(d, t)"""
CONV = """(float[batch, 2, 4, 4] x) => (float[a, b, c, d] y)
<float[2, 2, 1, 1] w = {1.0, 2.0, 3.0, 4.0}, float[2] g = {0.5, 2.0}, float[2] h = {0.1, 0.2},
float[2] m = {0.3, -0.3}, float[2] v = {1.0, 0.5}, float[2, 1, 1] c = {2.0, 3.0}, float[4] row = {1.0, 2.0, 3.0, 4.0},
int64[8] p = {0, 0, 1, 1, 0, 0, 1, 1}, float zero = {0.0}, float one = {1.0}>"""
MATMUL = """(float[2, 3] x) => (float[a, b] y)
<float[3, 4] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0, 2.0, 3.0},
float[4] b = {1.0, 2.0, 3.0, 4.0}, float[2, 1] col = {1.0, 2.0}, float[1, 3] u = {1.0, 2.0, 3.0}>"""
ATTENTION = """(float[batch, 2, 3, 4] q, float[batch, 2, 5, 4] k, float[batch, 2, 5, 4] v, float[batch, 1, 1, 5] m)
=> (float[a, b, c, d] y) <float s = {2.0}>"""
QDQ = """(float[batch, 4] x) => (float[a, b] y) <float s = {0.1}, int8 z = {3}, float other = {0.2},
int64[2] shape = {-1, 2}>
{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)"""

TARGETS = {"attention": "openvino"}

REWRITTEN = {
    "erf": (f"{ERF} f = Mul(x, a) y = Mul(f, h) }}", "gelu", {"Gelu": 1}),
    "erf, half first": (f"{ERF} f = Mul(h, x) y = Mul(a, f) }}", "gelu", {"Gelu": 1}),
    "erf of a product": (
        f"{IO} <{HALF}> {{ d = Mul(i, x) e = Erf(d) a = Add(one, e) f = Mul(a, h) y = Mul(x, f) }}",
        "gelu",
        {"Gelu": 1},
    ),
    "tanh": (
        f"""{IO} <{HALF}, float l = {{0.044715}}, float three = {{3.0}}, float p = {{0.7978846}}> {{ c = Pow(x, three)
        k = Mul(c, l) s = Add(k, x) q = Mul(p, s) t = Tanh(q) a = Add(t, one) f = Mul(a, h) y = Mul(f, x) }}""",
        "gelu",
        {"Gelu": 1},
    ),
    "tanh, cubed by products": (
        f"""{IO} <{HALF}, float l = {{0.044715}}, float p = {{0.7978846}}> {{ z = Mul(x, x) c = Mul(z, x)
        k = Mul(c, l) s = Add(x, k) q = Mul(p, s) t = Tanh(q) a = Add(t, one) f = Mul(x, h) y = Mul(f, a) }}""",
        "gelu",
        {"Gelu": 1},
    ),
    "layer norm": (f"{NORM} y = Mul(n, s) }}", "layernorm", {"LayerNormalization": 1}),
    "layer norm with bias": (
        f"{NORM} u = Mul(s, n) y = Add(b, u) }}",
        "layernorm",
        {"LayerNormalization": 1},
    ),
    "rms norm": (
        f"{NORM.partition('{ m')[0]} {{ q = Mul(x, x) v = ReduceMean(q, last) e = Add(eps, v) t = Sqrt(e)"
        " k = Reciprocal(t) n = Mul(k, x) y = Mul(n, s) }",
        "rmsnorm",
        {"RMSNormalization": 1},
    ),
    "normalized convolution": (
        f"{CONV} {{ k = Conv(x, w) y = BatchNormalization(k, g, h, m, v) }}",
        "batchnorm",
        {"Conv": 1},
    ),
    "normalized transposed convolution": (
        f"{CONV} {{ k = ConvTranspose(x, w, g) y = BatchNormalization(k, g, h, m, v) }}",
        "batchnorm",
        {"ConvTranspose": 1},
    ),
    "two convolutions with one bias": (
        f"{CONV} {{ k = Conv(x, w, g) l = BatchNormalization(k, g, h, m, v) y = Conv(l, w2, g) }}".replace(
            "float zero", "float[2, 2, 1, 1] w2 = {1.0, 1.0, 2.0, 2.0}, float zero"
        ),
        "batchnorm",
        {"Conv": 2},
    ),
    "scaled and shifted": (
        f"{CONV} {{ k = Conv(x, w, g) s = Mul(c, k) y = Sub(s, c) }}",
        "affine",
        {"Conv": 1},
    ),
    "subtracted from": (f"{CONV} {{ k = Conv(x, w, g) y = Sub(c, k) }}", "affine", {"Conv": 1}),
    "padded": (f"{CONV} {{ k = Pad(x, p, zero) y = Conv(k, w) }}", "pad", {"Conv": 1}),
    "product with bias": (f"{MATMUL} {{ p = MatMul(x, w) y = Add(b, p) }}", "gemm", {"Gemm": 1}),
    "product with a column": (f"{MATMUL} {{ p = MatMul(x, w) y = Add(p, col) }}", "gemm", {"Gemm": 1}),
    "attention": (
        f"{ATTENTION} {{ t = Transpose<perm = [0, 1, 3, 2]>(k) a = MatMul(q, t) d = Div(a, s) e = Add(m, d)"
        " p = Softmax<axis = -1>(e) y = MatMul(p, v) }",
        "attention",
        {"Attention": 1, "Expand": 1},
    ),
    "attention, scaled before, no mask": (
        f"{ATTENTION} {{ t = Transpose<perm = [0, 1, 3, 2]>(k) u = Mul(t, s) z = Mul(s, q) a = MatMul(z, u)"
        " p = Softmax(a) y = MatMul(p, v) }",
        "attention",
        {"Attention": 1},
    ),
    "transposes that cancel": (
        f"{IO} {{ a = Transpose<perm = [2, 0, 1]>(x) b = Relu(a) y = Transpose<perm = [1, 2, 0]>(b) }}",
        "transposes",
        {"Relu": 1},
    ),
    "transposes that meet": (
        f"{IO} {{ a = Transpose<perm = [2, 0, 1]>(x) z = Abs(x) b = Transpose<perm = [2, 0, 1]>(z) y = Add(a, b) }}",
        "transposes",
        {"Abs": 1, "Add": 1, "Transpose": 1},
    ),
    "bounds": (
        f"{IO} <float l = {{-1.0}}, float u = {{0.5}}> {{ a = Clip(x, l) b = Relu(a) y = Clip(b, l, u) }}",
        "bounds",
        {"Clip": 1},
    ),
    "hard swish": (
        f"{IO} <float three = {{3.0}}, float zero = {{0.0}}, float six = {{6.0}}>"
        " { a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six) }",
        "hardswish",
        {"HardSwish": 1},
    ),
    "casts": (f"{IO} {{ a = Cast<to = 11>(x) b = Cast<to = 1>(a) y = Relu(b) }}", "casts", {"Relu": 1}),
    "no-ops": (
        f"{IO} <float zero = {{0.0}}, float[1] one = {{1.0}}>"
        " { a = Add(zero, x) b = Mul(a, one) c = Identity(b) y = Abs(c) }",
        "no-ops",
        {"Abs": 1},
    ),
    "equal expressions": (
        f"{IO} {{ a = Abs(x) b = Abs(x) y = Mul(a, b) }}",
        "common-subexpressions",
        {"Abs": 1, "Mul": 1},
    ),
    "static sizes": (
        f"{IO} <int64 axis = {{2}}>"
        " { s = Shape(x) n = Gather(s, axis) f = Cast<to = 1>(n) r = Sqrt(f) y = Div(x, r) }",
        "constants",
        {"Div": 1},
    ),
    "quantize of a dequantize": (
        f"{QDQ} e = QuantizeLinear(d, s, z) y = DequantizeLinear(e, s, z) }}",
        "qdq",
        {"QuantizeLinear": 1, "DequantizeLinear": 1},
    ),
    "quantize after a move": (
        f"{QDQ} r = Reshape(d, shape) e = QuantizeLinear(r, s, z) y = DequantizeLinear(e, s, z) }}",
        "qdq",
        {"QuantizeLinear": 1, "Reshape": 1, "DequantizeLinear": 1},
    ),
}

KEPT = {
    "erf of another": (f"{ERF} z = Abs(x) f = Mul(z, a) y = Mul(f, h) }}", "gelu"),
    "erf with a third": (f"{ERF} f = Mul(x, a) y = Mul(f, one) }}", "gelu"),
    "layer norm over another axis": (
        f"{NORM} y = Mul(n, s) }}".replace("ReduceMean(q, last)", "ReduceMean(q, first)"),
        "layernorm",
    ),
    "layer norm, scale of another axis": (f"{NORM} y = Mul(n, odd) }}", "layernorm"),
    "training mode": (
        f"{CONV} {{ k = Conv(x, w) y, i, j = BatchNormalization<training_mode = 1>(k, g, h, m, v) }}",
        "batchnorm",
    ),
    "a row added": (f"{CONV} {{ k = Conv(x, w) y = Add(k, row) }}", "affine"),
    "divided by": (f"{CONV} {{ k = Conv(x, w) z = Div(c, k) y = Identity(z) }}", "affine"),
    "padded with ones": (f"{CONV} {{ k = Pad(x, p, one) y = Conv(k, w) }}", "pad"),
    "the weight has another reader": (f"{CONV} {{ k = Conv(x, w) l = Mul(k, c) y = Conv(l, w) }}", "affine"),
    "attention over another axis": (
        f"{ATTENTION} {{ t = Transpose<perm = [0, 1, 3, 2]>(k) a = MatMul(q, t)"
        " p = Softmax<axis = 2>(a) y = MatMul(p, v) }",
        "attention",
    ),
    "bounds that cross": (
        f"{IO} <float zero = {{0.0}}, float one = {{1.0}}, float two = {{2.0}}, float three = {{3.0}}>"
        " { a = Clip(x, zero, one) y = Clip(a, two, three) }",
        "bounds",
    ),
    "a cast that loses": (f"{IO} {{ a = Cast<to = 6>(x) y = Cast<to = 1>(a) }}", "casts"),
    "nearly one": (f"{IO} <float one = {{1.001}}> {{ y = Mul(x, one) }}", "no-ops"),
    "another scale": (f"{QDQ} e = QuantizeLinear(d, other, z) y = DequantizeLinear(e, other, z) }}", "qdq"),
}


@pytest.mark.parametrize("case", REWRITTEN)
def test_rewrites(fused, case):
    text, name, operators = REWRITTEN[case]
    result = fused(text, [name], target=TARGETS.get(name))
    found = result.graph.operators()
    assert {op: count for op, count in found.items() if op != "Identity"} == operators
    (report,) = result.report.passes
    assert report.matched
    assert report.removed
    assert report.nodes[1] < report.nodes[0]


@pytest.mark.parametrize("case", KEPT)
def test_leaves_near_misses_alone(fused, case):
    text, name = KEPT[case]
    result = fused(text, [name], target=TARGETS.get(name))
    assert not result.report.passes[0].changed


def test_an_intermediate_value_that_is_an_output_stays(fused):
    text = CONV.replace("(float[a, b, c, d] y)", "(float[a, b, c, d] y, float[e, f, g, h] k)")
    result = fused(f"{text} {{ k = Conv(x, w) y = BatchNormalization(k, g, h, m, v) }}")
    assert result.graph.operators() == {"Conv": 1, "BatchNormalization": 1}
    assert result.graph.signature.output_names == ["y", "k"]


def test_axes_may_be_an_attribute(fused):
    text = NORM.replace("ReduceMean(x, last)", "ReduceMean<axes = [2]>(x)").replace(
        "ReduceMean(q, last)", "ReduceMean<axes = [-1]>(q)"
    )
    result = fused(f"{text} y = Mul(n, s) }}", ["layernorm"], opset=17)
    assert result.graph.operators() == {"LayerNormalization": 1}


def test_a_bias_that_would_widen_the_product_stays(fused):
    text = (
        "(float[1, 3] x, float[3, 4] w, float[5, 4] b) => (float[p, q] y) { m = MatMul(x, w) y = Add(m, b) }"
    )
    assert fused(text, ["gemm"]).graph.operators() == {"MatMul": 1, "Add": 1}


def test_a_weight_may_be_called_like_the_bias_that_is_added(fused):
    text = CONV.replace("float zero", "float[2, 2, 1, 1] k_bias = {5.0, 6.0, 7.0, 8.0}, float zero")
    result = fused(f"{text} {{ k = Conv(x, w) n = BatchNormalization(k, g, h, m, v) y = Conv(n, k_bias) }}")
    assert result.graph.operators() == {"Conv": 2}


def test_weights_are_stored_quantized():
    array = np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4)
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    stored = [
        numpy_helper.from_array(a, n)
        for n, a in (("w", array), ("s", np.float32(0.01)), ("z", np.array(0, np.int8)))
    ]
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, k]) for n, k in (("x", 8), ("y", 4))]
    model = helper.make_model(
        helper.make_graph(nodes, "g", info[:1], info[1:], stored),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    graph = ComputeGraph(model.SerializeToString())
    fused = fuse(graph, ["constants", "qdq"]).graph
    assert fused.operators() == {"DequantizeLinear": 1, "MatMul": 1}
    assert fused.size_bytes < graph.size_bytes


def test_control_flow_is_rewritten_inside_and_left_where_it_reaches_outside(fused):
    text = f"""{IO} <bool[1] flag = {{1}}, int64[1] i = {{0}}, float zero = {{0.0}}> {{
        s = ReduceSum(x) k = Greater(s, zero) r = Relu(x)
        y = If (k) <then_branch = t () => (float[d, e, f] p) {{ p = Relu(r) }},
                    else_branch = u () => (float[g, h, j] q) {{ a = Neg(x) b = Relu(a) q = Relu(b) }}> }}"""
    result = fused(text.replace("ReduceSum(x)", "ReduceSum<keepdims = 0>(x)"))
    assert (
        result.graph.operators()["Relu"] == 3
    )  # the branch's pair is one; a branch and the outside stay two
    (report,) = result.report.changed
    assert report.name == "bounds"


def test_functions_are_inlined(fused):
    text = """<ir_version: 10, opset_import: ["" : 23, "own" : 1]>
    g (float[batch, 3] x) => (float[a, b] y) { z = own.twice(x) y = Relu(z) }
    <domain: "own", opset_import: ["" : 23]> twice (a) => (c) { b = Relu(a) c = Relu(b) }"""
    result = fused(ComputeGraph(ir.from_onnx_text(text)))
    assert result.graph.operators() == {"Relu": 1}


def test_what_is_drawn_twice_is_not_merged():
    text = f'<ir_version: 10, opset_import: ["" : 23]> g {IO} {{ a = Bernoulli(x) b = Bernoulli(x) y = Add(a, b) }}'
    result = fuse(ComputeGraph(ir.from_onnx_text(text)))
    assert result.graph.operators() == {"Bernoulli": 2, "Add": 1}
    assert "Bernoulli" in result.report.skipped["common-subexpressions"]


def test_what_comes_out_is_valid_onnx(fused):
    for text, _, _ in REWRITTEN.values():
        graph = fused(text, target="openvino").graph
        onnx.checker.check_model(onnx.ModelProto.FromString(graph.to_bytes()), full_check=True)


def test_a_folded_weight_lies_in_the_order_of_its_axes():
    text = """<ir_version: 10, opset_import: ["" : 23]> g (float[batch, 3] x) => (float[a, b] y)
    <float[2, 3] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}> { t = Transpose<perm = [1, 0]>(w) y = MatMul(x, t) }"""
    fused = fuse(ComputeGraph(ir.from_onnx_text(text)), ["constants"]).graph
    (weight,) = fused.model.graph.initializers.values()
    assert weight.const_value.numpy().flags.c_contiguous
    assert fused.operators() == {"MatMul": 1}
