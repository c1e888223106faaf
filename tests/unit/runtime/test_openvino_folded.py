"""What OpenVINO folds down to an input still comes out as values of the caller's own."""

import numpy as np
import pytest

pytest.importorskip("openvino")

from burnish.testing.graphs import from_text

_HEAD = '<ir_version: 8, opset_import: ["" : 17]> g '


@pytest.fixture
def x():
    return np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("body", ["y = Sum(x)", "y = Max(x)", "y = Dropout(x)", "y = Identity(x)"])
def test_a_graph_that_does_nothing(body, x):
    session = from_text(f"{_HEAD} (float[b, 3] x) => (float[b, 3] y) {{ {body} }}").session(
        backend="openvino"
    )
    y = session.run({"x": x})["y"]
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(x, y)


def test_lent_and_bound_outputs_are_written(x):
    graph = from_text(
        f"{_HEAD} (float[b, 3] x) => (float[b, 3] y, float[b, 3] z) {{ y = Sum(x) z = Add(x, x) }}"
    )
    session, outputs = graph.session(backend="openvino"), {"y": np.zeros_like(x), "z": np.zeros_like(x)}
    session.run({"x": x}, outputs)
    np.testing.assert_array_equal(outputs["y"], x)
    run = session.bind({"x": x}, outputs)
    x += 5
    run()
    np.testing.assert_array_equal(outputs["y"], x)
    np.testing.assert_array_equal(outputs["z"], x * 2)


def test_an_input_that_nothing_needs_is_not_mixed_up_with_the_one_that_is(x):
    graph = from_text(f"{_HEAD} (float[b, 3] x, float ratio) => (float[b, 3] y) {{ y = Dropout(x, ratio) }}")
    outputs = graph.infer({"x": x, "ratio": np.float32(0.5).reshape(())}, backend="openvino")
    np.testing.assert_array_equal(outputs["y"], x)
