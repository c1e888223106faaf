"""Transformers and their relatives: encoder, decoder, vision transformer and MLP mixer."""

import torch
from torch import Tensor, nn
from torch.nn import functional


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
        self.head_size = hidden // heads
        self.query, self.key, self.value, self.out = (nn.Linear(hidden, hidden) for _ in range(4))
        self.wide, self.narrow = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norm1, self.norm2 = (nn.LayerNorm(hidden, eps=1e-12) for _ in range(2))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, _ = x.shape
        width = self.query.out_features  # less than hidden once heads are cut
        split = (batch, length, width // self.head_size, self.head_size)
        q, k, v = (part(x).view(split).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / self.head_size**0.5 + bias
        mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = self.norm1(x + self.out(mixed))
        y: Tensor = self.norm2(x + self.narrow(functional.gelu(self.wide(x))))
        return y


class Decoder(nn.Module):
    """A GPT-2-like decoder (Radford et al., 2019): each token sees those before it; scores of the next ones out.

    Args:
        layers: Transformer layers.
        hidden: Width of a token.
        heads: Attention heads.
        vocabulary: Number of token ids.
        positions: Longest sequence.
    """

    causal: Tensor

    def __init__(
        self,
        layers: int = 6,
        hidden: int = 512,
        heads: int = 8,
        vocabulary: int = 8192,
        positions: int = 256,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(positions, hidden)
        self.register_buffer("causal", torch.full((positions, positions), -1e4).triu(1), persistent=False)
        self.layers = nn.ModuleList(_PreNormLayer(hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the scores after each token, [batch, tokens, vocabulary]."""
        length = tokens.shape[1]
        x = self.words(tokens) + self.positions.weight[:length]
        for layer in self.layers:
            x = layer(x, self.causal[:length, :length])
        scores: Tensor = self.head(self.norm(x))
        return scores


class VisionTransformer(nn.Module):
    """A vision transformer on patches of 16 x 16 (Dosovitskiy et al., 2020); the defaults are the tiny one of DeiT.

    Args:
        layers: Transformer layers.
        hidden: Width of a token.
        heads: Attention heads.
        pixels: Height and width of an image.
        classes: Size of the output.
    """

    def __init__(
        self, layers: int = 12, hidden: int = 192, heads: int = 3, pixels: int = 224, classes: int = 1000
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, hidden, 16, stride=16)
        self.token = nn.Parameter(torch.randn(1, 1, hidden))
        self.positions = nn.Parameter(torch.randn(1, (pixels // 16) ** 2 + 1, hidden))
        self.layers = nn.ModuleList(_PreNormLayer(hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.head = nn.Linear(hidden, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(patches.shape[0], -1, -1), patches], dim=1) + self.positions
        for layer in self.layers:
            x = layer(x)
        scores: Tensor = self.head(self.norm(x)[:, 0])
        return scores


class _PreNormLayer(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.head_size = hidden // heads
        self.norm1, self.norm2 = (nn.LayerNorm(hidden, eps=1e-6) for _ in range(2))
        self.joint, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.mix = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        batch, length, _ = x.shape
        width = self.joint.out_features // 3  # less than hidden once heads are cut
        joint = self.joint(self.norm1(x)).view(batch, length, 3, width // self.head_size, self.head_size)
        q, k, v = joint.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * self.head_size**-0.5) @ k.transpose(-1, -2)
        weights = (scores if bias is None else scores + bias).softmax(dim=-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        y: Tensor = x + self.mix(self.norm2(x))
        return y


class Mixer(nn.Module):
    """MLP-Mixer on patches of 16 x 16 (Tolstikhin et al., 2021); the defaults are S/16 at 224 pixels.

    Args:
        layers: Mixer layers.
        hidden: Width of a token.
        pixels: Height and width of an image.
        classes: Size of the output.
    """

    def __init__(self, layers: int = 8, hidden: int = 512, pixels: int = 224, classes: int = 1000) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, hidden, 16, stride=16)
        self.layers = nn.Sequential(*(_Mix(hidden, (pixels // 16) ** 2) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(hidden, eps=1e-6), nn.Linear(hidden, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        x = self.layers(self.patches(pixels).flatten(2).transpose(1, 2))
        scores: Tensor = self.head(self.norm(x).mean(dim=1))
        return scores


class _Mix(nn.Module):
    def __init__(self, hidden: int, tokens: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(hidden, eps=1e-6) for _ in range(2))
        self.tokens, self.channels = _mlp(tokens, hidden // 2), _mlp(hidden, 4 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        y: Tensor = x + self.channels(self.norm2(x))
        return y


def _mlp(width: int, inner: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
