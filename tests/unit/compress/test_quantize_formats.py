import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from burnish.compress.mixed.judging import signal_to_noise_db
from burnish.compress.quantize import QuantScheme, quantize
from burnish.compress.quantize.apply import quantize_with_report
from burnish.compress.quantize.coding import by_channel, four_bits, halved, in_blocks
from burnish.compress.quantize.nibbles import pack
from burnish.compress.quantize.settings import with_method
from burnish.errors import ConfigError, InputError, NotFoundError, UnsupportedOpError
from burnish.evaluate import Split
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.runtime.machine import fingerprint

NONE = Split({"tokens": np.zeros((0, 6), np.int64)}, np.zeros(0))
"""No samples: methods that do not look at activations need none."""


class Text(nn.Module):
    """A table whose rows become half of a row of the other one, two linear layers, one product of activations."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(300, 64)
        self.places = nn.Parameter(torch.randn(100, 64))
        self.wide = nn.Linear(64, 96)
        self.narrow = nn.Linear(96, 32, bias=False)

    def forward(self, tokens):
        x = self.words(tokens) + self.places[: tokens.shape[1]]
        x = torch.softmax(x @ x.transpose(1, 2), dim=-1) @ x
        return self.narrow(torch.relu(self.wide(x)))


@pytest.fixture(scope="module")
def tokens():
    return np.random.default_rng(0).integers(0, 300, (2, 6))


@pytest.fixture(scope="module")
def text(tokens):
    torch.manual_seed(0)
    return capture(Text(), {"tokens": tokens}, output_names=["y"], dynamic={"tokens": {1: "length"}})


def agreement_db(before, after, inputs, backend):
    return signal_to_noise_db(before.infer(inputs, backend=backend), after.infer(inputs, backend=backend))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("scheme", "least_db"),
    [
        (QuantScheme(method="dynamic"), 30),
        (QuantScheme(method="dynamic", per_channel=False), 30),
        (QuantScheme(method="dynamic", weight_bits=4), 15),
        (QuantScheme(method="weight-only"), 35),
        (QuantScheme(method="weight-only", weight_bits=4), 15),
        (QuantScheme(method="dynamic", embedding_bits=8), 30),
        (QuantScheme(method="dynamic", embedding_bits=4), 15),
        (QuantScheme(method="weight-only", weight_bits=4, embedding_bits=4), 12),
        (QuantScheme(method="float16"), 50),
    ],
)
def test_every_format_answers_alike_from_a_smaller_file(text, tokens, scheme, least_db, backend):
    small = quantize(text, NONE, scheme)
    assert small.signature == text.signature
    assert small.size_bytes < text.size_bytes
    for rows in (tokens, tokens[:1, :3]):
        assert agreement_db(text, small, {"tokens": rows}, backend) > least_db


def test_fewer_bits_are_smaller_and_less_exact(text, tokens):
    def made(**settings):
        return quantize(text, NONE, QuantScheme(method="weight-only", **settings))

    sizes = [made(weight_bits=w, embedding_bits=e) for w, e in ((8, 32), (8, 8), (8, 4), (4, 4))]
    assert sorted(sizes, key=lambda graph: -graph.size_bytes) == sizes
    exact = [agreement_db(text, graph, {"tokens": tokens}, "onnxruntime") for graph in sizes]
    assert sorted(exact, reverse=True) == exact


def test_dynamic_names_what_it_leaves_and_why(text):
    report = quantize_with_report(text, NONE, QuantScheme(method="dynamic")).report
    assert set(report.kept.values()) == {"both factors are computed at run time"}
    assert len(report.kept) == 2


def test_dynamic_reads_each_activation_once_and_is_standard_onnx(text):
    quantized = quantize(text, NONE, QuantScheme(method="dynamic"))
    assert quantized.operators()["MatMulInteger"] == 2
    assert quantized.operators()["DynamicQuantizeLinear"] == 2
    assert {node.domain for node in quantized.model.graph} == {""}


def test_the_processor_decides_on_seven_bits_of_dynamic_weights(text):
    def largest(scheme):
        weights = quantize(text, NONE, scheme).model.graph.initializers.values()
        return max(int(np.abs(w.const_value.numpy()).max()) for w in weights if w.dtype.name == "INT8")

    assert largest(QuantScheme(method="dynamic", reduce_range=True)) == 63
    assert largest(QuantScheme(method="dynamic", reduce_range=False)) == 127
    assert largest(QuantScheme(method="dynamic")) == (127 if fingerprint().has_int8_dot else 63)


@pytest.mark.parametrize("method", ["dynamic", "weight-only", "float16"])
def test_nodes_stay_float_as_asked(text, method):
    names = [node.name for node in text.model.graph if node.op_type in ("MatMul", "Gemm")]
    kept = quantize_with_report(text, NONE, QuantScheme(method=method, keep_float=(names[-1],))).report.kept
    assert kept[names[-1]] == "stays in floating point as asked"
    ends = quantize_with_report(text, NONE, QuantScheme(method=method, keep_ends_float=True)).report.kept
    assert {names[0], names[-1]} <= set(ends)


def test_a_kept_node_that_does_not_exist_is_an_error(text):
    with pytest.raises(NotFoundError, match="keep_float names 'nothing', which is no node"):
        quantize(text, NONE, QuantScheme(method="dynamic", keep_float=("nothing",)))


def test_a_kept_gather_keeps_its_table(text):
    gather = next(node.name for node in text.model.graph if node.op_type == "Gather")
    scheme = QuantScheme(method="dynamic", embedding_bits=4, keep_float=(gather,))
    done = quantize_with_report(text, NONE, scheme)
    assert "words.weight" in done.graph.model.graph.initializers
    assert f"Gather {gather!r} reads it in floating point too" in done.report.kept.values()


def test_a_table_that_is_also_multiplied_by_is_stored_once_for_each_use(tokens):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(300, 64)

        def forward(self, tokens):
            return self.words(tokens) @ self.words.weight.T

    graph = capture(Tied(), {"tokens": tokens}, output_names=["y"])
    done = quantize_with_report(graph, NONE, QuantScheme(method="weight-only", embedding_bits=4))
    assert agreement_db(graph, done.graph, {"tokens": tokens}, "onnxruntime") > 15
    assert done.graph.size_bytes < graph.size_bytes / 2


def test_a_table_with_infinity_is_refused(text):
    spoilt = text.model.clone()
    table = spoilt.graph.initializers["words.weight"]
    array = table.const_value.numpy().copy()
    array[5, 5] = np.inf
    table.const_value = ir.tensor(array, name=table.name)
    with pytest.raises(InputError, match=r"the table 'words.weight' holds numbers that are not finite"):
        quantize(ComputeGraph(spoilt), NONE, QuantScheme(method="dynamic", embedding_bits=4))


def test_convolutions_take_eight_bits_where_linear_layers_take_four(task, graph):
    stored = quantize(graph, task.split("train"), QuantScheme(method="weight-only", weight_bits=4))
    dtypes = {value.dtype.name for value in stored.model.graph.initializers.values()}
    assert {"INT4", "INT8"} <= dtypes
    assert stored.size_bytes < graph.size_bytes / 2
    test = task.split("test")
    for backend in ("onnxruntime", "openvino"):
        assert task.scores(stored.infer(test.inputs, backend=backend), test.labels).mean() > 0.9


def test_dynamic_needs_a_linear_layer():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)

        def forward(self, x):
            return self.conv(x)

    graph = capture(Plain(), {"x": np.ones((2, 1, 8, 8), np.float32)})
    with pytest.raises(UnsupportedOpError, match="is a Conv, not a linear layer"):
        quantize(graph, NONE, QuantScheme(method="dynamic"))


@pytest.mark.parametrize(
    ("scheme", "named"),
    [
        (QuantScheme(method="dynamic", calibration="kl"), "calibration='kl'"),
        (QuantScheme(method="dynamic", equalize=0.5), "equalize=0.5"),
        (QuantScheme(method="weight-only", reduce_range=True), "reduce_range=True"),
        (QuantScheme(method="float16", embedding_bits=8), "embedding_bits=8"),
        (QuantScheme(method="static", weight_bits=4), "weight_bits=4"),
    ],
)
def test_a_setting_without_meaning_is_refused(text, scheme, named):
    with pytest.raises(ConfigError, match=f"{named} means nothing to the method {scheme.method}"):
        quantize(text, NONE, scheme)
    assert with_method(scheme, scheme.method) == QuantScheme(method=scheme.method)


def test_bfloat16_runs_where_there_are_kernels_and_is_refused_where_not(text, tokens):
    half = quantize(text, NONE, QuantScheme(method="bfloat16"))
    assert agreement_db(text, half, {"tokens": tokens}, "openvino") > 25
    with pytest.raises(UnsupportedOpError, match="onnxruntime has no kernel for"):
        half.infer({"tokens": tokens}, backend="onnxruntime")


def test_float16_bounds_what_masks_and_keeps_large_weights_in_32_bits():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.large = nn.Linear(4, 4, bias=False)
            self.large.weight.data.fill_(1e6)
            self.small = nn.Linear(4, 4, bias=False)

        def forward(self, x, mask):
            return torch.softmax(self.small(x) + (1 - mask) * torch.finfo(torch.float32).min, -1), self.large(
                x
            )

    inputs = {"x": np.ones((2, 4), np.float32), "mask": np.eye(4, dtype=np.float32)[:2]}
    graph = capture(Masked(), inputs, output_names=["p", "y"])
    done = quantize_with_report(graph, NONE, QuantScheme(method="float16"))
    assert any("holds numbers beyond float16" in reason for reason in done.report.kept.values())
    assert agreement_db(graph, done.graph, inputs, "onnxruntime") > 50


@pytest.mark.parametrize("axis", [0, 1, None])
def test_eight_bits_are_off_by_half_a_step_at_most(axis):
    weights = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    coded = by_channel(weights, axis)
    assert np.abs(coded.weights() - weights).max() <= coded.scales.max() / 2 * 1.001


def test_four_bits_use_all_codes_and_zero_blocks_stay_zero():
    blocks = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    blocks[7] = 0
    coded = four_bits(blocks)
    assert (coded.codes.min(), coded.codes.max()) == (-8, 7)
    assert not coded.weights()[7].any()
    plain = np.abs(blocks).max(axis=1, keepdims=True) / 7
    rounded = (
        np.clip(np.rint(np.divide(blocks, plain, where=plain > 0, out=np.zeros_like(blocks))), -8, 7) * plain
    )
    assert np.square(coded.weights() - blocks).sum() < np.square(rounded - blocks).sum()


def test_short_scales_are_taken_only_where_they_hold():
    weights = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    assert halved(by_channel(weights, 0), weights).scales.dtype == np.float16
    tiny = weights * np.float32(1e-6)
    assert halved(by_channel(tiny, 0), tiny).scales.dtype == np.float32


def test_nibbles_and_blocks_keep_every_code():
    codes = np.tile(np.arange(-8, 8, dtype=np.int8), (3, 2))
    packed = pack(codes)
    assert packed.shape == (3, 16)
    np.testing.assert_array_equal(np.concatenate([packed & 15, packed >> 4], axis=-1).astype(int) - 8, codes)
    matrix = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    blocks = in_blocks(matrix, 32)
    assert (blocks.codes.shape, blocks.scales.shape) == ((64, 5), (2, 5))
    back = blocks.codes.astype(np.float32) * np.repeat(blocks.scales, 32, axis=0)
    assert np.square(back - matrix).mean() < 0.02 * np.square(matrix).mean()
