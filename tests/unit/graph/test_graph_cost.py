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


@pytest.mark.parametrize("name", networks.NAMES)
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
