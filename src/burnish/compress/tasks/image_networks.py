"""Residual networks for small images: ResNet-18's plan, and the slim ones of the CIFAR-10 paper.

References:
    He et al. 2016, arXiv:1512.03385: section 4.2 for the slim ones (6n+2 layers, option-A shortcuts).
"""

import torch
from torch import nn
from torch.nn import functional

from burnish.compress.tasks.residual import ResidualBlock

_WIDTHS = (64, 128, 256, 512)
_SLIM_WIDTHS = (16, 32, 64)


class ResNet18(nn.Module):
    """ResNet-18 with a 3x3 stem: 11.2 million parameters for ten classes.

    Args:
        classes: Outputs.
        stem_stride: 1 keeps every pixel of a 32x32 image (0.56 billion multiply-adds); 2 halves both sides in the
            stem, as the 7x7 stem for large images does, for a quarter of the work.
    """

    def __init__(self, *, classes: int = 10, stem_stride: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTHS[0], 3, stem_stride, 1, bias=False), nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU()
        )
        blocks = []
        before = _WIDTHS[0]
        for stage, width in enumerate(_WIDTHS):
            for place in range(2):
                blocks.append(ResidualBlock(before, width, 2 if stage and not place else 1))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, classes)

    def forward(self, image_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803 - the name carries the shape
        """Return logits_NK."""
        features: torch.Tensor = self.blocks(self.stem(image_NCHW)).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(features)
        return logits


class _Padded(nn.Module):
    """A shortcut without weights: it skips pixels and adds channels of zeros."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride = stride
        self.channels = channels

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803 - the name carries the shape
        """Return the input with zeros on both sides of its channels."""
        skipped = x_NCHW[:, :, :: self.stride, :: self.stride]
        return functional.pad(skipped, (0, 0, 0, 0, self.channels, self.channels))


class SlimResNet(nn.Module):
    """A ResNet of 6n+2 layers for 32x32 images, with the parameter names of the published weights.

    Args:
        blocks: Blocks in each of the three stages; 3 makes ResNet-20, 7 makes ResNet-44.
        classes: Outputs.
    """

    def __init__(self, blocks: int, *, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _SLIM_WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_SLIM_WIDTHS[0])
        self.layer1 = _slim_stage(blocks, _SLIM_WIDTHS[0], _SLIM_WIDTHS[0], 1)
        self.layer2 = _slim_stage(blocks, _SLIM_WIDTHS[0], _SLIM_WIDTHS[1], 2)
        self.layer3 = _slim_stage(blocks, _SLIM_WIDTHS[1], _SLIM_WIDTHS[2], 2)
        self.linear = nn.Linear(_SLIM_WIDTHS[2], classes)

    def forward(self, image_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803 - the name carries the shape
        """Return logits_NK."""
        x = functional.relu(self.bn1(self.conv1(image_NCHW)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: torch.Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def _slim_stage(blocks: int, channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    added = channels_out - channels_in
    first = ResidualBlock(channels_in, channels_out, stride, _Padded(stride, added // 2) if added else None)
    return nn.Sequential(first, *(ResidualBlock(channels_out, channels_out, 1) for _ in range(blocks - 1)))
