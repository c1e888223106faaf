"""A small residual network for small images."""

import torch
from torch import nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut.

    Args:
        channels_in: Of the input.
        channels_out: Of the output.
        stride: Of the first convolution.
        shortcut: What the input passes on its way around them; None projects it where the shape changes.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut = shortcut or nn.Identity()
        if shortcut is None and (stride != 1 or channels_in != channels_out):
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803 - the name carries the shape
        """Return the block's output, with channels and size as its second convolution makes them."""
        inner = functional.relu(self.bn1(self.conv1(x_NCHW)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(x_NCHW))


class ResidualNet(nn.Module):
    """A stem, three residual blocks of growing width, mean pooling and a linear head."""

    def __init__(self, *, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            ResidualBlock(width, width, 1),
            ResidualBlock(width, 2 * width, 2),
            ResidualBlock(2 * width, 4 * width, 2),
        )
        self.head = nn.Linear(4 * width, classes)

    def forward(self, image_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803 - the name carries the shape
        """Return logits_NK."""
        features: torch.Tensor = self.blocks(self.stem(image_NCHW)).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(features)
        return logits
