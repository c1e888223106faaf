"""Another opset, the same answers."""

import numpy as np
import pytest

from burnish.errors import InputError, UnsupportedOpError
from burnish.graph.reference import run_reference
from burnish.graph.samples import random_inputs
from burnish.testing import graphs

SQUEEZING = """
    <ir_version: 8, opset_import: ["" : 11]>
    g (float[batch, 1, 3] x) => (float[batch, 3] y)
    { a = ReduceSum<axes = [1], keepdims = 0>(x)  b = Softmax<axis = 1>(a)  y = Clip(b) }
"""


@pytest.mark.parametrize("opset", [15, 18, 21, 23])
def test_a_network_gives_the_same_answers_in_every_opset(opset):
    graph = graphs.network()
    converted = graph.convert(opset)
    assert converted.model.opset_imports[""] == opset
    assert converted.signature == graph.signature
    inputs = random_inputs(graph.signature, batch=3)
    expected = run_reference(graph.model, inputs)
    for name, found in run_reference(converted.model, inputs).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-6)


def test_attributes_that_became_inputs_are_moved():
    graph = graphs.from_text(SQUEEZING)
    converted = graph.convert(18)
    inputs = random_inputs(graph.signature, batch=2)
    np.testing.assert_allclose(
        converted.infer(inputs)["y"], run_reference(graph.model, inputs)["y"], rtol=1e-5, atol=1e-6
    )


def test_functions_and_notes_are_kept():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[batch, n] x) => (float[batch, n] y) { y = local.twice(x) }
        <domain: "local", opset_import: ["" : 17]>
        twice (a) => (b) { b = Add(a, a) }
    """).annotated(ragged={"x": [1]})
    converted = graph.convert(18)
    assert converted.signature.inputs[0].ragged == (1,)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(converted.infer(x)["y"], 2 * x)


def test_the_same_opset_is_the_same_graph():
    graph = graphs.network()
    assert graph.convert(17).digest == graph.digest


@pytest.mark.parametrize("opset", [0, 6, 999])
def test_an_opset_that_does_not_exist_is_refused(opset):
    with pytest.raises(InputError, match=f"no conversion to opset {opset}"):
        graphs.network().convert(opset)


def test_an_operator_without_an_equivalent_is_named():
    graph = graphs.from_text("""
        <ir_version: 9, opset_import: ["" : 20]>
        g (float[batch, 3] x) => (float[batch, 3] y) { y = Gelu(x) }
    """)
    with pytest.raises(
        UnsupportedOpError, match=r"from opset 20 to 17: operator 'Gelu' of domain 'ai\.onnx'"
    ):
        graph.convert(17)
    with pytest.raises(UnsupportedOpError, match=r"operator 'Relu' of domain 'ai\.onnx'"):
        graphs.network().convert(13)


def test_the_evaluator_names_what_it_lacks():
    with pytest.raises(UnsupportedOpError, match="reference evaluator"):
        run_reference(graphs.unknown_operator().model, {"x": np.ones((1, 3), np.float32)})
