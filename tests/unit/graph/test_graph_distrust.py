"""A model file is not trusted: what it names, what it claims, and what it leaves to chance."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from burnish.errors import InputError, ShapeError
from burnish.files import write_atomic
from burnish.graph import ComputeGraph
from burnish.graph.agreement import largest_difference
from burnish.graph.fusion import fuse
from burnish.testing.graphs import double, from_text

HEAD = '<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]> g'


def model_with(folder, **external):
    """Write y = x + w, where w lies outside as the given entries say."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in external.items():
        weight.external_data.add(key=key, value=value)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight]
    )
    path = folder / "inner" / "m.onnx"
    path.parent.mkdir(exist_ok=True)
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


@pytest.mark.parametrize("absolute", [True, False])
def test_weights_outside_the_models_folder_are_not_read(absolute, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\0" * 8)
    path = model_with(tmp_path, location=str(secret) if absolute else "../secret.bin")
    with pytest.raises(InputError, match="outside the model's folder"):
        ComputeGraph(path)


@pytest.mark.parametrize("offset", ["abc", "-4", "99999999999999999999999"])
def test_an_impossible_offset_is_an_input_error(offset, tmp_path):
    path = model_with(tmp_path, location="w.bin", offset=offset, length="8")
    (path.parent / "w.bin").write_bytes(b"\0" * 8)
    with pytest.raises(InputError):
        ComputeGraph(path)


def test_the_same_file_with_a_sound_entry_is_read(tmp_path):
    path = model_with(tmp_path, location="w.bin", offset="0", length="8")
    (path.parent / "w.bin").write_bytes(np.array([1, 2], np.float32).tobytes())
    onnx.checker.check_model(str(path))
    np.testing.assert_array_equal(ComputeGraph(path).infer(np.zeros(2, np.float32))["y"], [1, 2])


@pytest.mark.parametrize("drawn", ["Bernoulli(c)", "Dropout(c, half, yes)"])
def test_what_is_drawn_anew_each_time_is_not_folded(drawn):
    graph = from_text(
        f"{HEAD} (float[4] x) => (float[4] y) "
        "<float[4] c = {0.5, 0.5, 0.5, 0.5}, float half = {0.5}, bool yes = {1}> "
        f"{{ b = {drawn} y = Add(x, b) }}"
    )
    assert fuse(graph, ["constants"]).graph.operators().keys() >= {drawn.partition("(")[0]}


def test_a_size_that_no_dimension_has_is_refused():
    with pytest.raises(ShapeError, match="batch"):
        double().cost(sizes={"bacth": 3})


def test_the_order_of_independent_nodes_of_any_domain_does_not_count():
    nodes = ["y = com.microsoft.Gelu(x)", "z = com.microsoft.FastGelu(x)"]
    first, second = (
        from_text(f"{HEAD} (float[4] x) => (float[4] y, float[4] z) {{ {' '.join(order)} }}")
        for order in (nodes, nodes[::-1])
    )
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([np.inf, 1.0], [5.0, 1.0]),
        ([np.nan, 1.0], [np.nan, 100.0]),
        ([np.inf, 1.0], [np.inf, 100.0]),
        ([[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]]),
    ],
)
def test_special_values_and_shapes_hide_no_difference(expected, found):
    assert largest_difference({"y": np.array(expected)}, {"y": np.array(found)}) > 1e-4


def test_special_values_that_agree_are_no_difference():
    array = np.array([np.inf, -np.inf, np.nan, 2.0])
    assert largest_difference({"y": array}, {"y": array.copy()}) == 0


def test_a_folder_is_not_written_over(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        write_atomic(tmp_path, b"x")
    assert list(tmp_path.iterdir()) == []
