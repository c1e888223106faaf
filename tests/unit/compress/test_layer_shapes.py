import pytest
import torch
from torch import nn

from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.pruning.layer_shapes import layer_shapes, shaped_members


class Varied(nn.Module):
    """Plain, depthwise, grouped by nothing, transposed, joined, flattened and linear layers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding="same")
        self.depthwise = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16)
        self.dilated = nn.Conv2d(16, 12, 3, padding=2, dilation=2)
        self.grouped = nn.Conv2d(28, 28, 3, padding=1, groups=4)
        self.up = nn.ConvTranspose2d(28, 24, 2, stride=2)
        self.hidden = nn.Linear(24 * 64, 20)
        self.head = nn.Linear(20, 5)

    def forward(self, x):
        y = self.depthwise(torch.relu(self.first(x)))
        y = self.up(torch.relu(self.grouped(torch.cat([y, torch.relu(self.dilated(y))], 1))))
        return self.head(torch.relu(self.hidden(torch.relu(y).flatten(1))))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 32)
        self.down = nn.Linear(32, 8)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(12, 12) for _ in range(4))
        self.head = nn.Linear(12, 3)
        self.num_heads = 6

    def forward(self, x):
        q, k, v = (
            f(x).unflatten(-1, (self.num_heads, 2)).transpose(1, 2)
            for f in (self.query, self.key, self.value)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(self.out(mixed.transpose(1, 2).flatten(2)))


CASES = {
    "attention": (Attention, (2, 5, 12)),
    "varied": (Varied, (2, 1, 8, 8)),
    "tokens": (Tokens, (2, 6, 8)),
}


def parts(name):
    network, shape = CASES[name]
    model = network().eval()
    example = (torch.randn(shape),)
    groups = ChannelGroups(model, example)
    return model, groups, {unit.name: unit for unit in groups.units()}, example


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("removed", [1, 4])
def test_the_shapes_foretold_are_those_of_the_network_once_it_is_cut(name, removed):
    for key in parts(name)[2]:
        model, groups, units, example = parts(name)
        one = (example[0][:1],)
        before = layer_shapes(model, one)
        foretold = shaped_members(units[key], groups.group(units[key]), before)
        assert foretold
        groups.remove(units[key], range(removed))
        after = layer_shapes(model, one)
        changed = [after[m].key for m in after if ends(after[m]) != ends(before[m])]
        assert sorted(member.narrowed(removed).key for member in foretold) == sorted(changed)


def ends(shape):
    return shape.inner, shape.outer


def test_there_is_no_layer_without_channels():
    model, groups, units, example = parts("varied")
    shapes = layer_shapes(model, example)
    for unit in units.values():
        members = shaped_members(unit, groups.group(unit), shapes)
        assert any(member.narrowed(unit.width) is None for member in members)


def test_looking_leaves_no_trace():
    model, _, _, example = parts("varied")
    layer_shapes(model, example)
    assert not any(module._forward_hooks for module in model.modules())
