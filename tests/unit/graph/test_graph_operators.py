"""An operator that does not exist is named, with its domain and what can be done."""

import onnx
import pytest

from burnish.errors import InputError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.testing import graphs


def edited(edit, graph=None):
    proto = onnx.ModelProto.FromString((graph or graphs.network()).to_bytes())
    edit(proto)
    return proto.SerializeToString()


@pytest.mark.parametrize(
    ("operator", "opset", "words", "hint"),
    [
        ("Rellu", 17, "'Rellu' of domain 'ai.onnx' does not exist in opset 17", "'Relu'"),
        ("Gelu", 17, "'Gelu' of domain 'ai.onnx' does not exist in opset 17", "it came with opset 20"),
        ("Upsample", 17, "'Upsample' of domain 'ai.onnx' was taken out by opset 17", "newer exporter"),
    ],
)
def test_operators_of_onnx_are_checked_against_the_opset(operator, opset, words, hint):
    def change(proto):
        proto.opset_import[0].version = opset
        proto.graph.node[1].op_type = operator

    with pytest.raises(UnsupportedOpError, match=words) as caught:
        ComputeGraph(edited(change))
    assert hint in caught.value.hint


def test_operators_inside_a_branch_are_checked_too():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (bool c, float[2] x) => (float[2] y) {
            y = If(c) <then_branch = t () => (float[2] a) { a = Relu(x) },
                       else_branch = e () => (float[2] b) { b = Neg(x) }>
        }
    """)

    def change(proto):
        proto.graph.node[0].attribute[0].g.node[0].op_type = "Nought"

    with pytest.raises(UnsupportedOpError, match=r"'Nought' of domain 'ai\.onnx'"):
        ComputeGraph(edited(change, graph))


def test_a_domain_that_is_not_imported_is_named():
    def change(proto):
        proto.graph.node[1].domain = "some.where"

    with pytest.raises(
        InputError, match=r"of domain 'some\.where', which the model does not import"
    ) as caught:
        ComputeGraph(edited(change))
    assert "ai.onnx" in caught.value.hint


def test_operators_of_an_engine_and_of_the_model_itself_are_let_through():
    assert graphs.unknown_operator().operators() == {"Frobnicate": 1}
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[2] x) => (float[2] y) { y = local.twice(x) }
        <domain: "local", opset_import: ["" : 17]>
        twice (a) => (b) { b = Add(a, a) }
    """)
    assert ComputeGraph(graph.to_bytes()).digest == graph.digest
