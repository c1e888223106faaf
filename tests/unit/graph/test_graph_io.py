"""Every way a model file can be wrong has one clear error."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.errors import InputError, NotFoundError, ShapeError
from burnish.graph import ComputeGraph, load
from burnish.testing import graphs


@pytest.fixture
def model_bytes():
    return graphs.network().to_bytes()


def external_model(folder):
    """Write a model whose one weight lies in a file of its own."""
    weight = numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match=r"nothing\.onnx: no such file"):
        load(tmp_path / "nothing.onnx")


def test_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"this is no model at all, it is prose", "is not an ONNX model"),
        (b"\x00" * 64, "is not an ONNX model"),
        (b"\x08\x08", "holds no graph"),
        (b"PK\x03\x04zipzipzip", "is not an ONNX model"),
    ],
)
def test_what_is_not_onnx_is_named(tmp_path, content, words):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_model_is_refused(model_bytes, share):
    with pytest.raises(InputError):
        ComputeGraph(model_bytes[: int(len(model_bytes) * share)])


def test_external_data_is_read_and_embedded(tmp_path):
    graph = load(external_model(tmp_path))
    saved = tmp_path / "elsewhere" / "one.onnx"
    graph.save(saved)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(load(saved).infer(x)["y"], x + np.arange(4))
    assert [path.name for path in saved.parent.iterdir()] == ["one.onnx"]


def test_missing_external_data_is_named(tmp_path):
    path = external_model(tmp_path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(NotFoundError, match=r"external data 'weights\.bin' is missing"):
        load(path)


def test_truncated_external_data_is_refused(tmp_path):
    path = external_model(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\x00" * 3)
    with pytest.raises(InputError):
        load(path)


def test_external_data_may_not_leave_the_folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = external_model(inner)
    (inner / "weights.bin").rename(tmp_path / "weights.bin")
    proto = onnx.load(path, load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../weights.bin"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InputError):
        load(path)


def test_opset_of_the_future_is_refused(model_bytes):
    proto = onnx.ModelProto.FromString(model_bytes)
    proto.opset_import[0].version = 999
    with pytest.raises(InputError, match="uses opset 999"):
        ComputeGraph(proto.SerializeToString())


def test_dangling_value_breaks_the_specification(model_bytes):
    proto = onnx.ModelProto.FromString(model_bytes)
    proto.graph.node[0].input[0] = "nobody"
    with pytest.raises(InputError, match="breaks the ONNX specification"):
        ComputeGraph(proto.SerializeToString())


def test_output_without_declared_shape_is_inferred():
    proto = onnx.ModelProto.FromString(graphs.double().to_bytes())
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    assert ComputeGraph(proto.SerializeToString()).signature.outputs[0].shape == ("batch", 3)


def test_external_data_and_an_output_without_a_shape(tmp_path):
    path = external_model(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    path.write_bytes(proto.SerializeToString())
    assert load(path).signature.outputs[0].shape == ("batch", 4)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = external_model(inner)
    (inner / "weights.bin").rename(tmp_path / "elsewhere")
    (inner / "weights.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="external data cannot be read"):
        load(path)


def test_sequence_inputs_are_refused_by_name():
    values = helper.make_tensor_sequence_value_info("items", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("n", TensorProto.INT64, [])
    graph = helper.make_graph([helper.make_node("SequenceLength", ["items"], ["n"])], "g", [values], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ShapeError, match="'items' is not a plain tensor"):
        _ = ComputeGraph(model.SerializeToString()).signature
