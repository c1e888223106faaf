"""Heads, features and the width of tokens go through the same controller as channels."""

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig
from burnish.compress.network import build_model, predict
from burnish.compress.pruning.prune import PruneConfig, prune
from burnish.evaluate import Split
from burnish.resume import Run


class Block(nn.Module):
    """A transformer layer that takes its sizes from its tensors."""

    def __init__(self):
        super().__init__()
        self.num_heads = 4
        self.query, self.key, self.value, self.out = (nn.Linear(24, 24) for _ in range(4))
        self.wide, self.narrow = nn.Linear(24, 96), nn.Linear(96, 24)
        self.norm1, self.norm2 = nn.LayerNorm(24), nn.LayerNorm(24)

    def forward(self, x):
        q, k, v = (
            part(x).unflatten(-1, (self.num_heads, 6)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).flatten(2)))
        return self.norm2(x + self.narrow(nn.functional.gelu(self.wide(x))))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 24)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(24, 2)

    def forward(self, tokens):
        x = self.words(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


class Parity:
    """Whether a word stands in a text."""

    name = "parity"
    output_names = ("logits",)

    def build_model(self):
        return Classifier()

    def split(self, name):
        rng = np.random.default_rng(["train", "valid", "test"].index(name))
        tokens = rng.integers(1, 20, (96, 8))
        return Split({"tokens": tokens}, (tokens == 7).any(axis=1).astype(np.int64))

    def loss(self, outputs, labels):
        return nn.functional.cross_entropy(outputs, labels)

    def scores(self, outputs, labels):
        return (outputs["logits"].argmax(1) == labels).astype(np.float64)


def narrowed(folder, kinds):
    task = Parity()
    config = PruneConfig(
        step=0.5,
        target=0.5,
        kinds=kinds,
        rounding="multiple",
        round_to=4,
        floor_points=100.0,
        fine_tune=TrainConfig(epochs=1, optimizer="adamw", learning_rate=1e-3),
    )
    (cut,) = prune(build_model(task), task, config, Run(folder, {}))
    return task, cut


@pytest.mark.parametrize(
    ("kinds", "heads", "features", "tokens"),
    [
        (("channels", "heads"), 2, 48, 24),
        (("heads",), 2, 96, 24),
        (("channels", "heads", "hidden"), 2, 48, 12),
    ],
)
def test_each_kind_is_cut_when_it_is_asked_for(tmp_path, kinds, heads, features, tokens):
    task, cut = narrowed(tmp_path, kinds)
    model = cut.restore(task)
    for block in model.blocks:
        assert block.num_heads == heads
        assert block.query.weight.shape == (heads * 6, tokens)
        assert block.wide.weight.shape == (features, tokens)
    assert model.head.in_features == tokens
    valid = task.split("valid")
    assert task.scores(predict(model, task, valid), valid.labels).mean() == cut.score


def test_a_kind_that_is_left_out_is_named(tmp_path):
    _, cut = narrowed(tmp_path, ("heads",))
    reasons = set(cut.untouched.values())
    assert "channels are not among the kinds to cut" in reasons
    assert "hidden are not among the kinds to cut" in reasons


def test_nothing_to_cut_is_refused():
    with pytest.raises(ValueError, match="kinds"):
        PruneConfig(kinds=())


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
