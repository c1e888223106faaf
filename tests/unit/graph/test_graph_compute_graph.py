"""The graph as every later step sees it."""

import threading

import numpy as np
import onnx
import pytest

import burnish.graph
from burnish.errors import ShapeError
from burnish.graph import ComputeGraph
from burnish.testing import graphs


def edited(graph, edit):
    proto = onnx.ModelProto.FromString(graph.to_bytes())
    edit(proto)
    return ComputeGraph(proto.SerializeToString())


def test_round_trip_keeps_everything(tmp_path):
    graph = graphs.network()
    graph.save(tmp_path / "a.onnx")
    again = burnish.graph.load(tmp_path / "a.onnx")
    assert again.digest == graph.digest
    assert again.signature == graph.signature
    assert again.parameters == graph.parameters == 4 * 9 + 16 + 4
    assert again.operators() == graph.operators()
    assert again.size_bytes == (tmp_path / "a.onnx").stat().st_size


def test_digest_ignores_who_wrote_it():
    graph = graphs.network()

    def sign(proto):
        proto.producer_name, proto.producer_version, proto.doc_string = "someone", "9", "words"
        proto.metadata_props.add(key="author", value="me")
        proto.graph.name, proto.graph.doc_string = "other", "more words"
        proto.graph.node[0].name = "first"
        proto.graph.node[0].doc_string = "what it does"
        proto.graph.input[0].doc_string = "an image"

    assert edited(graph, sign).digest == graph.digest


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: (
            p.graph.initializer[0].float_data.__setitem__(0, 42.0)
            if p.graph.initializer[0].float_data
            else setattr(p.graph.initializer[0], "raw_data", b"\x01" + p.graph.initializer[0].raw_data[1:])
        ),
        lambda p: setattr(p.graph.node[1], "op_type", "Tanh"),
        lambda p: p.graph.node[0].attribute[0].ints.__setitem__(0, 0),
        lambda p: setattr(p.graph.output[0], "name", p.graph.output[1].name) or p.graph.output.pop(),
    ],
    ids=["weight", "operator", "attribute", "outputs"],
)
def test_digest_tells_what_computes_differently(edit):
    graph = graphs.network()
    assert edited(graph, edit).digest != graph.digest


def test_infer_takes_one_bare_array_or_a_mapping():
    graph = graphs.double()
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(graph.infer(x)["y"], graph.infer({"x": x})["y"])


def test_bare_array_for_two_inputs_is_refused():
    with pytest.raises(ShapeError, match="2 inputs") as caught:
        graphs.two_inputs().infer(np.ones((1, 2), np.float32))
    assert "a, b" in caught.value.hint


def test_switching_engine_is_one_argument():
    graph = graphs.network()
    x = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    expected = graph.infer(x)["scores"]
    for backend in ("onnxruntime", "openvino", "torch"):
        np.testing.assert_allclose(graph.infer(x, backend=backend)["scores"], expected, rtol=1e-4, atol=1e-5)


def test_the_engine_is_kept_between_calls_and_opened_once():
    graph = graphs.double()
    found = []

    def open_it():
        found.append(graph.session())

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(session) for session in found}) == 1
    graph.close()
    assert graph.session() is not found[0]


def test_repr_shows_the_signature():
    assert repr(graphs.double()) == "ComputeGraph(x: float32[batch, 3] -> y: float32[batch, 3])"
