"""``memory="low"``: the same answers from a smaller process."""

import sys
import threading

import numpy as np
import pytest

from burnish.errors import InputError, NotFoundError
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs
from burnish.runtime import SessionOptions, open_session
from burnish.runtime.lean import save_apart, unpacked
from burnish.testing.graphs import double, from_text, network

LOW = SessionOptions(memory="low")


def heavy() -> ComputeGraph:
    """A product with a stored matrix of 64 KiB, which lies in the file beside the message."""
    values = ", ".join(str(i % 7) for i in range(128 * 128))
    return from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        heavy (float[batch, 128] x) => (float[batch, 128] y) <float[128, 128] w = {{{values}}}>
        {{ y = MatMul(x, w) }}
    """)


@pytest.mark.parametrize("make", [double, network, heavy])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch"])
def test_answers_are_those_of_a_plain_session(make, backend):
    pytest.importorskip(backend)
    graph = make()
    with (
        open_session(graph, backend=backend) as plain,
        open_session(graph, backend=backend, options=LOW) as low,
    ):
        for batch in (1, 3, 1):
            inputs = random_inputs(graph.signature, batch=batch)
            expected = plain.run(inputs)
            for name, value in low.run(inputs).items():
                np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


def test_a_session_outlives_its_file_and_its_graph(tmp_path):
    path = tmp_path / "apart.onnx"
    save_apart(heavy(), path)
    session = open_session(ComputeGraph(path), options=LOW)
    for file in tmp_path.iterdir():
        file.unlink()
    x = np.ones((2, 128), np.float32)
    w = np.arange(128 * 128).reshape(128, 128) % 7
    np.testing.assert_allclose(session.run({"x": x})["y"], x @ w)
    session.close()


def test_no_thread_is_left():
    before = {thread.name for thread in threading.enumerate()}
    with open_session(heavy(), options=LOW) as session:
        session.run({"x": np.ones((1, 128), np.float32)})
    assert "burnish-pages" not in {thread.name for thread in threading.enumerate()} - before


def test_a_model_is_unpacked_by_another_process(tmp_path):
    graph = heavy()
    graph.save(tmp_path / "whole.onnx")
    with unpacked(tmp_path / "whole.onnx") as path:
        assert path.stat().st_size < 4096
        assert ComputeGraph(path).digest == graph.digest
    assert not path.exists()


def test_unpacking_says_what_is_wrong_with_the_file(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="not an ONNX model"), unpacked(tmp_path / "bad.onnx"):
        pass
    with pytest.raises(NotFoundError), unpacked(tmp_path / "none.onnx"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own count of memory is Linux's")
def test_a_footprint_counts_what_a_process_took(tmp_path):
    from burnish.evaluate.memory import footprint

    heavy().save(tmp_path / "heavy.onnx")
    found = footprint(tmp_path / "heavy.onnx", backend="onnxruntime", batch=2, repeats=1, runs=2)
    assert 0 < found.imported_bytes[0] < found.loaded_bytes[0] <= found.peak_bytes[0]
    assert found.peak.low <= found.peak.value <= found.peak.high
