"""Residual networks: ResNet and ResNeXt."""

from torch import Tensor, nn
from torch.nn import functional


class ResNet(nn.Module):
    """ResNet for images of [batch, 3, 224, 224] (He et al., 2015), or ResNeXt (Xie et al., 2016).

    It is the variant of torchvision, which strides in the 3x3 convolution of a bottleneck.

    Args:
        blocks: Residual blocks of each of the four stages.
        bottleneck: Whether a block is 1x1, 3x3, 1x1 instead of 3x3, 3x3.
        classes: Size of the output.
        groups: Of the 3x3 convolution of a bottleneck; with more than one it is twice as wide, so that 32 give
            ResNeXt 32x4d.
    """

    def __init__(
        self, blocks: tuple[int, int, int, int], *, bottleneck: bool, classes: int = 1000, groups: int = 1
    ) -> None:
        super().__init__()
        self.stem = conv_norm(3, 64, kernel=7, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages, channels = [], 64
        for index, count in enumerate(blocks):
            width = 64 << index
            for position in range(count):
                stride = 2 if index and not position else 1
                block = _Block(channels, width, stride=stride, bottleneck=bottleneck, groups=groups)
                channels = block.channels
                stages.append(block)
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores, [batch, classes]."""
        scores: Tensor = self.head(self.features(pixels)[-1].mean(dim=(2, 3)))
        return scores

    def features(self, pixels: Tensor) -> list[Tensor]:
        """Return the result of each stage: strides 4, 8, 16 and 32."""
        x, found = self.pool(functional.relu(self.stem(pixels))), []
        for block in self.stages:
            if isinstance(block, _Block) and block.stride > 1:
                found.append(x)
            x = block(x)
        return [*found, x]


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, *, stride: int, bottleneck: bool, groups: int) -> None:
        super().__init__()
        self.stride = stride
        self.channels = width * (4 if bottleneck else 1)
        inner = width * (2 if groups > 1 else 1)
        if bottleneck:
            plan = [
                (channels, inner, 1, 1, 1),
                (inner, inner, 3, stride, groups),
                (inner, self.channels, 1, 1, 1),
            ]
        else:
            plan = [(channels, width, 3, stride, 1), (width, width, 3, 1, 1)]
        self.convs = nn.ModuleList(conv_norm(a, b, kernel=k, stride=s, groups=g) for a, b, k, s, g in plan)
        changes = stride != 1 or channels != self.channels
        self.shortcut = (
            conv_norm(channels, self.channels, kernel=1, stride=stride) if changes else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for index, conv in enumerate(self.convs):
            y = conv(functional.relu(y) if index else y)
        return functional.relu(y + self.shortcut(x))


def conv_norm(channels: int, width: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size (but for its stride) and its batch normalization."""
    conv = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width))
