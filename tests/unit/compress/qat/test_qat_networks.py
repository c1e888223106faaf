"""Whole chains of integer kernels in either engine, whatever the network."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig
from burnish.compress.network import predict
from burnish.compress.qat import QatConfig
from burnish.compress.qat.export import difference, export
from burnish.compress.qat.insert import quantizers
from burnish.compress.qat.prepare import Prepared, prepare
from burnish.compress.quantize.kernels import integer_kernels
from burnish.evaluate import Split
from burnish.graph import ComputeGraph
from burnish.testing.networks.images import UNet
from burnish.testing.networks.plain import DenseNet
from burnish.testing.networks.recurrent import Tagger
from burnish.testing.networks.residual import ResNet
from burnish.testing.networks.separable import InvertedResiduals, Stage
from burnish.testing.networks.transformers import Encoder, VisionTransformer

RNG = np.random.default_rng(0)
PIXELS = {"pixels": RNG.standard_normal((4, 3, 32, 32), dtype=np.float32)}
TOKENS = {"tokens": RNG.integers(0, 50, (4, 6))}
STAGES = (Stage(1, 16, 1, 1), Stage(2, 24, 2, 2))


class Fixed:
    """Some inputs as a task."""

    name = "fixed"
    output_names = ("scores",)

    def __init__(self, inputs, **hooks):
        self._split = Split(inputs, np.zeros(4, np.int64))
        vars(self).update(hooks)

    def split(self, name):
        return self._split


class EinsumAttention(nn.Module):
    """Products as einsum, scaled_dot_product_attention and plain operators, and a weight that is computed."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.5, batch_first=True)
        self.weight = nn.Parameter(torch.randn(16, 16) / 4)

    def forward(self, tokens):
        x = self.layer(self.words(tokens))
        y = torch.einsum("bij,bkj->bik", x, x)
        return nn.functional.linear(y @ x, self.weight.tanh()).mean(dim=1)


def inverted(stages, activation, *, excite):
    return InvertedResiduals(stages, activation=activation, excite=excite, classes=10)


def resnet():
    """Two of the four stages: blocks with and without a convolution beside them."""
    return ResNet((1, 1, 0, 0), bottleneck=False, classes=10)


def unet():
    """Three of the five levels."""
    network = UNet(4)
    network.down, network.up, network.merge = network.down[:3], network.up[2:], network.merge[2:]
    return network


class Together(nn.Module):
    """Several networks side by side, so that the fixed cost of an export is paid once."""

    def __init__(self, networks):
        super().__init__()
        self.networks = nn.ModuleDict(networks)

    def forward(self, *inputs):
        return tuple(network(*inputs[: network.takes]) for network in self.networks.values())


def images():
    return {
        "resnet": resnet(),
        "mobilenet": inverted(STAGES, nn.ReLU6, excite=False),
        "excite": inverted(STAGES[1:], nn.SiLU, excite=True),
        "densenet": DenseNet((1, 1), 8, 10),
        "unet": unet(),
        "vit": VisionTransformer(1, 32, 2, 32, 10),
    }


def texts():
    return {"minilm": Encoder(1, 32, 2, 50, 32), "lstm": Tagger(1, 16, 50), "einsum": EinsumAttention()}


CASES = {
    "images": (
        images,
        PIXELS,
        {"resnet": 7, "mobilenet": 11, "excite": 13, "densenet": 7, "unet": 11, "vit": 8},
        {f"unet.up.{i}": "transposed" for i in range(2)},
    ),
    "texts": (
        texts,
        TOKENS | {"mask": np.ones((4, 6), np.int64)},
        {"minilm": 8, "lstm": 1, "einsum": 9},
        {"minilm.words": "looked up", "lstm.words": "looked up", "lstm.lstm": "recurrent"}
        | {"einsum.words": "looked up"},
    ),
}


@dataclass
class Case:
    model: nn.Module
    task: Fixed
    prepared: Prepared
    graph: ComputeGraph
    counts: dict
    floats: dict


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    build, inputs, counts, floats = CASES[request.param]
    torch.manual_seed(0)
    networks = build()
    for network in networks.values():
        network.takes = 2 if isinstance(network, Encoder) else 1
    model = Together(networks).eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.1, 0.1)
            nn.init.uniform_(part.running_var, 0.8, 1.2)
    task = Fixed(inputs, output_names=tuple(networks))
    config = QatConfig(train=TrainConfig(epochs=1), calibration="minmax", reduce_range=True)
    prepared = prepare(model, task, config)
    graph = export(prepared.network, task, config)
    return Case(model, task, prepared, graph, counts, floats)


def test_every_product_is_an_integer_or_says_why_not(case):
    names = [name.removeprefix("networks.") for name in case.prepared.layers]
    assert Counter(name.partition(".")[0] for name in names) == case.counts
    found = {name.removeprefix("networks."): reason for name, reason in case.prepared.floats.items()}
    assert found.keys() == case.floats.keys()
    assert all(case.floats[name] in reason for name, reason in found.items())


def test_rounding_changes_answers_little_and_the_file_answers_as_the_network_does(case):
    valid = case.task.split("valid")
    wanted, rounded = (predict(m, case.task, valid) for m in (case.model, case.prepared.network))
    for name, array in wanted.items():
        assert np.abs(rounded[name] - array).max() < 0.15 * np.abs(array).max(), name
    assert difference(case.graph, case.prepared.network, case.task) < 0.03  # a few steps of a grid of 255


def test_every_number_learns(case):
    network = case.prepared.network.train()
    outputs = network(*map(torch.from_numpy, case.task.split("train").inputs.values()))
    sum(output.square().sum() for output in outputs).backward()
    silent = [name for name, value in network.named_parameters() if value.grad is None]
    network.eval()
    assert not silent


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_engine_multiplies_integers(case, backend):
    found = integer_kernels(case.graph, backend)
    assert sum(found.integer.values()) == sum(case.counts.values())
    stay = sum("looked up" not in reason for reason in case.floats.values())
    assert (
        sum(found.floating.values()) <= 2 * stay + 1
    )  # directions; a normalisation alone is run as a convolution


def test_the_batch_varies(case):
    inputs = case.task.split("valid").inputs
    whole = case.graph.infer(inputs)
    one = case.graph.infer({name: array[:1] for name, array in inputs.items()})
    for name, array in whole.items():
        assert np.abs(one[name] - array[:1]).max() < 0.05 * np.abs(array).max(), name


def test_a_residual_network_is_one_chain_of_integers():
    network = resnet().eval()
    config = QatConfig(train=TrainConfig(epochs=1), calibration="minmax")
    prepared = prepare(network, Fixed(PIXELS), config)
    grids = {node.target for node, module in quantizers(prepared.network) if hasattr(module, "zero_point")}
    # the pixels, 6 convolutions, the addition that convolutions read, and the mean that the head reads
    assert len(grids) == 1 + 6 + 1 + 1
    assert not any("batch_norm" in str(node.target) for node in prepared.network.graph.nodes)


def test_lengths_vary_where_padding_is_cut():
    model = Encoder(1, 32, 2, 50, 32).eval()
    inputs = TOKENS | {"mask": np.ones((4, 6), np.int64)}
    task = Fixed(inputs, trim=lambda batch: batch, dynamic={"tokens": {1: "length"}, "mask": {1: "length"}})
    config = QatConfig(train=TrainConfig(epochs=1), calibration="minmax")
    prepared = prepare(model, task, config)
    shorter = {name: array[:, :4] for name, array in inputs.items()}
    with torch.no_grad():
        wanted = prepared.network(*map(torch.from_numpy, shorter.values())).numpy()
    found = export(prepared.network, task, config).infer(shorter)["scores"]
    assert np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()
