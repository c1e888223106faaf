"""Networks of plain and concatenating convolutions: VGG, SqueezeNet and DenseNet, for [batch, 3, 224, 224]."""

import torch
from torch import Tensor, nn

from burnish.testing.networks.residual import conv_norm


class VGG(nn.Module):
    """Configuration A of VGG (Simonyan and Zisserman, 2014), 11 layers, with one linear layer as its classifier.

    The paper's own classifier holds 124 of its 133 million parameters and 2% of the operations.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features, self.head = nn.Sequential(*layers), nn.Linear(channels, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.head(self.features(pixels).mean(dim=(2, 3)))
        return scores


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1 (Iandola et al., 2016)."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
        channels = 64
        for stage in ((16, 16), (32, 32), (48, 48, 64, 64)):
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            for squeeze in stage:
                layers.append(_Fire(channels, squeeze))
                channels = 8 * squeeze
        layers += [nn.Conv2d(channels, classes, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.layers(pixels).mean(dim=(2, 3))
        return scores


class _Fire(nn.Module):
    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(channels, squeeze, 1), nn.ReLU())
        self.narrow = nn.Sequential(nn.Conv2d(squeeze, 4 * squeeze, 1), nn.ReLU())
        self.wide = nn.Sequential(nn.Conv2d(squeeze, 4 * squeeze, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.narrow(x), self.wide(x)], dim=1)


class DenseNet(nn.Module):
    """DenseNet (Huang et al., 2016): every layer reads all the layers of its block before it.

    Args:
        blocks: Layers of each block.
        growth: Channels that a layer adds.
        classes: Size of the output.
    """

    def __init__(
        self, blocks: tuple[int, ...] = (6, 12, 24, 16), growth: int = 32, classes: int = 1000
    ) -> None:
        super().__init__()
        channels = 2 * growth
        layers: list[nn.Module] = [conv_norm(3, channels, kernel=7, stride=2), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        for index, count in enumerate(blocks):
            if index:
                layers += [_before(channels, channels // 2, kernel=1), nn.AvgPool2d(2)]
                channels //= 2
            for _ in range(count):
                layers.append(_Dense(channels, growth))
                channels += growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(channels, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.head(self.layers(pixels).mean(dim=(2, 3)))
        return scores


class _Dense(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.squeeze = _before(channels, 4 * growth, kernel=1)
        self.grow = _before(4 * growth, growth, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grow(self.squeeze(x))], dim=1)


def _before(channels: int, width: int, *, kernel: int) -> nn.Sequential:
    """Return a convolution that is normalized before it."""
    conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), conv)
