import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest
import torch
from torch import nn

from burnish.compress.quantize import QuantScheme, integer_kernels, quantize_with_report
from burnish.compress.quantize.bias import corrected
from burnish.compress.quantize.equalize import equalized, input_axes
from burnish.compress.quantize.fitting import fit, fit_each
from burnish.compress.quantize.observe import observe
from burnish.compress.quantize.placing import integers, place
from burnish.compress.quantize.plan import plan
from burnish.compress.quantize.prepare import prepared
from burnish.compress.quantize.report import stored_weights
from burnish.errors import InputError, NotFoundError, UnsupportedOpError
from burnish.evaluate import Split
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.runtime import SessionOptions
from burnish.runtime.machine import Machine

ENGINES = ("onnxruntime", "openvino")
RNG = np.random.default_rng(3)


class Block(nn.Module):
    """Normalization, two linear layers around a GELU, and attention without heads."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        y = self.norm(x)
        q, k, v = (layer(y) for layer in self.qkv)
        x = x + torch.softmax(q @ k.transpose(1, 2) / 4, -1) @ v
        return self.down(nn.functional.gelu(self.up(x)))


@pytest.fixture(scope="module")
def block():
    torch.manual_seed(0)
    model = Block().eval()
    with torch.no_grad():
        model.norm.weight.mul_(torch.logspace(-1, 1, 16))  # channels of very different sizes
    return capture(model, {"x": np.ones((2, 5, 16), np.float32)}, output_names=("y",))


@pytest.fixture(scope="module")
def words():
    return Split({"x": RNG.standard_normal((40, 5, 16)).astype(np.float32)}, np.zeros(40))


@pytest.fixture(scope="module")
def samples(task):
    return task.split("train").take(np.arange(64))


def error(graph, other, inputs):
    one, two = graph.infer(inputs), other.infer(inputs)
    return sum(float(np.square(two[name] - one[name]).mean() / np.square(one[name]).mean()) for name in one)


@pytest.mark.parametrize("backend", ENGINES)
def test_every_product_of_a_convolutional_network_is_an_integer_kernel(graph, samples, backend):
    count = integer_kernels(quantize_with_report(graph, samples).graph, backend)
    assert count.share == 1
    assert sum(count.integer.values()) == 4
    assert count.floating_nodes == ()


@pytest.mark.parametrize("backend", ENGINES)
def test_every_linear_layer_of_a_transformer_is_an_integer_kernel(block, words, backend):
    count = integer_kernels(quantize_with_report(block, words).graph, backend)
    assert sum(count.integer.values()) >= 5
    assert len(count.floating_nodes) <= (0 if backend == "onnxruntime" else 2)


@pytest.mark.parametrize("backend", ENGINES)
def test_a_float_graph_has_no_integer_kernel(graph, backend):
    count = integer_kernels(graph, backend)
    assert count.share == 0
    assert sum(count.floating.values()) == 4


def test_an_engine_that_does_not_tell_is_named(graph):
    with pytest.raises(NotFoundError, match="does not tell which kernels"):
        integer_kernels(graph, "torch")


@pytest.mark.parametrize("calibration", ["minmax", "percentile", "mse", "kl", "auto"])
def test_every_calibration_answers_nearly_as_the_float_network(block, words, calibration):
    done = quantize_with_report(block, words, QuantScheme(calibration=calibration))
    assert error(block, done.graph, words.inputs) < 0.05


def test_ranges_chosen_for_each_tensor_leave_no_more_error_than_those_they_began_with(block, words):
    ready, scheme = prepared(block), QuantScheme()
    kinds, planned = integers(scheme), plan(ready.model.graph, scheme)
    seen = observe(ready, planned.tensors, words, bins=2048)
    start = fit(seen.histograms, "kl", scheme, kinds.grid)
    begun = place(ready, planned, start.ranges, kinds, per_channel=True)
    chosen = fit_each(ready, begun, start, seen.histograms, words, scheme, kinds.grid)
    ended = place(ready, planned, chosen.ranges, kinds, per_channel=True)
    assert set(chosen.calibrations.values()) > {"kl"}
    assert error(block, ended, words.take(np.arange(32)).inputs) < error(
        block, begun, words.take(np.arange(32)).inputs
    )


def test_the_report_tells_of_every_tensor_what_the_file_holds(graph, samples):
    done = quantize_with_report(graph, samples, QuantScheme(calibration="mse"))
    stored = {v.name: v.const_value.numpy() for v in done.graph.model.graph.initializers.values()}
    assert len(done.report.activations) == len({r.name for r in done.report.activations}) >= 4
    for record in done.report.activations:
        assert record.scale == pytest.approx(float(stored[f"{record.name}_scale"]), rel=1e-6)
        assert record.zero_point == int(stored[f"{record.name}_zero_point"])
        assert record.histogram.total % len(samples) == 0
        assert 0 <= record.clipped < 0.05
    assert [len(record.scales) for record in done.report.weights] == [
        weight.numbers.shape[0] for weight in stored_weights(done.graph.model.graph)
    ]
    assert done.report.kept == {}
    plain = done.report.to_dict()
    assert len(plain["activations"][0]["edges"]) == len(plain["activations"][0]["counts"]) + 1


def test_what_stays_float_is_named_with_its_reason(graph, samples):
    nodes = [node.name for node in graph.model.graph if node.op_type in ("Conv", "Gemm")]
    scheme = QuantScheme(keep_float=(nodes[1],), keep_ends_float=True)
    done = quantize_with_report(graph, samples, scheme)
    assert set(done.report.kept) == {nodes[0], nodes[1], nodes[-1]}
    assert all("as asked" in reason for reason in done.report.kept.values())
    assert sum(integer_kernels(done.graph, "onnxruntime").integer.values()) == 1


def test_a_node_that_does_not_exist_cannot_be_kept(graph, samples):
    with pytest.raises(NotFoundError, match="keep_float names 'nothing'"):
        quantize_with_report(graph, samples, QuantScheme(keep_float=("nothing",)))


def test_a_node_that_preparing_folds_away_can_be_named():
    x = RNG.standard_normal((9, 2, 5, 5)).astype(np.float32)
    model = old_graph("n").model.clone()
    next(node for node in model.graph if node.op_type == "BatchNormalization").name = "the norm"
    some, scheme = Split({"x": x}, np.zeros(9)), QuantScheme(keep_float=("the norm",))
    done = quantize_with_report(ComputeGraph(model), some, scheme)
    assert "BatchNormalization" not in done.graph.operators()
    assert done.report.weights[0].node == "the convolution"


def test_nothing_left_to_quantize_says_why(graph, samples):
    nodes = tuple(node.name for node in graph.model.graph if node.op_type in ("Conv", "Gemm"))
    with pytest.raises(UnsupportedOpError, match="as asked"):
        quantize_with_report(graph, samples, QuantScheme(keep_float=nodes))


def test_equalizing_changes_no_answer_and_leaves_less_error(block, words):
    ready = prepared(block)
    even, notes = equalized(ready, plan(ready.model.graph, QuantScheme()), words, 0.5, bins=2048)
    assert notes == ()
    assert error(block, even, words.inputs) < 1e-9
    assert even.operators()["Mul"] == ready.operators().get("Mul", 0) + 2  # the norm took in its own
    plain, better = (
        quantize_with_report(block, words, QuantScheme(equalize=strength)).graph for strength in (None, 0.5)
    )
    assert error(block, better, words.inputs) < error(block, plain, words.inputs)


def test_equalizing_goes_through_what_lets_a_factor_pass():
    torch.manual_seed(1)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.ReLU6(),
        nn.Conv2d(8, 4, 1),
    )
    graph = prepared(capture(layers.eval(), {"x": np.ones((2, 3, 12, 12), np.float32)}))
    some = Split({"x": RNG.standard_normal((8, 3, 12, 12)).astype(np.float32)}, np.zeros(8))
    even, notes = equalized(graph, plan(graph.model.graph, QuantScheme()), some, 0.7, bins=2048)
    assert error(graph, even, some.inputs) < 1e-9
    assert even.operators() == graph.operators()
    assert len(notes) == 2  # the image, and what is clipped at six


@pytest.mark.parametrize("shape", [(1, 4), (1,), (), (1, 1)])
def test_a_bias_of_any_shape_keeps_its_shape_and_its_answers(shape):
    def weight(name, *size):
        return onnx.numpy_helper.from_array(RNG.standard_normal(size).astype(np.float32), name)

    nodes = [
        onnx.helper.make_node("Gemm", ["x", "w", "b"], ["hidden"], "first"),
        onnx.helper.make_node("Relu", ["hidden"], ["shown"], "relu"),
        onnx.helper.make_node("Gemm", ["shown", "v"], ["y"], "second"),
    ]
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", width])
        for name, width in (("x", 3), ("y", 2))
    )
    stored = [weight("w", 3, 4), weight("b", *shape), weight("v", 4, 2)]
    body = onnx.helper.make_graph(nodes, "biased", [x], [y], stored)
    for name in ("hidden", "shown"):
        body.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4]))
    opsets = [onnx.helper.make_opsetid("", 17)]
    graph = ComputeGraph(onnx.helper.make_model(body, opset_imports=opsets, ir_version=8).SerializeToString())
    some = Split({"x": RNG.standard_normal((8, 3)).astype(np.float32)}, np.zeros(8))
    even, _ = equalized(graph, plan(graph.model.graph, QuantScheme()), some, 0.5, bins=2048)
    assert error(graph, even, some.inputs) < 1e-9
    assert shape in {tuple(value.const_value.shape) for value in even.model.graph.initializers.values()}
    assert even.operators().get("Mul", 0) == (shape != (1, 4))  # where the bias cannot take the scales


def test_correcting_biases_takes_the_mean_error_out(graph, samples):
    scheme = QuantScheme(per_channel=False, reduce_range=True)
    ready, kinds = prepared(graph), integers(scheme)
    planned = plan(ready.model.graph, scheme)
    axes = input_axes(ready.model.graph, set(planned.nodes))
    seen = observe(ready, planned.tensors, samples, bins=2048, by_channel=axes)
    ranges = fit(seen.histograms, "minmax", scheme, kinds.grid).ranges
    plain = place(ready, planned, ranges, kinds, per_channel=False)
    mended, notes = corrected(ready, plain, seen.channels)
    better = place(mended, planned, ranges, kinds, per_channel=False)
    assert notes == ()

    def bias(other):
        right = ready.infer(samples.inputs)["logits"]
        return np.abs((other.infer(samples.inputs)["logits"] - right).mean(axis=0)).mean()

    assert bias(better) < bias(plain)
    for one, two in zip(stored_weights(plain.model.graph), stored_weights(better.model.graph), strict=True):
        assert np.array_equal(one.numbers, two.numbers)


def test_symmetric_integers_are_those_that_tensorrt_reads(graph, samples):
    done = quantize_with_report(graph, samples, QuantScheme(activation="int8")).graph
    for node in done.model.graph:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = node.inputs[2].const_value.numpy()
            assert zero.dtype == np.int8
            assert not zero.any()
    allowed = SessionOptions(extra={"session.qdqisint8allowed": "1"})
    assert sum(integer_kernels(done, "onnxruntime", allowed).integer.values()) >= 3
    assert integer_kernels(done, "openvino").share == 1


def test_a_machine_decides_on_signs_and_bits():
    def machine(*flags):
        return Machine("", 1, flags, 0, "", "", {})

    assert (integers(QuantScheme(), machine("avx2")).activation) == "uint8"
    assert integers(QuantScheme(), machine("avx2")).reduce_range
    assert not integers(QuantScheme(), machine("avx2", "avx512_vnni")).reduce_range
    assert integers(QuantScheme(), machine("asimddp")).activation == "int8"
    assert integers(QuantScheme(activation="uint8"), machine("asimddp")).activation == "uint8"


def test_the_size_of_batches_changes_nothing_that_is_seen(block, words):
    name = next(node.outputs[0].name for node in block.model.graph if node.op_type == "LayerNormalization")
    whole = observe(block, (name, "x"), words, bins=2048).histograms
    front = observe(block, (name, "x"), words.take(np.arange(13)), bins=2048).histograms
    back = observe(block, (name, "x"), words.take(np.arange(13, 40)), bins=2048).histograms
    assert whole["x"].total == words.inputs["x"].size
    assert np.array_equal(front["x"].merge(back["x"]).counts, whole["x"].counts)
    assert front[name].total + back[name].total == whole[name].total


class Divides(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, mask):
        scores = self.layer(x / x.sum(-1, keepdim=True))
        return torch.softmax(scores + (1 - mask) * torch.finfo(torch.float32).min, -1) @ self.layer.weight.T


def test_an_activation_that_is_nan_names_the_example():
    x, mask = np.ones((40, 4), np.float32), np.ones((40, 4), np.float32)
    graph = capture(Divides().eval(), {"x": x[:2], "mask": mask[:2]})
    x[35] = 0
    with pytest.raises(InputError, match="is NaN for example 35"):
        quantize_with_report(graph, Split({"x": x, "mask": mask}, np.zeros(40)))


def test_several_inputs_and_a_mask_of_the_largest_number_are_no_obstacle():
    x = RNG.uniform(1, 2, (16, 4)).astype(np.float32)
    mask = np.tile(np.array([1, 1, 1, 0], np.float32), (16, 1))
    graph = capture(Divides().eval(), {"x": x[:2], "mask": mask[:2]})
    done = quantize_with_report(graph, Split({"x": x, "mask": mask}, np.zeros(16)))
    assert error(graph, done.graph, {"x": x, "mask": mask}) < 0.01


def test_what_holds_stand_ins_for_infinity_is_not_put_on_integers():
    x = np.ones((2, 4), np.float32)

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.second(self.first(x) - x * 3e38)

    graph = capture(Masked().eval(), {"x": x})
    done = quantize_with_report(graph, Split({"x": x}, np.zeros(2)))
    (reason,) = done.report.kept.values()
    assert "stand-ins for infinity" in reason
    assert len(done.report.weights) == 1


def old_graph(batch):
    """An opset-11 file: Conv without a name, BatchNormalization, Relu, a batch of its own."""
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, 2, 5, 5])
        for name in ("x", "y")
    )
    weights = {
        "w": np.array([1.0, -0.5, 0.25, 2.0]).reshape(2, 2, 1, 1),
        "scale": np.array([2.0, 3.0]),
        "shift": np.array([0.1, -0.1]),
        "mean": np.zeros(2),
        "variance": np.ones(2),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["c"], "the convolution"),
        onnx.helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"]),
        onnx.helper.make_node("Relu", ["n"], ["y"]),
    ]
    stored = [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    body = onnx.helper.make_graph(nodes, "old", [x], [y], stored)
    opsets = [onnx.helper.make_opsetid("", 11)]
    return ComputeGraph(onnx.helper.make_model(body, opset_imports=opsets, ir_version=7).SerializeToString())


def test_an_old_file_is_brought_up_and_its_batch_norm_folded():
    x = RNG.standard_normal((9, 2, 5, 5)).astype(np.float32)
    done = quantize_with_report(old_graph("n"), Split({"x": x}, np.zeros(9)))
    assert integer_kernels(done.graph, "onnxruntime").share == 1
    assert done.report.weights[0].node == "the convolution"
    assert error(old_graph("n"), done.graph, {"x": x}) < 0.01


def test_a_fixed_batch_is_kept_to():
    x = RNG.standard_normal((9, 2, 5, 5)).astype(np.float32)
    done = quantize_with_report(old_graph(4), Split({"x": x}, np.zeros(9)))
    assert done.report.activations[0].histogram.total == 8 * 2 * 5 * 5  # the ninth has no batch to run in
    with pytest.raises(InputError, match="batches of 4 and there are 3 examples"):
        quantize_with_report(old_graph(4), Split({"x": x[:3]}, np.zeros(3)))
