"""Networks that nobody looked at while the estimator was made: other depths, widths and inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.signature import Array
from burnish.testing.networks.plain import DenseNet
from burnish.testing.networks.residual import ResNet
from burnish.testing.networks.separable import MOBILENET_V2, ConvNeXt, InvertedResiduals
from burnish.testing.networks.transformers import Decoder, Encoder, Mixer, VisionTransformer


@dataclass(frozen=True, slots=True)
class Unseen:
    """One network."""

    build: Callable[[], nn.Module]
    pixels: int = 0
    tokens: int = 0
    masked: bool = False

    def inputs(self, batch: int) -> dict[str, Array]:
        """Return an example."""
        rng = np.random.default_rng(0)
        if self.pixels:
            return {"pixels": rng.standard_normal((batch, 3, self.pixels, self.pixels), np.float32)}
        ids = {"tokens": rng.integers(0, 8192, (batch, self.tokens))}
        return ids | ({"mask": np.ones((batch, self.tokens), np.int64)} if self.masked else {})

    def graph(self) -> ComputeGraph:
        """Return it captured, with a symbolic batch."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = self.build().eval()
        return capture(module, self.inputs(2))


UNSEEN = {
    "resnet34 at 192": Unseen(partial(ResNet, (3, 4, 6, 3), bottleneck=False), pixels=192),
    "densenet, narrow": Unseen(partial(DenseNet, (4, 8, 8, 4), 16), pixels=160),
    "mobilenetv2 at 128": Unseen(
        partial(InvertedResiduals, MOBILENET_V2, activation=nn.ReLU6, excite=False), pixels=128
    ),
    "convnext, narrow": Unseen(partial(ConvNeXt, (2, 2, 6, 2), (64, 128, 256, 512)), pixels=192),
    "bert, 4 layers": Unseen(partial(Encoder, layers=4, hidden=312), tokens=64, masked=True),
    "gpt, 4 wide layers": Unseen(partial(Decoder, layers=4, hidden=768, heads=12), tokens=96),
    "vit, 6 wide layers": Unseen(partial(VisionTransformer, layers=6, hidden=384, heads=6), pixels=224),
    "mixer, narrow": Unseen(partial(Mixer, layers=6, hidden=256), pixels=224),
}
