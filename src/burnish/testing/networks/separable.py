"""Networks of depthwise convolutions: MobileNetV2, EfficientNet, ShuffleNetV2, ConvNeXt, for [batch, 3, 224, 224]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from burnish.testing.networks.residual import conv_norm


@dataclass(frozen=True, slots=True)
class Stage:
    """Inverted residual blocks of one width."""

    expansion: int
    width: int
    count: int
    stride: int
    kernel: int = 3


MOBILENET_V2 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
EFFICIENTNET_B0 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1),
)


class InvertedResiduals(nn.Module):
    """MobileNetV2 (Sandler et al., 2018) or EfficientNet (Tan and Le, 2019), which adds squeeze and excitation.

    Args:
        stages: Blocks after the first convolution.
        activation: ReLU6 in the former, SiLU in the latter.
        excite: Whether each block weighs its channels by what they hold.
        classes: Size of the output.
    """

    def __init__(
        self, stages: Sequence[Stage], *, activation: type[nn.Module], excite: bool, classes: int = 1000
    ) -> None:
        super().__init__()
        channels = 32
        layers: list[nn.Module] = [conv_norm(3, channels, kernel=3, stride=2), activation()]
        for stage in stages:
            for position in range(stage.count):
                stride = 1 if position else stage.stride
                layers.append(_Inverted(channels, stage, stride, activation, excite=excite))
                channels = stage.width
        layers += [conv_norm(channels, 1280, kernel=1), activation()]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(1280, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.head(self.layers(pixels).mean(dim=(2, 3)))
        return scores


class _Inverted(nn.Module):
    def __init__(
        self, channels: int, stage: Stage, stride: int, activation: type[nn.Module], *, excite: bool
    ) -> None:
        super().__init__()
        inner = channels * stage.expansion
        layers: list[nn.Module] = []
        if stage.expansion > 1:
            layers += [conv_norm(channels, inner, kernel=1), activation()]
        layers += [conv_norm(inner, inner, kernel=stage.kernel, stride=stride, groups=inner), activation()]
        if excite:
            layers.append(_Excite(inner, channels // 4, activation))
        layers.append(conv_norm(inner, stage.width, kernel=1))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and channels == stage.width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


class _Excite(nn.Module):
    def __init__(self, channels: int, squeezed: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        weights = self.excite(self.activation(self.squeeze(x.mean(dim=(2, 3), keepdim=True))))
        y: Tensor = x * weights.sigmoid()
        return y


class ShuffleNet(nn.Module):
    """ShuffleNetV2 1x (Ma et al., 2018): half the channels pass by, then both halves are shuffled."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm(3, 24, kernel=3, stride=2), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        channels = 24
        for width, count in ((116, 4), (232, 8), (464, 4)):
            layers.append(_Shuffle(channels, width, stride=2))
            layers += [_Shuffle(width, width, stride=1) for _ in range(count - 1)]
            channels = width
        layers += [conv_norm(channels, 1024, kernel=1), nn.ReLU()]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(1024, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.head(self.layers(pixels).mean(dim=(2, 3)))
        return scores


class _Shuffle(nn.Module):
    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        half, self.splits = width // 2, stride == 1
        taken = channels // 2 if self.splits else channels
        self.branch = nn.Sequential(
            conv_norm(taken, half, kernel=1),
            nn.ReLU(),
            conv_norm(half, half, kernel=3, stride=stride, groups=half),
            conv_norm(half, half, kernel=1),
            nn.ReLU(),
        )
        down = [
            conv_norm(channels, channels, kernel=3, stride=2, groups=channels),
            conv_norm(channels, half, kernel=1),
            nn.ReLU(),
        ]
        self.passing = nn.Identity() if self.splits else nn.Sequential(*down)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1) if self.splits else (x, x)
        y = torch.stack([self.passing(left), self.branch(right)], dim=2)
        return y.flatten(1, 2)  # one channel of each half in turn


class ConvNeXt(nn.Module):
    """ConvNeXt (Liu et al., 2022); the defaults are its tiny size.

    Args:
        blocks: Blocks of each stage.
        widths: Channels of each stage.
        classes: Size of the output.
    """

    def __init__(
        self,
        blocks: tuple[int, ...] = (3, 3, 9, 3),
        widths: tuple[int, ...] = (96, 192, 384, 768),
        classes: int = 1000,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, stride=4), _ChannelNorm(widths[0])]
        for index, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            if index:
                before = widths[index - 1]
                layers += [_ChannelNorm(before), nn.Conv2d(before, width, 2, stride=2)]
            layers += [_NeXt(width) for _ in range(count)]
        self.layers, self.norm = nn.Sequential(*layers), nn.LayerNorm(widths[-1], eps=1e-6)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.head(self.norm(self.layers(pixels).mean(dim=(2, 3))))
        return scores


class _NeXt(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mix = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.scale * self.mix(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))
        return x + mixed.permute(0, 3, 1, 2)


class _ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of [batch, channels, height, width]."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
