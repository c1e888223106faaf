"""Rounding that learns: the forward pass sees the grid, the backward pass what lies between its lines."""

from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

Ranges = Literal["ema", "learned"]
_SMALLEST = 1e-12
"""Smallest step of a grid: a channel that is all zero has no range of its own."""


class StepClock(nn.Module):
    """Counts the training steps of a network, once each, however often its quantizers are read in one.

    Args:
        freeze_at: Training steps after which grids are fixed.
    """

    seen: Tensor

    def __init__(self, freeze_at: int) -> None:
        super().__init__()
        self.freeze_at = freeze_at
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @property
    def is_over(self) -> bool:
        """Whether grids stay as they are."""
        return int(self.seen) >= self.freeze_at

    def forward(self) -> None:
        """Count a step; called at the end of the network's own forward pass."""
        if self.training:
            self.seen += 1


class FakeQuantizer(nn.Module):
    """Rounds to a grid in floating point, and fixes the grid after so many training steps.

    A learned step is kept as its logarithm (Jain et al. 2020, arXiv:1903.08066): it stays positive, and a step of the
    optimizer changes it in proportion. Its gradient is that of LSQ (Esser et al. 2020, arXiv:1902.08153).

    Args:
        lowest: Lowest integer.
        highest: Highest integer.
        ranges: What moves the grid while it is not fixed.
        clock: Tells when it is fixed; all quantizers of a network have the same.
        size: Number of grids: 1, or one for each channel.
    """

    scale: Tensor

    def __init__(self, lowest: int, highest: int, *, ranges: Ranges, clock: StepClock, size: int = 1) -> None:
        super().__init__()
        self.lowest = lowest
        self.highest = highest
        self.clock = clock
        self.learns = ranges == "learned"
        self.active = True
        """Off while ranges are being found: numbers then pass as they are."""
        self.register_buffer("scale", torch.ones(size))
        if self.learns:
            self.log_scale = nn.Parameter(torch.zeros(size))

    @property
    def is_frozen(self) -> bool:
        """Whether the grid stays as it is."""
        return self.clock.is_over

    @abstractmethod
    def observe(self, x: Tensor) -> None:
        """Move the grid by what a training step gives; by all of it where the step gives several tensors."""

    @abstractmethod
    def on_grid(self, x: Tensor, scale: Tensor) -> Tensor:
        """Return numbers rounded to the grid of this scale."""

    def current_scale(self) -> Tensor:
        """Return the step of each grid."""
        if not self.learns:
            return self.scale
        scale = self.log_scale.exp().clamp(min=_SMALLEST)
        return scale.detach() if self.is_frozen else scale

    def set_scale(self, scale: Tensor) -> None:
        """Start from these steps."""
        self.scale.copy_(scale.clamp(min=_SMALLEST))
        if self.learns:
            with torch.no_grad():
                self.log_scale.copy_(self.scale.log())

    def forward(self, x: Tensor) -> Tensor:
        """Return the numbers on the grid, with gradients as if they had only been clipped."""
        if not self.active:
            return x
        if self.training and not self.learns and not self.is_frozen:
            with torch.no_grad():
                self.observe(x.detach())
        scale = self.current_scale()
        if scale.requires_grad:
            scale = _scaled_gradient(scale, (scale.numel() / (x.numel() * self.highest)) ** 0.5)
        return self.on_grid(x, scale)


class ActivationQuantizer(FakeQuantizer):
    """One affine grid for a whole tensor.

    A moving average follows the extremes of the batches; of these the same share is kept as calibration kept of the
    extremes that it saw, so that outliers which it clipped stay clipped.

    Args:
        symmetric: Whether zero is the integer 0, in the middle of the grid.
        bits: Of the integers that the range is mapped to. With 7, numbers beyond the range are still there, for an
            engine clips at 8.
        momentum: Weight of a new batch in the moving average.
        ranges: What moves the grid while it is not fixed.
        clock: Tells when it is fixed.
    """

    zero_point: Tensor
    extremes: Tensor
    kept: Tensor

    def __init__(
        self, *, symmetric: bool, bits: int, momentum: float, ranges: Ranges, clock: StepClock
    ) -> None:
        lowest, highest = (-128, 127) if symmetric else (0, 255)
        super().__init__(lowest, highest, ranges=ranges, clock=clock)
        self._step: tuple[int, Tensor, Tensor] | None = None
        """The last step that moved the average: its number, the average before it, and its extremes so far."""
        self.symmetric = symmetric
        self.bits = bits
        self.steps = 2**bits - (2 if symmetric else 1)
        self.momentum = momentum
        self.register_buffer("zero_point", torch.zeros(1, dtype=torch.int32))
        self.register_buffer("extremes", torch.zeros(2))
        self.register_buffer("kept", torch.ones(2))

    def start(self, extremes: tuple[float, float], low: float, high: float) -> None:
        """Start from a calibrated range.

        Args:
            extremes: Smallest and largest number seen, zero among them.
            low: Lower end of the range that is kept.
            high: Upper end.
        """
        ends = torch.tensor([low, high])
        self.extremes.copy_(torch.tensor(extremes))
        outer = self.extremes.clone()
        if self.symmetric:
            outer = torch.stack([-outer.abs().max(), outer.abs().max()])
        self.kept.copy_(torch.where(outer == 0, torch.ones(2), ends / torch.where(outer == 0, 1.0, outer)))
        self._set_range(ends)

    def observe(self, x: Tensor) -> None:
        """Move the range towards the extremes of a batch.

        Several readers may share the quantizer: the average moves once a step, by the extremes of all they read.
        """
        low, high = x.aminmax()
        batch = torch.stack([low.clamp(max=0), high.clamp(min=0)]).float()
        number, before = int(self.clock.seen), self.extremes.clone()
        if self._step is not None and self._step[0] == number:
            _, before, earlier = self._step
            batch = torch.stack([torch.minimum(batch[0], earlier[0]), torch.maximum(batch[1], earlier[1])])
        self._step = number, before, batch
        self.extremes.copy_(torch.lerp(before, batch, self.momentum))
        outer = self.extremes
        if self.symmetric:
            outer = torch.stack([-outer.abs().max(), outer.abs().max()])
        self._set_range(outer * self.kept)

    def on_grid(self, x: Tensor, scale: Tensor) -> Tensor:
        """Return numbers rounded to the grid."""
        if not scale.requires_grad:
            return torch.fake_quantize_per_tensor_affine(
                x.float(), scale, self.zero_point, self.lowest, self.highest
            )
        levels = _rounded(x / scale) + self.zero_point
        return (levels.clamp(self.lowest, self.highest) - self.zero_point) * scale

    def _set_range(self, ends: Tensor) -> None:
        scale = ((ends[1] - ends[0]) / self.steps).clamp(min=_SMALLEST)
        self.set_scale(scale.reshape(1))
        zero = torch.zeros_like(scale) if self.symmetric else torch.round(-ends[0] / scale)
        self.zero_point.copy_(zero.reshape(1).to(torch.int32))


class WeightQuantizer(FakeQuantizer):
    """A symmetric grid for a weight, or one for each of its output channels.

    Args:
        weight: The weight as it is now.
        axis: Its output channels; None takes one grid for all.
        bits: Of an integer; 7 keep sums of products from saturating where a processor adds them in 16 bits.
        ranges: Whether the grid holds the largest weight, or learns.
        clock: Tells when it is fixed.
    """

    def __init__(
        self, weight: Tensor, *, axis: int | None, bits: int, ranges: Ranges, clock: StepClock
    ) -> None:
        highest = 2 ** (bits - 1) - 1
        axis = None if axis is None else axis % weight.ndim
        size = 1 if axis is None else weight.shape[axis]
        super().__init__(-highest, highest, ranges=ranges, clock=clock, size=size)
        self.axis = axis
        with torch.no_grad():
            self.observe(weight.detach())

    def observe(self, x: Tensor) -> None:
        """Let the grid hold the largest weight."""
        others = [axis for axis in range(x.ndim) if axis != self.axis]
        largest = x.abs().amax(dim=others) if self.axis is not None and others else x.abs().amax()
        self.set_scale(largest.reshape(self.scale.shape).float() / self.highest)

    def on_grid(self, x: Tensor, scale: Tensor) -> Tensor:
        """Return weights rounded to the grid."""
        if scale.requires_grad or self.axis is None:
            step = self._along(scale, x.ndim)
            return _rounded(x / step).clamp(self.lowest, self.highest) * step
        zeros = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            x.float(), scale, zeros, self.axis, self.lowest, self.highest
        )

    def integers(self, weight: Tensor, scale: Tensor) -> Tensor:
        """Return the integers, int8, that stand for a weight."""
        levels = torch.round(weight / self._along(scale, weight.ndim))
        return levels.clamp(self.lowest, self.highest).to(torch.int8)

    def _along(self, scale: Tensor, ndim: int) -> Tensor:
        if self.axis is None:
            return scale
        return scale.reshape([-1 if axis == self.axis else 1 for axis in range(ndim)])


def _rounded(x: Tensor) -> Tensor:
    """Round, with the gradient of not rounding (Bengio et al. 2013, arXiv:1308.3432)."""
    return x + (torch.round(x) - x).detach()


def _scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """Return x with its gradient multiplied: a step that serves many numbers collects the gradients of all."""
    return (x - x * factor).detach() + x * factor
