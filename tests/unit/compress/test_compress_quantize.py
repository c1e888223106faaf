import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from torch import nn

from burnish.compress.quantize import QuantScheme, quantize
from burnish.errors import InputError, ShapeError, UnsupportedOpError
from burnish.evaluate import Split
from burnish.graph.capture import capture
from burnish.runtime.machine import fingerprint


def integer_weights(graph):
    proto = onnx.load_model_from_string(graph.to_bytes())
    arrays = [onnx.numpy_helper.to_array(item) for item in proto.graph.initializer]
    return [array for array in arrays if array.dtype == np.int8 and array.ndim > 1]


@pytest.fixture(scope="module")
def samples(task):
    return task.split("train")


@pytest.fixture(scope="module")
def quantized(graph, samples):
    return quantize(graph, samples)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_answers_hardly_change_on_either_engine(task, graph, quantized, backend):
    test = task.split("test")
    before, after = (
        task.scores(g.infer(test.inputs, backend=backend), test.labels).mean() for g in (graph, quantized)
    )
    assert abs(after - before) <= 0.01


def test_the_interface_stays_and_the_float_graph_too(graph, quantized, samples):
    digest = graph.digest
    assert quantized.signature == graph.signature
    quantize(graph, samples, QuantScheme(samples=4))
    assert graph.digest == digest


def test_weights_are_integers_and_the_file_shrinks(graph, quantized):
    assert len(integer_weights(quantized)) == 4
    assert quantized.size_bytes < graph.size_bytes
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(quantized.operators())


def test_the_processor_decides_on_seven_bits_unless_told(graph, samples, quantized):
    def largest(graph):
        return max(int(np.abs(w.astype(int)).max()) for w in integer_weights(graph))

    seven, eight = (
        quantize(graph, samples, QuantScheme(samples=8, reduce_range=choice)) for choice in (True, False)
    )
    assert largest(seven) <= 64 < largest(eight)
    assert (largest(quantized) > 64) == fingerprint().has_int8_dot


def test_equal_samples_give_an_equal_graph(graph, samples, quantized):
    assert quantize(graph, samples).digest == quantized.digest


@pytest.mark.parametrize("scheme", [QuantScheme(calibration="percentile"), QuantScheme(per_channel=False)])
def test_other_schemes_answer_alike(task, graph, samples, scheme):
    test = task.split("test")
    other = quantize(graph, samples, scheme)
    assert task.scores(other.infer(test.inputs), test.labels).mean() > 0.9


def test_the_ends_may_stay_float(graph, samples, quantized):
    kept = quantize(graph, samples, QuantScheme(keep_ends_float=True))
    assert len(integer_weights(kept)) == len(integer_weights(quantized)) - 2


def test_calibration_without_samples_is_an_error(graph, samples):
    with pytest.raises(InputError, match="calibration: there is no example"):
        quantize(graph, samples.take(np.arange(0)))


def test_calibration_with_nan_is_an_error_that_places_it(graph, samples):
    images = samples.inputs["image"].copy()
    images[17, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match=r"'image' is not finite in 1 of \d+ examples, first in example 17"):
        quantize(graph, Split({"image": images}, samples.labels))


def test_a_nan_beyond_the_samples_does_not_matter(graph, samples):
    images = samples.inputs["image"].copy()
    images[17] = np.nan
    quantize(graph, Split({"image": images}, samples.labels), QuantScheme(samples=10))


def test_samples_that_do_not_fit_the_graph_are_refused(graph):
    wrong = Split({"image": np.zeros((4, 3, 8, 8), np.float32)}, np.zeros(4))
    with pytest.raises(ShapeError, match="'image': dimension 1 must be 1, got 3"):
        quantize(graph, wrong)


def test_a_graph_without_products_is_named():
    x = np.ones((2, 4), np.float32)

    class Plain(nn.Module):
        def forward(self, x):
            return torch.relu(x)

    with pytest.raises(UnsupportedOpError, match="none of Conv, Gemm, MatMul"):
        quantize(capture(Plain(), {"x": x}), Split({"x": x}, np.zeros(2)))
