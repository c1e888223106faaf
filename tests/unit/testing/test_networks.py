"""The architectures have the sizes of their papers, the same weights every time, and a faithful graph."""

import numpy as np
import pytest
import torch

from burnish.errors import NotFoundError
from burnish.testing import networks


@pytest.mark.parametrize(
    ("name", "parameters"),  # torchvision 0.20 and all-MiniLM-L6-v2 less pooler and token types
    [("resnet18", 11_689_512), ("resnet50", 25_557_032), ("minilm", 22_565_376 - 768)],
)
def test_sizes_are_those_of_the_papers(name, parameters):
    module = networks.build(name)
    assert sum(weight.numel() for weight in module.parameters()) == pytest.approx(parameters, rel=1e-3)


def test_weights_are_the_same_every_time_and_leave_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = networks.build("resnet18"), networks.build("resnet18")
    assert torch.equal(torch.rand(1), expected)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_graph_computes_what_the_module_does():
    inputs = networks.example_inputs("resnet18", batch=3)
    with torch.inference_mode():
        expected = networks.build("resnet18")(torch.from_numpy(inputs["pixels"])).numpy()
    (got,) = networks.graph("resnet18").infer(inputs).values()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_unknown_architecture_names_the_nearest():
    with pytest.raises(NotFoundError, match="resnet5"):
        networks.build("resnet5")
