"""The architectures have the sizes of their papers, the same weights every time, and a faithful graph."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from burnish.errors import NotFoundError
from burnish.testing import networks

# Parameters, and multiply-adds of one image of 224 x 224 in billions. The convolutional ones are `num_params` and
# `_ops` of torchvision 0.20; vgg11 is given less its paper's classifier (123.6 million of 132.9) and with ours.
PUBLISHED = {
    "resnet18": (11_689_512, 1.814),
    "resnet50": (25_557_032, 4.089),
    "resnext50": (25_028_904, 4.230),
    "vgg11": (9_220_480 + 513_000, 7.609 - 0.124),
    "squeezenet": (1_235_496, 0.349),
    "densenet121": (7_978_856, 2.834),
    "mobilenetv2": (3_504_872, 0.301),
    "efficientnet_b0": (5_288_548, 0.386),
    "shufflenetv2": (2_278_604, 0.145),
    "convnext_tiny": (28_589_128, 4.456),
    "unet": (31_030_000 / 4, None),  # Ronneberger et al. 2015 count 31 million at twice the width
    "vit_tiny": (5_700_000, 1.3),  # DeiT-Tiny/16 in Wang et al. 2021, arXiv:2102.12122, table 2
    "mixer_s16": (18_000_000, None),  # Tolstikhin et al. 2021, arXiv:2105.01601, table 1
    "minilm": (22_565_376 - 768, None),  # all-MiniLM-L6-v2 less pooler and token types
    "bert_base": (109_000_000, 22.5 / 2),  # 128 tokens: Sun et al. 2020, arXiv:2004.02984, table 4
}


def torch_run(module, inputs):
    with torch.inference_mode():
        got = module(*map(torch.from_numpy, inputs.values()))
    return [part.numpy() for part in (got if isinstance(got, tuple) else (got,))]


@pytest.mark.parametrize("name", networks.NAMES)
def test_each_has_the_size_of_its_paper_and_listens_to_its_input(name):
    module, inputs = networks.build(name), networks.example_inputs(name)
    with FlopCounterMode(display=False) as counter:
        answers = torch_run(module, inputs)
    for answer in answers:
        assert answer.shape[0] == 2
        assert np.isfinite(answer).all()
        assert np.abs(answer[0] - answer[1]).max() > 1e-3 * answer.std()
    parameters, billions = PUBLISHED.get(name, (None, None))
    if parameters is not None:
        assert sum(weight.numel() for weight in module.parameters()) == pytest.approx(parameters, rel=0.03)
    if billions is not None:
        assert counter.get_total_flops() / 2 / 2 / 1e9 == pytest.approx(billions, rel=0.04)


def test_weights_are_the_same_every_time_and_leave_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = networks.build("squeezenet"), networks.build("squeezenet")
    assert torch.equal(torch.rand(1), expected)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


# One each of what is hard to export: several outputs and resizing, merging resolutions, a causal mask, recurrence,
# a token that is expanded to the batch. The others are plain beside them, and exporting all takes minutes.
@pytest.mark.parametrize("name", ["resnet18", "detector", "unet", "gpt_small", "lstm_tagger", "vit_tiny"])
def test_the_graph_computes_what_the_module_does_at_any_batch_and_is_costed(name):
    module, graph = networks.build(name), networks.graph(name)
    for batch in (1, 8):
        inputs = networks.example_inputs(name, batch=batch)
        for got, expected in zip(graph.infer(inputs).values(), torch_run(module, inputs), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-4 * expected.std())
    cost = graph.cost(8)
    assert cost.uncosted == {}
    assert cost.macs == 8 * graph.macs()


def test_core_is_part_of_all():
    assert set(networks.CORE) < set(networks.NAMES)


@pytest.mark.parametrize("use", [networks.build, networks.example_inputs, networks.graph])
def test_unknown_architecture_names_the_nearest(use):
    with pytest.raises(NotFoundError, match=r"resnet5.*resnet50"):
        use("resnet5")
