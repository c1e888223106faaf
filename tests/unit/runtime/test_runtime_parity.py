"""The parity table tells agreement from disagreement."""

import numpy as np
import pytest

from burnish.errors import ParityError
from burnish.graph.samples import random_inputs
from burnish.runtime import ParityReport, parity
from burnish.runtime.parity import _compare
from burnish.testing import graphs


def test_engines_agree_on_a_network():
    graph = graphs.network()
    report = parity(graph, random_inputs(graph.signature, batch=16))
    assert {(row.backend, row.output) for row in report.rows} == {
        (backend, output) for backend in ("openvino", "torch") for output in ("scores", "probabilities")
    }
    assert report.ok
    report.check()
    assert all(row.max_abs < 1e-5 and row.cosine > 0.999999 for row in report.rows)
    assert all(row.top1_agreement == 1.0 for row in report.rows)


def test_engine_that_cannot_run_the_graph_is_listed_with_its_reason():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 2] x) => (float[2, 2] y) { y = Hardmax(x) }
    """)
    report = parity(graph, random_inputs(graph.signature))
    assert "Hardmax" in report.unavailable["torch"]


def compare(expected, got):
    return _compare("torch", "y", np.asarray(expected), np.asarray(got), 1e-3, 1e-4)


def test_comparison():
    row = compare([[1.0, 2.0], [4.0, 3.0]], [[1.0, 2.0], [3.0, 4.0]])
    assert not row.ok
    assert row.max_abs == 1.0
    assert row.max_rel == 0.25
    assert row.top1_agreement == 0.5
    assert compare([np.nan, 1.0], [np.nan, 1.0]).ok
    assert not compare([np.nan, 1.0], [0.0, 1.0]).ok
    assert not compare([1.0, 2.0], [[1.0, 2.0]]).ok
    assert compare(np.empty((0, 3)), np.empty((0, 3))).ok
    assert compare(np.array(["a"], object), np.array(["a"], object)).ok
    assert not compare(np.array(["a"], object), np.array(["b"], object)).ok


def test_check_names_the_engine_and_output():
    report = ParityReport("onnxruntime", (compare([1.0], [2.0]),), {})
    with pytest.raises(ParityError, match="torch: y is off by 1"):
        report.check()
