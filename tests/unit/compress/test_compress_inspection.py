import numpy as np
import onnx
import pytest

from burnish.compress.quantize import QuantScheme, quantize
from burnish.compress.recipe.inspection import inspect
from burnish.evaluate import Split
from burnish.graph import ComputeGraph


@pytest.fixture(scope="module")
def quantized(graph, task):
    return quantize(graph, task.split("train"), QuantScheme(reduce_range=False))


@pytest.fixture(scope="module")
def facts(quantized, task):
    return inspect(quantized, task.split("train").take(np.arange(64)))


def test_every_number_of_an_activation_is_counted_once(facts):
    by_name = {one["name"]: one for one in facts["activations"]}
    assert sum(by_name["image"]["counts"]) == 64 * 64
    for one in facts["activations"]:
        assert len(one["edges"]) == len(one["counts"]) + 1
        assert sum(one["counts"]) % 64 == 0


def test_numbers_within_the_range_are_not_cut_off(facts):
    for one in facts["activations"]:
        if one["low"] <= one["minimum"] and one["maximum"] <= one["high"]:
            assert one["clipped"] == 0
        assert 0 <= one["clipped"] <= 1
        assert one["low"] <= 0 <= one["high"]


ONE_TENSOR = """
<ir_version: 9, opset_import: ["" : 17]>
one (float[batch, 4096] x) => (float[batch, 4096] y)
<float scale = {SCALE}, int8 zero = {0}> {
   integers = QuantizeLinear(x, scale, zero)
   y = DequantizeLinear(integers, scale, zero)
}
"""


def one_tensor(scale):
    model = onnx.parser.parse_model(ONE_TENSOR.replace("SCALE", str(scale)))
    x = np.random.default_rng(0).normal(size=(2, 4096)).astype(np.float32)
    [facts] = inspect(ComputeGraph(model.SerializeToString()), Split({"x": x}, np.zeros(2)))["activations"]
    return x, facts


@pytest.mark.parametrize("scale", [0.05, 0.0125])
def test_noise_is_that_of_rounding_to_the_grid(scale):
    x, facts = one_tensor(scale)
    rounded = np.clip(np.rint(x / np.float32(scale)), -128, 127) * np.float32(scale)
    expected = 10 * np.log10(np.square(x).sum() / np.square(x - rounded).sum())
    assert facts["sqnr_db"] == pytest.approx(expected, abs=0.01)
    assert facts["clipped"] == pytest.approx(((x < -128.5 * scale) | (x > 127.5 * scale)).mean(), abs=1e-6)


def test_each_calibrator_keeps_no_more_than_occurs(facts):
    for one in facts["activations"]:
        low, high = min(one["minimum"], 0), max(one["maximum"], 0)
        assert one["ranges"]["minmax"] == pytest.approx((low, high))
        for kept in one["ranges"].values():
            assert low - 1e-6 <= kept[0] <= 0 <= kept[1] <= high + 1e-6


def test_weights_have_a_scale_for_each_channel(facts):
    channels = {one["name"].removesuffix("_quantized"): one["channels"] for one in facts["weights"]}
    assert channels["stem.weight"] == 16
    assert channels["head.weight"] == 10
    for one in facts["weights"]:
        assert 0 < one["smallest"] <= one["median"] <= one["largest"]
        assert one["bits"] == 8


def test_a_float_graph_has_nothing_to_show(graph, task):
    assert inspect(graph, task.split("train").take([0])) == {"activations": [], "weights": []}
