"""The parity table tells agreement from disagreement."""

import dataclasses

import numpy as np
import pytest
from faulty_backends import Scaling

from burnish.errors import NotFoundError, ParityError
from burnish.graph.samples import random_inputs
from burnish.runtime import ParityReport, parity
from burnish.runtime.compare import compare as compare_arrays
from burnish.runtime.parity import OutputParity
from burnish.testing import graphs


@pytest.fixture
def network():
    return graphs.network()


def test_engines_agree_on_a_network(network):
    report = parity(network, random_inputs(network.signature, batch=16))
    assert {(row.backend, row.output) for row in report.rows} == {
        (backend, output) for backend in ("openvino", "torch") for output in ("scores", "probabilities")
    }
    assert report.ok
    report.check()
    assert all(row.max_abs < 1e-5 and row.cosine > 0.999999 for row in report.rows)
    assert all(row.top1_agreement == 1.0 for row in report.rows)


def test_engine_that_cannot_run_the_graph_is_listed_with_its_reason():
    graph = graphs.unknown_operator()
    double = graphs.double()
    with pytest.raises(Exception, match="Frobnicate"):
        parity(graph, random_inputs(graph.signature))
    report = parity(double, random_inputs(double.signature), backends=["torch"], device="cuda")
    assert report.rows == ()
    assert "cuda" in report.unavailable["torch"]


def test_a_mistyped_engine_is_an_error_not_an_unavailable_one(network):
    with pytest.raises(NotFoundError, match="torhc"):
        parity(network, random_inputs(network.signature), backends=["torhc"])
    with pytest.raises(NotFoundError, match="torhc"):
        parity(network, random_inputs(network.signature), reference="torhc")


def test_any_engine_can_be_the_reference(network):
    report = parity(
        network, random_inputs(network.signature), reference="torch", backends=["torch", "onnxruntime"]
    )
    assert report.reference == "torch"
    assert {row.backend for row in report.rows} == {"onnxruntime"}
    assert report.ok


def test_tolerance_decides(network):
    inputs = random_inputs(network.signature, batch=4)
    wrong = Scaling("GlobalAveragePool", 1.01)
    assert not parity(network, inputs, backends=[wrong]).ok
    assert parity(network, inputs, backends=[wrong], rtol=0.1).ok


def compare(expected, got):
    return compare_arrays(np.asarray(expected), np.asarray(got), rtol=1e-3, atol=1e-4)


def test_comparison():
    row = compare([[1.0, 2.0], [4.0, 3.0]], [[1.0, 2.0], [3.0, 4.0]])
    assert not row.ok
    assert row.max_abs == 1.0
    assert row.range_rel == 0.25
    assert row.max_rel == pytest.approx(1 / 3)
    assert row.top1_agreement == 0.5
    assert compare([np.nan, 1.0], [np.nan, 1.0]).ok
    assert not compare([np.nan, 1.0], [0.0, 1.0]).ok
    assert not compare([1.0, 2.0], [[1.0, 2.0]]).ok
    assert "another shape" in str(compare([1.0, 2.0], [[1.0, 2.0]]))
    special = compare([np.inf, np.nan, -np.inf, 1.0], [np.inf, np.nan, -3e38, np.nan])
    assert special.special == 2
    assert str(special) == "2 elements differ in NaN or infinity"
    assert compare(np.empty((0, 3)), np.empty((0, 3))).ok
    assert compare(np.array(["a"], object), np.array(["a"], object)).ok
    assert not compare(np.array(["a"], object), np.array(["b"], object)).ok


def test_zeros_have_no_relative_error_of_their_own():
    row = compare([0.0, 2.0], [0.5, 2.0])
    assert row.max_rel == 0.0
    assert row.range_rel == 0.25
    assert compare([0.0], [0.5]).range_rel == np.inf
    assert compare([0.0], [0.0]).range_rel == 0.0


def test_check_names_the_engine_and_output():
    row = OutputParity(**dataclasses.asdict(compare([1.0], [2.0])), backend="torch", output="y")
    report = ParityReport("onnxruntime", (row,), {})
    with pytest.raises(ParityError, match="torch: y is off by 1"):
        report.check()
