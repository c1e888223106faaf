"""Networks that answer with maps: a U-Net and a detector over a feature pyramid."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from burnish.testing.networks.residual import ResNet, conv_norm


class UNet(nn.Module):
    """U-Net (Ronneberger et al., 2015) with padding and batch normalization.

    Args:
        width: Channels of the highest resolution; the paper has 64.
        classes: Channels of the answer.
    """

    def __init__(self, width: int = 32, classes: int = 2) -> None:
        super().__init__()
        widths = [width << level for level in range(5)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([3, *widths[:-1]], widths, strict=True))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(deep, high, 2, stride=2) for deep, high in pairs)
        self.merge = nn.ModuleList(_double(deep, high) for deep, high in pairs)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return a score for each pixel of [batch, 3, height, width], [batch, classes, height, width]."""
        x, passed = pixels, []
        for level, layer in enumerate(self.down):
            x = layer(functional.max_pool2d(x, 2) if level else x)
            passed.append(x)
        for up, merge, high in zip(self.up, self.merge, passed[-2::-1], strict=True):
            x = merge(torch.cat([high, up(x)], dim=1))
        scores: Tensor = self.head(x)
        return scores


def _double(channels: int, width: int) -> nn.Sequential:
    first, second = conv_norm(channels, width, kernel=3), conv_norm(width, width, kernel=3)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class Detector(nn.Module):
    """Scores and boxes of anchors at strides 8, 16 and 32: a small RetinaNet (Lin et al., 2017) over ResNet-18.

    Args:
        width: Channels of the pyramid and of the heads.
        anchors: At each position.
        classes: Of an anchor.
    """

    def __init__(self, width: int = 128, anchors: int = 9, classes: int = 20) -> None:
        super().__init__()
        self.backbone = ResNet((2, 2, 2, 2), bottleneck=False)
        self.backbone.head = nn.Linear(1, 1)  # detection has no use for it
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in (128, 256, 512))
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.scores, self.boxes = _head(width, anchors * classes), _head(width, anchors * 4)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return scores and boxes of each level, the highest resolution first."""
        found = [
            lateral(x) for lateral, x in zip(self.lateral, self.backbone.features(pixels)[1:], strict=True)
        ]
        for level in (1, 0):
            found[level] = found[level] + functional.interpolate(found[level + 1], scale_factor=2.0)
        levels = [smooth(x) for smooth, x in zip(self.smooth, found, strict=True)]
        return tuple(head(x) for x in levels for head in (self.scores, self.boxes))


def _head(width: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))
