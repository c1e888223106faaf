"""Every kind of network is narrowed, or the layers that cannot be are named with the reason."""

import copy

import pytest
import torch
from torch import nn

from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.pruning.importance import build_importance
from burnish.compress.pruning.units import Unit
from burnish.evaluate import Split
from burnish.testing.networks import NAMES, Encoder, build, example_inputs
from burnish.testing.networks.plain import DenseNet
from burnish.testing.networks.transformers import Decoder, Mixer

MULTIPLYING = (nn.modules.conv._ConvNd, nn.Linear, nn.Embedding, nn.RNNBase)
FIXED_PIXELS = ("vit_tiny", "mixer_s16")
# of these, fewer and narrower layers tell as much
SMALLER = {
    "densenet121": lambda: DenseNet(blocks=(2, 2, 2), growth=16),
    "bert_base": lambda: Encoder(layers=2, hidden=192, heads=12),
    "minilm": lambda: Encoder(layers=2, hidden=96, heads=6),
    "gpt_small": lambda: Decoder(layers=2, hidden=96, heads=6),
    "mixer_s16": lambda: Mixer(layers=2, hidden=96),
}
UNNAMED = "its outputs leave the network"

# what each network is known for: the kind of the units that it must have
KINDS = {
    "minilm": {"channels", "heads"},  # its output is its hidden width
    "bert_base": {"channels", "heads"},
    "vit_tiny": {"channels", "heads", "hidden"},
    "gpt_small": {"channels", "heads", "hidden"},
    "lstm_tagger": {"hidden"},
}


def network(name):
    torch.manual_seed(0)
    model = shortened(SMALLER[name]().eval() if name in SMALLER else build(name))
    inputs = tuple(map(torch.from_numpy, example_inputs(name, batch=2, tokens=8).values()))
    if inputs[0].is_floating_point() and name not in FIXED_PIXELS:
        inputs = (inputs[0][..., :32, :32],)
    return model, inputs


def shortened(model):
    """Leave out what repeats the layer before it: one tells as much. Of a stack of equal layers two stay."""
    layers = getattr(model, "layers", None)  # of a transformer; other lists hold layers that run side by side
    for stack in [m for m in model.modules() if isinstance(m, nn.Sequential) or m is layers]:
        names = [str(layer) for layer in stack]
        kept = [layer for i, layer in enumerate(stack) if i < 2 or names[i] != names[i - 1]]
        for name in list(stack._modules):
            del stack._modules[name]
        stack.extend(kept)
    return model


def outputs(model, inputs):
    with torch.inference_mode():
        out = model(*inputs)
    return out if isinstance(out, tuple) else (out,)


def check(model, inputs):
    """Narrow everything that can be by a quarter, and give back the units and reasons."""
    twin, before = copy.deepcopy(model), outputs(model, inputs)
    weights = copy.deepcopy(model.state_dict())
    groups = ChannelGroups(model, inputs)
    units, refused, makers = groups.units(), groups.unprunable(), groups.found().makers
    assert_equal(model.state_dict(), weights)  # a trial leaves no trace
    assert all(reason for reason in refused.values())
    named = {unit.name for unit in units} | set(refused)
    made = {maker for unit in units for maker in makers[unit.name]}
    layers = {name for name, layer in model.named_modules() if isinstance(layer, MULTIPLYING)}
    assert layers == (made | named) & layers
    assert not made & set(refused)

    importance = build_importance("l1", model, Split({}, torch.zeros(0).numpy()), seed=0)
    for unit in units:
        scores = importance(groups.group(unit))
        assert scores.shape == (unit.width * unit.size,)
        assert torch.isfinite(scores).all()
    for unit in units:
        groups.remove(unit, range(max(1, unit.width // 4)))
    assert sum(p.numel() for p in model.parameters()) < sum(w.numel() for w in weights.values())
    after = outputs(model, inputs)
    assert [o.shape for o in after] == [o.shape for o in before]
    assert all(torch.isfinite(o).all() for o in after)
    left = {unit.name: unit.width - max(1, unit.width // 4) for unit in units}
    assert {unit.name: unit.width for unit in groups.units()} == {n: w for n, w in left.items() if w > 1}

    ChannelGroups(twin, inputs, unprunable=refused).replay(groups.history())
    assert_equal(twin.state_dict(), model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(after, outputs(twin, inputs), strict=True))
    return units, refused


def assert_equal(state, expected):
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in state)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_narrowed_or_the_reason_is_named(name):
    units, _ = check(*network(name))
    assert units
    assert KINDS.get(name, {"channels"}) == {unit.kind for unit in units}


class Classifier(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, tokens, mask):
        return self.net(input_ids=tokens, attention_mask=mask).logits


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_bert_of_hugging_face_loses_heads_channels_and_hidden_width(attention):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
        attn_implementation=attention,
    )
    torch.manual_seed(0)
    model = Classifier(transformers.BertForSequenceClassification(config)).eval()
    mask = torch.ones(2, 8, dtype=torch.long)
    mask[1, 5:] = 0
    units, refused = check(model, (torch.arange(16).view(2, 8), mask))
    assert sorted(unit.kind for unit in units) == ["channels"] * 3 + ["heads"] * 2 + ["hidden"]
    assert list(refused) == ["net.classifier"]
    attention = model.net.bert.encoder.layer[0].attention.self
    sizes = attention.num_attention_heads, attention.attention_head_size, attention.all_head_size
    assert sizes == (3, 12, 36)
    assert model.net.bert.embeddings.word_embeddings.embedding_dim == 36


def units_by_kind(model, inputs):
    units, refused = check(model, inputs)
    return {unit.name: (unit.kind, unit.width, unit.size) for unit in units}, refused


def test_pytorchs_own_encoder_loses_channels_of_every_head_alike():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True)
    model = nn.Sequential(
        nn.Linear(6, 32), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(32, 3)
    )
    units, _ = units_by_kind(model.eval(), (torch.randn(2, 5, 6),))
    assert ("hidden", 8, 4) in units.values()
    assert list(units.values()).count(("channels", 48, 1)) == 2


def test_grouped_layers_lose_the_same_channels_of_every_group():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.GroupNorm(3, 12), nn.ReLU(), nn.Conv2d(12, 8, 3, groups=2), nn.Conv2d(8, 3, 1)
    )
    units, refused = units_by_kind(model.eval(), (torch.randn(2, 1, 8, 8),))
    assert units == {"0": ("channels", 2, 6), "3": ("channels", 4, 2)}
    assert refused == {"4": UNNAMED}


class FixedHeads(nn.Module):
    """Its forward insists on its number of heads and on its width."""

    def __init__(self):
        super().__init__()
        self.words, self.joint, self.out = nn.Embedding(9, 24), nn.Linear(24, 72), nn.Linear(24, 24)
        self.head = nn.Linear(24, 2)

    def forward(self, tokens):
        x = self.words(tokens)
        q, k, v = (part.view(2, -1, 4, 6).transpose(1, 2) for part in self.joint(x).chunk(3, dim=-1))
        mixed = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(2, -1, 24))
        return self.head(x.mean(1))


def test_heads_that_forward_fixes_are_named():
    model, tokens = FixedHeads().eval(), torch.arange(8).view(2, 4)
    groups = ChannelGroups(model, (tokens,))
    assert [unit.kind for unit in groups.units()] == ["hidden"]
    assert "does not work with fewer heads" in groups.unprunable()["joint"]
    assert "RuntimeError" in groups.unprunable()["joint"]


class Mixed(nn.Module):
    """Reads its channels in an order of its own, which no tracer sees."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).roll(1, -1) * torch.arange(6))


def test_channels_that_mean_something_are_named():
    groups = ChannelGroups(Mixed().eval(), (torch.randn(2, 4),))
    assert not groups.units()
    assert "not interchangeable" in groups.unprunable()["first"]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.inner, self.back = nn.Embedding(9, 12), nn.Linear(12, 16), nn.Linear(16, 12)
        self.head = nn.Linear(12, 9, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens):
        x = self.words(tokens)
        return self.head(x + self.back(torch.relu(self.inner(x))))


def test_tied_and_frozen_weights_stay_tied_and_frozen():
    torch.manual_seed(0)
    model, tokens = Tied().eval(), torch.arange(8).view(2, 4)
    model.inner.requires_grad_(False)
    groups = ChannelGroups(model, (tokens,))
    units = {unit.name: unit for unit in groups.units()}
    assert {unit.kind for unit in units.values()} == {"channels", "hidden"}
    for unit in units.values():
        groups.remove(unit, [0, 3])
    assert model.head.weight is model.words.weight
    assert model.words.embedding_dim == 10
    assert not model.inner.weight.requires_grad
    assert model.back.weight.requires_grad


def test_what_is_cut_inside_is_put_back():
    model, inputs = network("squeezenet")
    before, weights = outputs(model, inputs), {name: w.clone() for name, w in model.state_dict().items()}
    groups = ChannelGroups(model, inputs, unprunable={})
    with groups.undone():
        for unit in groups.units():
            groups.remove(unit, [0])
        assert outputs(model, inputs)[0].shape == before[0].shape
    assert_equal(model.state_dict(), weights)
    assert torch.equal(outputs(model, inputs)[0], before[0])
    assert groups.history() == []
    unit = groups.units()[0]
    assert isinstance(unit, Unit)
    groups.remove(unit, [1])
    assert groups.units()[0].width == unit.width - 1
