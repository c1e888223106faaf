"""Well-known architectures with seeded random weights, for exams, examples and benchmarks.

What a graph costs, how much memory it plans and how fast it runs depend on its architecture alone, so no
trained weights are needed (and none are downloaded). Each module follows its paper's layer sizes; ResNet is
the variant of torchvision, which strides in the 3x3 convolution of a bottleneck.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from burnish.errors import NotFoundError, nearest
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.signature import Array

_SEED = 20260724


class ResNet(nn.Module):
    """ResNet for images of [batch, 3, 224, 224] (He et al., 2015).

    Args:
        blocks: Residual blocks of each of the four stages.
        bottleneck: Whether a block is 1x1, 3x3, 1x1 instead of 3x3, 3x3.
        classes: Size of the output.
    """

    def __init__(self, blocks: tuple[int, int, int, int], *, bottleneck: bool, classes: int = 1000) -> None:
        super().__init__()
        self.stem = _conv(3, 64, kernel=7, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages, channels = [], 64
        for index, count in enumerate(blocks):
            width = 64 << index
            for position in range(count):
                stride = 2 if index and not position else 1
                block = _Block(channels, width, stride=stride, bottleneck=bottleneck)
                channels = block.channels
                stages.append(block)
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        features = self.stages(self.pool(functional.relu(self.stem(pixels))))
        scores: Tensor = self.head(features.mean(dim=(2, 3)))
        return scores


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, *, stride: int, bottleneck: bool) -> None:
        super().__init__()
        self.channels = width * (4 if bottleneck else 1)
        if bottleneck:
            plan = [(channels, width, 1, 1), (width, width, 3, stride), (width, self.channels, 1, 1)]
        else:
            plan = [(channels, width, 3, stride), (width, width, 3, 1)]
        self.convs = nn.ModuleList(_conv(a, b, kernel=k, stride=s) for a, b, k, s in plan)
        changes = stride != 1 or channels != self.channels
        self.shortcut = _conv(channels, self.channels, kernel=1, stride=stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for index, conv in enumerate(self.convs):
            y = conv(functional.relu(y) if index else y)
        return functional.relu(y + self.shortcut(x))


def _conv(channels: int, width: int, *, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width))


class Encoder(nn.Module):
    """A BERT-like encoder; the defaults are all-MiniLM-L6: token ids and mask in, sentence embedding out.

    Args:
        layers: Transformer layers.
        hidden: Width of a token.
        heads: Attention heads.
        vocabulary: Number of token ids.
        positions: Longest sequence.
    """

    def __init__(
        self,
        layers: int = 6,
        hidden: int = 384,
        heads: int = 12,
        vocabulary: int = 30522,
        positions: int = 512,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(positions, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(_Layer(hidden, heads) for _ in range(layers))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return one vector a sequence, [batch, hidden], the mean over tokens whose mask is 1."""
        length = tokens.shape[1]
        x = self.norm(self.words(tokens) + self.positions.weight[:length])
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, bias)
        weights = mask[:, :, None].to(x.dtype)
        total: Tensor = (x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return total


class _Layer(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(hidden, hidden) for _ in range(4))
        self.wide, self.narrow = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norm1, self.norm2 = (nn.LayerNorm(hidden, eps=1e-12) for _ in range(2))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        split = (batch, length, self.heads, hidden // self.heads)
        q, k, v = (part(x).view(split).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / (hidden // self.heads) ** 0.5 + bias
        mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, length, hidden)
        x = self.norm1(x + self.out(mixed))
        y: Tensor = self.norm2(x + self.narrow(functional.gelu(self.wide(x))))
        return y


_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet((2, 2, 2, 2), bottleneck=False),
    "resnet50": lambda: ResNet((3, 4, 6, 3), bottleneck=True),
    "minilm": Encoder,
}
NAMES = tuple(_BUILDERS)


def build(name: str) -> nn.Module:
    """Return one architecture of `NAMES` in eval mode; the same weights every time.

    Batch norms hold statistics as after training, so that folding them changes what it should.

    Raises:
        NotFoundError: No architecture has this name.
    """
    if name not in _BUILDERS:
        raise NotFoundError(f"unknown architecture {name!r}", hint=nearest(name, NAMES))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        module = _BUILDERS[name]()
        for part in module.modules():
            if (
                isinstance(part, nn.BatchNorm2d)
                and part.running_mean is not None
                and part.running_var is not None
            ):
                nn.init.uniform_(part.running_mean, -0.1, 0.1)
                nn.init.uniform_(part.running_var, 0.8, 1.2)
                nn.init.uniform_(part.weight, 0.5, 1.0)
                nn.init.uniform_(part.bias, -0.1, 0.1)
    return module.eval()


def example_inputs(name: str, *, batch: int = 2, tokens: int = 128, seed: int = 0) -> dict[str, Array]:
    """Return inputs of one architecture: standard-normal pixels, or token ids with a full mask."""
    rng = np.random.default_rng(seed)
    if name == "minilm":
        ids = rng.integers(1000, 30000, size=(batch, tokens), dtype=np.int64)
        return {"tokens": ids, "mask": np.ones((batch, tokens), np.int64)}
    return {"pixels": rng.standard_normal((batch, 3, 224, 224), dtype=np.float32)}


@cache
def graph(name: str) -> ComputeGraph:
    """Return one architecture captured to ONNX, unoptimized, with a symbolic batch; kept in memory.

    The encoder takes [batch, 128] token ids.
    """
    outputs = {"minilm": ["embedding"]}.get(name, ["scores"])
    inputs: Mapping[str, Array] = example_inputs(name)
    return capture(build(name), inputs, output_names=outputs)
