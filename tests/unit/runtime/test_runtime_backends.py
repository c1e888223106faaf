"""What is particular to one engine."""

import sys

import ml_dtypes
import numpy as np
import onnx
import pytest

from burnish.errors import DeviceError, InputError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.runtime import open_session
from burnish.testing import graphs


def test_onnxruntime_carries_bfloat16_that_is_made_inside():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 3] x) => (bfloat16[batch, 3] y) { y = Cast <to = 16> (x) }
    """)
    x = np.array([[1, 2.5, -3]], np.float32)
    y = graph.infer(x)["y"]
    assert y.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), x)


def test_errors_while_running_name_the_engine():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n] x, int64[2] shape) => (float[a, b] y) { y = Reshape(x, shape) }
    """)
    inputs = {"x": np.ones(6, np.float32), "shape": np.array([4, 4])}
    for backend in ("onnxruntime", "openvino", "torch"):
        with (
            open_session(graph, backend=backend) as session,
            pytest.raises((InputError, DeviceError), match=backend),
        ):
            session.run(inputs)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_values_that_do_not_go_together_are_the_callers_mistake(backend):
    cases = [
        ("(float[n] x, int64[2] s) => (float[a, b] y) { y = Reshape(x, s) }", np.ones(6), np.array([4, 4])),
        ("(float[n] x, float[m] s) => (float[k] y) { y = Add(x, s) }", np.ones(3), np.ones(4, np.float32)),
    ]
    for text, x, s in cases:
        graph = graphs.from_text(f'<ir_version: 8, opset_import: ["" : 17]> g {text}')
        with open_session(graph, backend=backend) as session, pytest.raises(InputError, match=backend):
            session.run({"x": x.astype(np.float32), "s": s})


def test_index_that_a_table_lacks_is_the_callers_mistake():
    """Only ONNX Runtime looks: OpenVINO reads zeros there."""
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[4, 3] x, int64[k] i) => (float[k, 3] y) { y = Gather(x, i) }
    """)
    inputs = {"x": np.ones((4, 3), np.float32), "i": np.array([9])}
    for lent in (None, {"y": np.zeros((1, 3), np.float32)}):
        with open_session(graph) as session, pytest.raises(InputError, match="out of"):
            session.run(inputs, lent)


def test_torch_raises_old_opsets():
    graph = graphs.from_text("""
        <ir_version: 4, opset_import: ["" : 9]>
        old (float[2, 6] x) => (float[1, 2, 4] y) {
            a = Slice <starts = [1], ends = [5], axes = [1]> (x)
            y = Unsqueeze <axes = [0]> (a)
        }
    """)
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(graph.infer(x, backend="torch")["y"], x[None, :, 1:5])


def test_torch_refuses_what_it_would_get_wrong():
    """A node whose attributes or outputs change its meaning is refused when the graph is opened."""
    training = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 3] x) => (float[2, 3] y)
        <float r = {0.5}, bool t = {1}>
        { y = Dropout(x, r, t) }
    """)
    with pytest.raises(UnsupportedOpError, match="Dropout that may train"):
        open_session(training, backend="torch")


def test_openvino_takes_an_input_that_nothing_depends_on():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 3] x, float[batch, 3] unused) => (float[batch, 3] y) { y = Add(x, x) }
    """)
    one = np.ones((1, 3), np.float32)
    for backend in ("onnxruntime", "openvino", "torch"):
        y = graph.infer({"x": one, "unused": one}, backend=backend)["y"]
        np.testing.assert_array_equal(y, one * 2)


def test_quantized_weights_agree_between_engines():
    """QDQ arithmetic with one scale a channel is exact in all three engines."""
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 2] x) => (float[batch, 3] y)
        <float s = {0.5}, int8 z = {0}, int8[2, 3] w = {1, -2, 3, 4, 5, -6},
         float[3] t = {0.5, 0.25, 0.125}, int8[3] o = {0, 0, 0}>
        {
            q = QuantizeLinear(x, s, z)
            d = DequantizeLinear(q, s, z)
            v = DequantizeLinear <axis = 1> (w, t, o)
            y = MatMul(d, v)
        }
    """)
    x = np.array([[1.2, -3.4], [0.7, 100.0]], np.float32)
    d = np.clip(np.round(x / 0.5), -128, 127) * 0.5
    expected = d @ (np.array([[1, -2, 3], [4, 5, -6]]) * [0.5, 0.25, 0.125])
    for backend in ("onnxruntime", "openvino", "torch"):
        np.testing.assert_allclose(graph.infer(x, backend=backend)["y"], expected, rtol=1e-5)


def test_engines_are_found_without_being_imported():
    import subprocess

    code = (
        "import sys, burnish.runtime as r; r.load_backends();"
        "print([m for m in ('onnxruntime', 'openvino', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bytes_of_a_model_may_be_opened_by_every_engine():
    data = graphs.network().to_bytes()
    assert onnx.ModelProto.FromString(data).graph.node
    x = np.ones((1, 1, 8, 8), np.float32)
    results = [ComputeGraph(data).infer(x, backend=b)["scores"] for b in ("onnxruntime", "openvino", "torch")]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4)
    np.testing.assert_allclose(results[0], results[2], rtol=1e-4)
