"""Every value has a shape once the sizes are bound."""

import pytest

from burnish.errors import ShapeError
from burnish.graph.shapes import sized_model, static_shape
from burnish.testing import graphs


def shapes(graph, batch=2, **sizes):
    sized = sized_model(graph.model, batch=batch, sizes=sizes)
    return {value.name: static_shape(value) for node in sized.graph for value in node.outputs}


SPLIT_HEADS = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[batch, tokens, 12] x) => (float[batch, heads, tokens, width] y)
    <int64 first = {0}, int64 second = {1}, int64[1] zero = {0}, int64[2] rest = {3, 4}>
    {
        s = Shape(x)
        b = Gather(s, first)
        t = Gather(s, second)
        b1 = Unsqueeze(b, zero)
        t1 = Unsqueeze(t, zero)
        to = Concat<axis = 0>(b1, t1, rest)
        r = Reshape(x, to)
        y = Transpose<perm = [0, 2, 1, 3]>(r)
    }
"""


def test_shapes_that_the_graph_computes():
    found = shapes(graphs.from_text(SPLIT_HEADS), batch=5, tokens=7)
    assert found["r"] == (5, 7, 3, 4)
    assert found["y"] == (5, 3, 7, 4)


def test_the_model_itself_is_left_alone():
    graph = graphs.from_text(SPLIT_HEADS)
    before = graph.to_bytes()
    shapes(graph, tokens=7)
    assert graph.to_bytes() == before


def test_weights_are_shared_and_never_computed_with():
    graph = graphs.network()
    sized = sized_model(graph.model, batch=1, sizes={})
    assert sized.graph.initializers["k"].const_value is graph.model.graph.initializers["k"].const_value


def test_a_symbol_without_a_size_is_named():
    with pytest.raises(ShapeError, match="tokens"):
        shapes(graphs.from_text(SPLIT_HEADS))


def test_the_batch_is_known_wherever_its_symbol_stands():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n, 3] x, float[3, n] z) => (float[n, n] y) { y = MatMul(x, z) }
    """)
    assert shapes(graph, batch=4)["y"] == (4, 4)


def test_an_operator_that_onnx_does_not_know_keeps_the_shape_it_declares():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "nobody.knows" : 1]>
        g (float[batch, tokens] x) => (float[batch, tokens] y) <float[batch, tokens] h>
        { h = nobody.knows.Frobnicate(x)  y = Relu(h) }
    """)
    assert shapes(graph, batch=3, tokens=9)["y"] == (3, 9)


def test_functions_are_inlined():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[batch, 3] x) => (float[batch, 3] y) { y = local.twice(x) }
        <domain: "local", opset_import: ["" : 17]>
        twice (a) => (b) { b = Add(a, a) }
    """)
    assert shapes(graph, batch=4) == {"y": (4, 3)}
    assert graph.cost(4).flops == 12


def test_branches_have_shapes_too():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (bool c, float[batch, 3] x) => (float[batch, 3] y) {
            h = If(c) <
                then_branch = then_graph () => (float[batch, 3] t) { t = Relu(x) },
                else_branch = else_graph () => (float[batch, 3] e) { e = Neg(x) }
            >
            y = Abs(h)
        }
    """)
    assert shapes(graph, batch=6)["y"] == (6, 3)


def test_random_numbers_are_not_foreseen():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 3] x) => (float[batch, 3] y) { r = RandomNormalLike(x)  y = Add(x, r) }
    """)
    assert shapes(graph, batch=2)["y"] == (2, 3)
