"""Whatever passes run over whatever graph, the outputs stay what the reference evaluator made them."""

import onnx
import pytest
from fusion_graphs import SNIPPETS, convolution, gelu, growing, norm
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from burnish.errors import BurnishError
from burnish.evaluate.fusing import engine_run
from burnish.graph.agreement import largest_difference
from burnish.graph.fusion import PASSES, fuse
from burnish.graph.fusion.runner import TOLERANCE
from burnish.graph.reference import run_reference

PORTABLE = [one.name for one in PASSES.values() if one.portable]
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def check(g, outputs, passes, target) -> None:
    graph = g.graph(outputs)
    fused = fuse(graph, passes, target=target)
    found = run_reference(fused.graph.model, g.inputs)
    expected = {name: g.values[name] for name in outputs}
    assert largest_difference(expected, found) <= TOLERANCE, str(fused.report)
    model = onnx.ModelProto.FromString(fused.graph.to_bytes())
    onnx.checker.check_model(model, full_check=True)
    assert [(s.name, s.dtype) for s in fused.graph.signature.outputs] == [
        (s.name, s.dtype) for s in graph.signature.outputs
    ]
    for report in fused.report.passes:
        assert report.nodes[1] <= report.nodes[0]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_all_passes_keep_the_outputs(snippet):
    @QUICK
    @given(grown=growing((snippet,)), target=st.sampled_from([None, "openvino"]))
    def holds(grown, target):
        check(*grown, None, target)

    holds()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(grown=growing(), chosen=st.sets(st.sampled_from(PORTABLE), min_size=1))
def test_any_choice_of_passes_keeps_the_outputs(grown, chosen):
    g, outputs = grown
    able = [name for name in chosen if not PASSES[name].missing(g.graph(outputs).model)]
    check(g, outputs, able, None)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(grown=growing((convolution, gelu, norm)))
def test_operators_of_onnx_runtime_give_the_same(grown):
    g, outputs = grown
    graph, run = g.graph(outputs), engine_run()
    try:
        run(graph.model, g.inputs)
    except BurnishError:  # not every random graph runs on ONNX Runtime
        assume(False)
    fused = fuse(graph, target="onnxruntime")
    found = run(fused.graph.model, g.inputs)
    expected = {name: g.values[name] for name in outputs}
    assert largest_difference(expected, found) <= TOLERANCE, str(fused.report)
