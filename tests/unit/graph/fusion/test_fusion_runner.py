"""Contracts are checked, failures name the pass, and what cannot run says why."""

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest

from burnish.errors import InputError, InternalError, NotFoundError, ParityError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.fusion import PASSES, Check, Contract, fuse, runner, steps
from burnish.testing import graphs

INPUTS = {"x": np.ones((2, 3), np.float32)}


def two_relus(opset: int = 17) -> ComputeGraph:
    return graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : {opset}]>
        g (float[batch, 3] x) => (float[batch, 3] y) {{ z = Identity(x) a = Relu(z) y = Relu(a) }}
    """)


def run_with(monkeypatch, change, graph=None, **fields):
    """Run one pass that changes a model like this, after one that works."""
    broken = Contract(name="broken", about="for a test", apply=change, **fields)
    monkeypatch.setattr(runner, "chosen", lambda *_: [PASSES["no-ops"], broken])
    return fuse(graph or two_relus(), ["no-ops", "broken"], check=Check(INPUTS))


def test_the_report_tells_what_changed():
    report = fuse(two_relus(), ["no-ops", "bounds"], check=Check(INPUTS)).report
    first, second = report.passes
    assert (first.matched, first.nodes) == ({"Identity": 1}, (3, 2))
    assert (second.matched, second.nodes) == ({"Relu of a Relu": 1}, (2, 1))
    assert second.before == {"Relu": 2}
    assert second.after == {"Relu": 1}
    assert len(second.removed) == 2
    assert len(second.added) == 1
    assert second.error == 0
    assert "1 x Relu of a Relu (2 -> 1 nodes)" in str(report)


def test_the_given_graph_stays_as_it_was():
    graph = two_relus()
    digest = graph.digest
    fuse(graph)
    assert ComputeGraph(graph.to_bytes()).digest == digest
    assert graph.operators() == {"Relu": 2, "Identity": 1}


def test_fusing_again_changes_nothing():
    once = fuse(two_relus())
    again = fuse(once.graph)
    assert once.report.changed
    assert not again.report.changed
    assert again.graph.digest == once.graph.digest


def test_steps_build_on_each_other():
    found = dict(steps(two_relus(), ["no-ops", "gemm", "bounds"]))
    assert list(found) == ["original", "no-ops", "bounds"]
    assert [sum(graph.operators().values()) for graph in found.values()] == [3, 2, 1]


def test_an_unknown_pass_has_a_nearest():
    with pytest.raises(NotFoundError, match="did you mean 'layernorm'"):
        fuse(two_relus(), ["layer-norm"])


def test_an_unknown_target_has_a_nearest():
    with pytest.raises(NotFoundError, match="did you mean 'onnxruntime'"):
        fuse(two_relus(), target="onnxruntme")


def test_a_pass_for_one_engine_needs_it_named():
    with pytest.raises(InputError, match="target 'onnxruntime'"):
        fuse(two_relus(), ["fused-conv"])


def test_an_old_opset_is_refused_with_the_way_out():
    with pytest.raises(UnsupportedOpError, match=r"'gelu' cannot run.*opset 20.*opset 17.*convert\(20\)"):
        fuse(two_relus(), ["gelu"])


def test_an_old_opset_skips_what_was_not_asked_for():
    skipped = fuse(two_relus()).report.skipped
    assert "opset 20" in skipped["gelu"]
    assert "bounds" not in skipped


def test_a_graph_without_shapes_is_left_where_shapes_are_needed():
    text = """<ir_version: 8, opset_import: ["" : 17]>
    g (float x, float[3, 4] w, float[4] b) => (float y) { m = MatMul(x, w) y = Add(m, b) }"""
    model = ir.from_onnx_text(text)
    for value in (*model.graph.inputs[:1], *model.graph.outputs):
        value.shape = None
    result = fuse(ComputeGraph(model))
    assert result.graph.operators() == {"MatMul": 1, "Add": 1}


def test_a_default_of_an_input_is_a_constant():
    text = """<ir_version: 8, opset_import: ["" : 17]>
    g (float[batch, 3] x, float one) => (float[batch, 3] y) <float one = {1.0}> { z = Mul(x, one) y = Abs(z) }"""
    graph = ComputeGraph(ir.from_onnx_text(text))
    fused = fuse(graph).graph
    assert fused.operators() == {"Abs": 1}
    assert fused.signature == graph.signature


def test_notes_and_weights_travel():
    graph = two_relus().annotated(layouts={"x": "NC"})
    assert fuse(graph).graph.signature.inputs[0].layout == "NC"


def test_a_pass_that_loses_an_output_is_named(monkeypatch):
    def rename(model):
        model.graph.outputs[0].name = "other"
        return Counter({"rename": 1})

    with pytest.raises(InternalError, match=r"'broken', run after no-ops, broke its contract.*outputs"):
        run_with(monkeypatch, rename)


def test_a_pass_that_adds_nodes_is_named(monkeypatch):
    def grow(model):
        last = model.graph[-1]
        copy = ir.node("Relu", [last.inputs[0]])
        copy.outputs[0].name, last.outputs[0].name = "y", "inner"
        model.graph.append(copy)
        model.graph.append(ir.node("Add", [copy.outputs[0], last.outputs[0]]))
        model.graph.outputs[0] = model.graph[-1].outputs[0]
        copy.outputs[0].name, model.graph[-1].outputs[0].name = "more", "y"
        model.graph.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        return Counter({"grow": 1})

    with pytest.raises(InternalError, match="broke its contract: it left 4 nodes of 2"):
        run_with(monkeypatch, grow)


def test_a_pass_that_leaves_a_hole_is_named(monkeypatch):
    def cut(model):
        first = model.graph[0]
        first.outputs[0].replace_all_uses_with(ir.Value(name="nowhere"))
        return Counter({"cut": 1})

    with pytest.raises(InternalError, match=r"'broken'.*nowhere"):
        run_with(monkeypatch, cut)


def test_a_pass_that_changes_the_result_is_named(monkeypatch):
    def negate(model):
        model.graph[0].op_type = "Neg"
        return Counter({"negate": 1})

    with pytest.raises(ParityError, match=r"'broken', run after no-ops, changed the outputs by 1 of"):
        run_with(monkeypatch, negate)


def test_a_pass_that_fails_is_named(monkeypatch):
    def fail(model):
        raise KeyError("lost")

    with pytest.raises(InternalError, match=r"'broken', run after no-ops, failed: KeyError: 'lost'"):
        run_with(monkeypatch, fail)


def test_what_the_reference_evaluator_lacks_is_said():
    text = """<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
    g (float[batch, 3] x) => (float[batch, 3] y) { a = com.microsoft.Gelu(x) b = Relu(a) y = Relu(b) }"""
    graph = ComputeGraph(ir.from_onnx_text(text))
    with pytest.raises(UnsupportedOpError, match="compare with an engine"):
        fuse(graph, check=Check(INPUTS))
    assert fuse(graph).graph.operators() == {"Gelu": 1, "Relu": 1}
