"""Well-known architectures with seeded random weights, for exams, examples and benchmarks.

What a graph costs, how much memory it plans and how fast it runs depend on its architecture alone, so no
trained weights are needed (and none are downloaded). Each module follows its paper's layer sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
import torch
from torch import nn

from burnish.errors import NotFoundError, nearest
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.signature import Array
from burnish.testing.networks.images import Detector, UNet
from burnish.testing.networks.plain import VGG, DenseNet, SqueezeNet
from burnish.testing.networks.recurrent import Tagger
from burnish.testing.networks.residual import ResNet
from burnish.testing.networks.separable import (
    EFFICIENTNET_B0,
    MOBILENET_V2,
    ConvNeXt,
    InvertedResiduals,
    ShuffleNet,
)
from burnish.testing.networks.transformers import Decoder, Encoder, Mixer, VisionTransformer

__all__ = ["CORE", "NAMES", "Encoder", "ResNet", "build", "example_inputs", "graph"]

_SEED = 20260724


@dataclass(frozen=True, slots=True)
class _Architecture:
    build: Callable[[], nn.Module]
    outputs: tuple[str, ...] = ("scores",)
    takes: Literal["pixels", "tokens", "masked tokens"] = "pixels"
    pixels: int = 224
    ids: tuple[int, int] = (1000, 30000)
    """Token ids: from, and up to but without."""
    gain: float | None = 2**0.5
    """Of a convolution; None keeps what PyTorch draws, by which the signal fades from layer to layer until a deep
    network answers with its biases alone."""


_LEVELS = tuple(f"{what}_{stride}" for stride in (8, 16, 32) for what in ("scores", "boxes"))
_ARCHITECTURES: Mapping[str, _Architecture] = {
    "resnet18": _Architecture(partial(ResNet, (2, 2, 2, 2), bottleneck=False), gain=None),
    "resnet50": _Architecture(partial(ResNet, (3, 4, 6, 3), bottleneck=True), gain=None),
    "minilm": _Architecture(Encoder, ("embedding",), "masked tokens", gain=None),
    "resnext50": _Architecture(partial(ResNet, (3, 4, 6, 3), bottleneck=True, groups=32)),
    "vgg11": _Architecture(VGG),
    "squeezenet": _Architecture(SqueezeNet),
    "densenet121": _Architecture(DenseNet),
    "mobilenetv2": _Architecture(partial(InvertedResiduals, MOBILENET_V2, activation=nn.ReLU6, excite=False)),
    "efficientnet_b0": _Architecture(
        partial(InvertedResiduals, EFFICIENTNET_B0, activation=nn.SiLU, excite=True), gain=2.0
    ),
    "shufflenetv2": _Architecture(ShuffleNet),
    "convnext_tiny": _Architecture(ConvNeXt),
    "unet": _Architecture(UNet, pixels=128),
    "detector": _Architecture(Detector, _LEVELS, pixels=256),
    "vit_tiny": _Architecture(VisionTransformer),
    "mixer_s16": _Architecture(Mixer),
    "bert_base": _Architecture(
        partial(Encoder, layers=12, hidden=768), ("embedding",), "masked tokens", gain=None
    ),
    "gpt_small": _Architecture(Decoder, takes="tokens", ids=(0, 8192)),
    "lstm_tagger": _Architecture(Tagger, takes="tokens", ids=(0, 8192)),
}
NAMES = tuple(_ARCHITECTURES)
"""Every architecture."""
CORE = ("resnet18", "resnet50", "minilm")
"""A few that together are quick enough for tests which go through several."""


def build(name: str) -> nn.Module:
    """Return one architecture of `NAMES` in eval mode; the same weights every time.

    Batch norms hold statistics as after training, so that folding them changes what it should.

    Raises:
        NotFoundError: No architecture has this name.
    """
    architecture = _find(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        module = architecture.build()
        for part in module.modules():
            if isinstance(part, nn.Conv2d) and architecture.gain is not None:
                nn.init.normal_(part.weight, std=architecture.gain / part.weight[0].numel() ** 0.5)
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
    """Return inputs of one architecture: standard-normal pixels, or token ids, with a full mask where it has one.

    Raises:
        NotFoundError: No architecture has this name.
    """
    architecture = _find(name)
    rng = np.random.default_rng(seed)
    if architecture.takes == "pixels":
        shape = (batch, 3, architecture.pixels, architecture.pixels)
        return {"pixels": rng.standard_normal(shape, dtype=np.float32)}
    ids = rng.integers(*architecture.ids, size=(batch, tokens), dtype=np.int64)
    if architecture.takes == "tokens":
        return {"tokens": ids}
    return {"tokens": ids, "mask": np.ones((batch, tokens), np.int64)}


@cache
def graph(name: str) -> ComputeGraph:
    """Return one architecture captured to ONNX, unoptimized, with a symbolic batch; kept in memory.

    Those that read text take [batch, 128] token ids.

    Raises:
        NotFoundError: No architecture has this name.
    """
    return capture(build(name), example_inputs(name), output_names=_find(name).outputs)


def _find(name: str) -> _Architecture:
    if name not in _ARCHITECTURES:
        raise NotFoundError(f"unknown architecture {name!r}", hint=nearest(name, NAMES))
    return _ARCHITECTURES[name]
