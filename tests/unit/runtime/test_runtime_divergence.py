"""The first diverging operator is found, and told from one that only passes an error on."""

import numpy as np
import pytest
from faulty_backends import Scaling

from burnish.errors import ParityError
from burnish.graph.samples import random_inputs
from burnish.runtime import parity
from burnish.runtime.checked import CheckedSession
from burnish.runtime.divergence import Pair, Tolerance, find_divergence
from burnish.runtime.resolve import get_backend
from burnish.testing import graphs

# Exp makes a small error of its input large; Sub leaves it where the values themselves have cancelled out.
AMPLIFYING = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[batch, 4] x) => (float[batch, 4] y)
    <float ten = {10.0}>
    { a = Abs(x)  b = Sigmoid(a)  c = Mul(b, ten)  d = Exp(c)  y = Sqrt(d) }
"""


@pytest.fixture
def network():
    return graphs.network()


def divergence(graph, backend, **options):
    inputs = random_inputs(graph.signature, batch=4)
    report = parity(graph, inputs, backends=[backend], bisect=True, **options)
    return report.divergences[backend.spec.name]


@pytest.mark.parametrize("op", ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm", "Softmax"])
def test_the_wrong_operator_is_named(network, op):
    found = divergence(network, Scaling(op))
    assert found.exposed == "all"
    assert found.culprit.op == op
    assert found.culprit.cause == "wrong"
    assert found.culprit.local.range_rel == pytest.approx(0.01, rel=0.05)
    assert all(error.max_abs == 0 for error in found.culprit.inputs.values())
    assert found.nodes == 6


def test_an_operator_that_only_amplifies_is_told_from_the_wrong_one():
    graph = graphs.from_text(AMPLIFYING)
    found = divergence(graph, Scaling("Sigmoid", 1.0005))  # within the tolerance itself, Exp makes it 0.5%
    assert found.culprit.op == "Exp"
    assert found.culprit.cause == "amplifies"
    assert found.culprit.local.ok
    assert 0 < found.culprit.inputs["c"].range_rel < found.culprit.output.range_rel
    strict = divergence(graph, Scaling("Sigmoid", 1.0005), rtol=1e-4, atol=1e-6)
    assert strict.culprit.op == "Sigmoid"
    assert strict.culprit.cause == "wrong"


def test_a_wrong_operator_behind_an_amplifying_one_is_found():
    graph = graphs.from_text(AMPLIFYING)
    inputs = random_inputs(graph.signature, batch=4)

    class Both(Scaling):
        def open(self, graph, *, device, options):
            return Scaling("Sqrt").open(_scaled(graph), device=device, options=options)

    def _scaled(graph):
        from faulty_backends import scale

        from burnish.graph import ComputeGraph

        model = graph.model.clone()
        for node in list(model.graph):
            if node.op_type == "Sigmoid":
                scale(model.graph, node, 1.0005)
        return ComputeGraph(model)

    found = parity(graph, inputs, backends=[Both("")], bisect=True).divergences["scaling"]
    assert [suspect.op for suspect in found.suspects] == ["Exp", "Sqrt"]
    assert found.culprit.op == "Sqrt"


def test_a_fault_that_only_a_fusion_makes_is_found_one_value_at_a_time(network):
    """With every value exposed nothing is fused, and nothing is wrong."""
    found = divergence(network, Scaling("Relu", only_fused=True))
    assert found.exposed == "one"
    assert found.culprit.op == "Relu"
    assert found.culprit.cause == "fused"
    assert found.culprit.local.ok


def test_a_large_graph_is_looked_at_in_chunks(network):
    inputs = random_inputs(network.signature, batch=4)
    engine, reference = Scaling("Softmax"), get_backend("onnxruntime")
    pair = Pair(opener(reference), opener(engine), inputs, Tolerance())
    found = find_divergence(network, pair, dtypes=("float32",), budget_bytes=1)
    assert found.culprit.op == "Softmax"
    assert engine.opened == 6 + 1  # a run for each value, and one of the node alone


def test_engines_that_agree_part_nowhere(network):
    inputs = random_inputs(network.signature, batch=2)
    reference = get_backend("onnxruntime")
    pair = Pair(opener(reference), opener(Scaling("Nothing")), inputs, Tolerance())
    assert find_divergence(network, pair, dtypes=("float32",)) is None


def test_the_error_names_the_operator(network):
    report = parity(network, random_inputs(network.signature), backends=[Scaling("Gemm", 2.0)], bisect=True)
    with pytest.raises(ParityError, match="scaling parts at node 5 of 6, Gemm"):
        report.check()


def test_integers_and_constants_do_not_confuse_it():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 6] x) => (float[b, 3] y)
        {
            shape = Constant <value = int64[2] {-1, 3}> ()
            r = Reshape(x, shape)
            i = ArgMax <axis = 1> (r)
            f = Cast <to = 1> (i)
            y = Add(r, f)
        }
    """)
    found = divergence(graph, Scaling("Cast", 2.0))
    assert found.culprit.op == "Cast"
    assert set(found.culprit.inputs) == {"i"}


def test_a_node_with_a_graph_inside_is_named_though_it_cannot_be_run_alone():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 3] x) => (float[2, 3] y)
        {
            s = ReduceSum <keepdims = 0> (x)
            zero = Constant <value = float {0.0}> ()
            c = Greater(s, zero)
            b = If (c) <
                then_branch = t () => (float[2, 3] p) { p = Abs(x) },
                else_branch = e () => (float[2, 3] q) { q = Neg(x) }>
            y = Relu(b)
        }
    """)
    found = divergence(graph, Scaling("If", 3.0))
    assert found.culprit.op == "If"
    assert found.culprit.cause == "unknown"
    assert found.culprit.local is None


def opener(backend):
    def open_graph(graph):
        from burnish.runtime import SessionOptions

        session = backend.open(graph, device="cpu", options=SessionOptions())
        return CheckedSession(graph, session, backend=backend.spec.name, device="cpu")

    return open_graph


def test_values_stay_what_they_were(network):
    """Looking inside must not change the graph that is looked into."""
    before = network.digest
    inputs = random_inputs(network.signature, batch=2)
    expected = network.infer(inputs)["scores"]
    divergence(network, Scaling("Conv"))
    assert network.digest == before
    np.testing.assert_array_equal(network.infer(inputs)["scores"], expected)
