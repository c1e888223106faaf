"""Graphs as text, and what differs between two."""

import numpy as np
import onnx
import pytest

from burnish.graph import ComputeGraph
from burnish.graph.diff import diff
from burnish.graph.dump import dump
from burnish.testing import graphs


def edited(edit):
    proto = onnx.ModelProto.FromString(graphs.network().to_bytes())
    edit(proto)
    return ComputeGraph(proto.SerializeToString())


def text(graph):
    return dump(graph.model, graph.signature)


def test_a_dump_says_all_and_is_the_same_every_time():
    graph = graphs.network()
    lines = text(graph).splitlines()
    assert lines[0] == "opset ai.onnx 17"
    assert "  x: float32[batch, 1, 8, 8]" in lines
    assert "  b: float32[4] {0.00999999978, -0.0199999996, 0.0299999993, -0.0399999991}" in lines
    assert "  c = Conv(x, k) {pads=[1, 1, 1, 1]}" in lines
    assert any(line.startswith("  k: float32[4, 1, 3, 3] sha256:") for line in lines)
    assert text(ComputeGraph(graph.to_bytes())) == text(graph)


def test_graphs_inside_nodes_and_functions_are_spelled_out():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (bool c, float[2] x) => (float[2] y) {
            y = If(c) <then_branch = t () => (float[2] a) { a = local.twice(x) },
                       else_branch = e () => (float[2] b) { b = Neg(x) }>
        }
        <domain: "local", opset_import: ["" : 17]>
        twice (v) => (w) { w = Add(v, v) }
    """)
    lines = [line.strip() for line in text(graph).splitlines()]
    for line in (
        "y = If(c)",
        "a = local.twice(x)",
        "return a",
        "b = Neg(x)",
        "function local.twice (v)",
        "w = Add(v, v)",
    ):
        assert line in lines


def test_no_difference():
    assert diff(graphs.network(), graphs.network()) == ()


def test_a_changed_weight_is_one_change():
    def change(proto):
        weight = next(item for item in proto.graph.initializer if item.name == "w")
        weight.CopyFrom(onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"))

    (change,) = diff(graphs.network(), edited(change))
    assert (change.part, change.kind) == ("weight", "changed")
    assert change.before.startswith("w: float32[4, 4]")


def test_a_changed_attribute_is_one_change():
    def change(proto):
        del proto.graph.node[0].attribute[:]
        proto.graph.node[0].attribute.append(onnx.helper.make_attribute("pads", [2, 2, 0, 0]))

    (change,) = diff(graphs.network(), edited(change))
    assert (change.part, change.kind) == ("node", "changed")
    assert change.before == "c = Conv(x, k) {pads=[1, 1, 1, 1]}"
    assert change.after == "c = Conv(x, k) {pads=[2, 2, 0, 0]}"


def test_an_inserted_node_is_told_with_the_one_that_reads_it():
    def change(proto):
        proto.graph.node.insert(1, onnx.helper.make_node("Neg", ["c"], ["m"]))
        proto.graph.node[2].input[0] = "m"

    changes = diff(graphs.network(), edited(change))
    assert {(c.part, c.kind) for c in changes} == {("node", "added"), ("node", "changed")}
    assert "m = Neg(c)" in [c.after for c in changes]


def test_signature_opset_and_names_of_weights():
    def change(proto):
        proto.opset_import[0].version = 18
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "rows"
        for item in proto.graph.initializer:
            if item.name == "k":
                item.name = "kernel"
        proto.graph.node[0].input[1] = "kernel"

    changes = {(c.part, c.kind): c for c in diff(graphs.network(), edited(change))}
    assert set(changes) == {("signature", "changed"), ("opset", "changed")}
    assert changes["signature", "changed"].after == "input x: float32[rows, 1, 8, 8]"
    assert changes["opset", "changed"].after == "ai.onnx 18"


@pytest.mark.parametrize("note", [{"layouts": {"x": "NCHW"}}])
def test_notes_are_told(note):
    (change,) = diff(graphs.network(), graphs.network().annotated(**note))
    assert change.after == "input x: float32[batch, 1, 8, 8]  # layout NCHW"


def test_removed_nodes_are_told():
    def change(proto):
        proto.graph.output.pop()
        proto.graph.node.pop()

    kinds = [(c.part, c.kind) for c in diff(graphs.network(), edited(change))]
    assert kinds == [("signature", "removed"), ("node", "removed")]
