from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress.network import tensors
from burnish.compress.pruning.groups import ChannelGroups, width_of
from burnish.compress.pruning.importance import (
    ImportanceName,
    activation_variances,
    build_importance,
    gradient_effects,
)
from burnish.errors import InputError
from burnish.evaluate import Split


def images(n, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 1, 8, 8)).astype(np.float32)
    return Split({"image": x}, np.zeros(n, np.int64))


class Net(nn.Module):
    """Depthwise, transposed and flattened layers, and an output that a softmax follows."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3)
        self.depthwise = nn.Conv2d(16, 16, 3, groups=16)
        self.up = nn.ConvTranspose2d(16, 24, 2)
        self.last = nn.Conv2d(24, 3, 1)
        self.hidden = nn.Linear(16 * 16, 20)
        self.head = nn.Linear(20, 5)

    def forward(self, x):
        y = self.depthwise(torch.relu(self.first(x)))
        classes = self.head(torch.relu(self.hidden(y.flatten(1))))
        return classes.log_softmax(-1), self.last(torch.relu(self.up(y)))


def named_units(model):
    groups = ChannelGroups(model, tensors(images(2)))
    return groups, {unit.name: unit for unit in groups.units()}


def test_what_leaves_the_model_is_never_cut():
    _, units = named_units(Net().eval())
    assert not {"head", "last"} & set(units)
    assert {"hidden", "up"} <= set(units)
    assert {"first", "depthwise"} & set(units)


class Labelled:
    name, output_names = "labelled", ("classes", "maps")

    def split(self, name):
        return images(8)

    def loss(self, outputs, labels):
        return torch.nn.functional.nll_loss(outputs[0], labels) + outputs[1].square().mean()


@pytest.mark.parametrize("name", get_args(ImportanceName))
def test_every_group_gets_one_finite_score_a_channel(name):
    model = Net().eval()
    groups, units = named_units(model)
    importance = build_importance(name, model, Labelled(), seed=0)
    for unit in units.values():
        scores = importance(groups.group(unit))
        assert scores.shape == (unit.width * unit.size,)
        assert torch.isfinite(scores).all()


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_channel_of_zeros_matters_least(name):
    model = Net().eval()
    with torch.no_grad():
        model.up.weight[:, 7] = 0  # a transposed convolution keeps its inputs first
        model.last.weight[:, 7] = 0
        model.hidden.weight[3] = 0
        model.head.weight[:, 3] = 0
    groups, units = named_units(model)
    importance = build_importance(name, model, images(2), seed=0)
    assert importance(groups.group(units["up"])).argmin() == 7
    assert importance(groups.group(units["hidden"])).argmin() == 3


def test_a_channel_that_never_varies_matters_least():
    model = Net().eval()
    with torch.no_grad():
        model.up.weight[:, 5] = 0  # a constant, whatever the bias
        model.up.bias[5] = 100.0
    groups, units = named_units(model)
    importance = build_importance("variance", model, images(8), seed=0)
    assert importance(groups.group(units["up"])).argmin() == 5


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_variance_is_exact_whatever_the_batches(batch_size):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    data = images(7)
    found = activation_variances(model, data, batch_size=batch_size)
    with torch.inference_mode():
        convolved = model[0](*tensors(data))
        linear = model(*tensors(data))
    torch.testing.assert_close(found[model[0]], convolved.transpose(0, 1).flatten(1).var(1, correction=0))
    torch.testing.assert_close(found[model[3]], linear.var(0, correction=0))


@pytest.mark.parametrize("name", ["taylor", "fisher"])
def test_a_channel_that_the_loss_does_not_feel_matters_least(name):
    model = Net().eval()
    model.first.requires_grad_(False)
    with torch.no_grad():
        model.last.weight[:, 5] = 0
        model.up.bias[5] = 100.0
    groups, units = named_units(model)
    scores = build_importance(name, model, Labelled(), seed=0)(groups.group(units["up"]))
    assert scores.argmin() == 5
    assert scores[5] == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.first.weight.requires_grad


def test_taylor_is_what_the_loss_loses_to_first_order():
    torch.manual_seed(0)
    model, task = Net().eval(), Labelled()
    data = task.split("train")
    effects = gradient_effects(model, task, [data], 1)

    def loss():
        with torch.no_grad():
            return float(task.loss(model(*tensors(data)), torch.from_numpy(data.labels)))

    before, share = loss(), 1e-2
    with torch.no_grad():
        model.hidden.weight[3] *= 1 - share
    assert abs(loss() - before) / share == pytest.approx(
        float(effects[model.hidden, "weight", 0][3]), rel=0.1
    )


def test_bn_follows_the_scales():
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([3.0, -2, 0.1, 5, 1, 4]))
    groups, units = named_units(model)
    assert build_importance("bn", model, images(2), seed=0)(groups.group(units["0"])).argmin() == 2


def test_gradients_need_a_loss_and_a_known_name():
    with pytest.raises(InputError, match="'taylor' needs a loss"):
        build_importance("taylor", Net().eval(), images(2), seed=0)
    with pytest.raises(InputError, match="did you mean 'fisher'"):
        build_importance("fischer", Net().eval(), images(2), seed=0)


def test_a_loss_that_is_not_finite_is_named():
    model = Net().eval()
    with torch.no_grad():
        model.head.bias[0] = float("nan")
    with pytest.raises(InputError, match="the loss of the network is nan"):
        build_importance("fisher", model, Labelled(), seed=0)


def test_chance_is_reproducible():
    model = Net().eval()
    groups, units = named_units(model)
    first, again, other = (
        build_importance("random", model, images(2), seed=seed)(groups.group(units["up"]))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_history_replayed_on_an_equal_model_makes_the_same_cuts():
    torch.manual_seed(0)
    model = Net().eval()
    twin = Net().eval()
    twin.load_state_dict(model.state_dict())
    groups, units = named_units(model)
    groups.remove(units["up"], [0, 5])
    groups.remove(units["hidden"], [19])
    units = {unit.name: unit for unit in groups.units()}
    groups.remove(units["hidden"], [0])
    ChannelGroups(twin, tensors(images(2))).replay(groups.history())
    assert width_of(twin.up) == 22
    assert width_of(twin.hidden) == 18
    for mine, its in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, its)
    with torch.inference_mode():
        assert twin(*tensors(images(2)))[0].shape == (2, 5)


def test_a_model_that_cannot_be_traced_is_named():
    class Wrong(nn.Module):
        def forward(self, x):
            raise RuntimeError("needs two inputs")

    with pytest.raises(
        InputError, match="Wrong cannot be traced for pruning: RuntimeError: needs two inputs"
    ):
        ChannelGroups(Wrong(), tensors(images(2)))
