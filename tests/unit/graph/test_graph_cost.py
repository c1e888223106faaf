"""Costs agree with what one counts by hand, and nothing is silently zero."""

import pytest

from burnish.errors import ShapeError
from burnish.testing import graphs, networks


def test_network_by_hand():
    cost = graphs.network().cost(batch=2)
    by_op = {node.op: node for node in cost.nodes}
    assert by_op["Conv"].macs == 2 * 4 * 8 * 8 * 9
    assert by_op["Conv"].flops == 2 * by_op["Conv"].macs
    assert by_op["Conv"].parameters == 36
    assert by_op["Conv"].bytes == 4 * (2 * 64 + 36 + 2 * 4 * 64)
    assert by_op["Gemm"].macs == 2 * 4 * 4
    assert by_op["Relu"].flops == 2 * 4 * 64
    assert by_op["Flatten"].flops == 0
    assert cost.macs == by_op["Conv"].macs + by_op["Gemm"].macs
    assert cost.uncosted == {}
    assert by_op["Conv"].intensity == pytest.approx(by_op["Conv"].flops / by_op["Conv"].bytes)


def test_macs_grow_with_the_batch():
    graph = graphs.network()
    assert graph.macs(batch=8) == 8 * graph.macs()


def test_unknown_operators_are_counted_by_name():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "nobody.knows" : 1]>
        g (float[batch, 3] x) => (float[batch, 3] y) {
            a = Relu(x)
            b = nobody.knows.Frobnicate(a)
            y = nobody.knows.Frobnicate(b)
        }
    """)
    cost = graph.cost()
    assert cost.uncosted == {"Frobnicate": 2}
    assert [node.op for node in cost.nodes] == ["Relu"]


def test_other_symbols_need_a_size():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, tokens, 16] x, float[batch, 16, tokens] z) => (float[batch, tokens, tokens] y)
        { y = MatMul(x, z) }
    """)
    with pytest.raises(ShapeError, match="tokens"):
        graph.cost()
    assert graph.cost(batch=2, sizes={"tokens": 5}).macs == 2 * 5 * 5 * 16


def test_quantized_graphs_are_costed_too():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 4] x) => (float[batch, 4] y)
        <float s = {0.1}, uint8 z = {128}, int8[4, 4] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7},
         float t = {0.2}, int8 o = {0}>
        {
            q = QuantizeLinear(x, s, z)
            d = DequantizeLinear(q, s, z)
            v = DequantizeLinear(w, t, o)
            y = MatMul(d, v)
        }
    """)
    cost = graph.cost(batch=3)
    assert cost.macs == 3 * 4 * 4
    assert cost.uncosted == {}


@pytest.mark.parametrize("name", networks.CORE)
@pytest.mark.parametrize("batch", [1, 6])
def test_every_node_of_well_known_architectures_is_costed(name, batch):
    graph = networks.graph(name)
    cost = graph.cost(batch)
    assert cost.uncosted == {}
    assert len(cost.nodes) == len(graph.model.graph)
    assert cost.macs == batch * graph.macs()
    operators = cost.by_operator()
    assert sum(item.flops for item in operators) == cost.flops
    assert sum(item.count for item in operators) == len(cost.nodes)


def _cost(body, inputs, outputs, weights="", opsets='"" : 17'):
    return graphs.from_text(f"""
        <ir_version: 8, opset_import: [{opsets}]>
        g ({inputs}) => ({outputs}) {f"<{weights}>" if weights else ""} {{ {body} }}
    """).cost()


def test_a_lookup_reads_the_rows_that_it_takes_and_no_others():
    (one,) = _cost("y = Gather(t, i)", "float[1000, 8] t, int64[3] i", "float[3, 8] y").nodes
    assert one.bytes == 2 * 3 * 8 * 4 + 3 * 8


def test_a_part_is_read_as_far_as_it_is_given():
    weights = "int64[1] b = {0}, int64[1] e = {2}, int64[1] a = {0}"
    (one,) = _cost("y = Slice(x, b, e, a)", "float[100, 8] x", "float[2, 8] y", weights).nodes
    assert one.bytes == 2 * 2 * 8 * 4 + 3 * 8


def test_what_only_relabels_data_moves_none():
    cost = _cost(
        "a = Reshape(x, s) b = Flatten(a) y = Relu(b)",
        "float[4, 6] x",
        "float[2, 12] y",
        "int64[2] s = {2, 12}",
    )
    assert [node.bytes for node in cost.nodes] == [0, 0, 2 * 24 * 4]


def test_an_output_that_nothing_reads_needs_no_shape():
    opsets = '"" : 17, "com.microsoft" : 1'
    body = "y, mean, inverse = com.microsoft.SkipLayerNormalization(x, z, w)"
    cost = _cost(body, "float[2, 8] x, float[2, 8] z, float[8] w", "float[2, 8] y", "", opsets)
    assert cost.uncosted == {}
    assert cost.nodes[0].flops == 9 * 16


@pytest.mark.parametrize(
    ("body", "inputs", "output", "macs"),
    [
        (
            'y = Einsum<equation="bij,bjk->bik">(q, k)',
            "float[2, 3, 4] q, float[2, 4, 5] k",
            "float[2, 3, 5] y",
            2 * 3 * 4 * 5,
        ),
        (
            "y = ConvTranspose<strides=[2, 2]>(q, k)",
            "float[1, 3, 4, 4] q, float[3, 5, 2, 2] k",
            "float[1, 5, 8, 8] y",
            3 * 16 * 5 * 4,
        ),
        (
            "y = com.microsoft.Attention<num_heads=2>(q, k, b)",
            "float[1, 6, 8] q, float[8, 24] k, float[24] b",
            "float[1, 6, 8] y",
            6 * 8 * 24 + 2 * 6 * 6 * 8,
        ),
        (
            "y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v)",
            "float[1, 6, 8] q, float[1, 5, 8] k, float[1, 5, 8] v",
            "float[1, 6, 8] y",
            2 * 6 * 5 * 8,
        ),
    ],
)
def test_products_of_other_operators_by_hand(body, inputs, output, macs):
    cost = _cost(body, inputs, output, "", '"" : 17, "com.microsoft" : 1')
    assert cost.uncosted == {}
    assert cost.macs == macs


def test_an_einsum_whose_sizes_the_equation_does_not_tell_is_named():
    body = 'y = Einsum<equation="...ij,...jk->...ik">(q, k)'
    cost = _cost(body, "float[2, 3, 4] q, float[2, 4, 5] k", "float[2, 3, 5] y")
    assert cost.uncosted == {"Einsum": 1}
