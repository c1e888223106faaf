"""How much each channel matters: the channels that matter least are cut first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import nn

from burnish.compress.groups import Group, member_channels
from burnish.evaluate.task import Split

ImportanceName = Literal["l1", "l2", "variance", "random"]


class Importance(Protocol):
    """Scores the channels of one group."""

    def __call__(self, group: Group) -> torch.Tensor:
        """Return one score a channel of the group, higher for what should stay."""
        ...


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The norm of every weight that a channel's removal would remove, each layer scaled to mean one.

    References:
        Li et al. 2017, arXiv:1608.08710; Fang et al. 2023, arXiv:2301.12900 (over dependency groups).
    """

    p: int

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        scores = []
        for module, channels, is_output in member_channels(group):
            weight = getattr(module, "weight", None)
            if weight is None:
                continue
            if weight.dim() > 1:
                # a transposed convolution keeps its inputs first
                outputs_first = not isinstance(module, nn.modules.conv._ConvTransposeNd)
                rows = weight.detach() if is_output == outputs_first else weight.detach().transpose(0, 1)
                norms = rows.flatten(1).abs().pow(self.p).sum(1)
            else:
                norms = weight.detach().abs().pow(self.p)
            scores.append(norms[channels] / norms.mean().clamp_min(1e-12))
        return torch.stack(scores).mean(0)


@dataclass(frozen=True, slots=True)
class ActivationVariance:
    """The variance of a channel's activation over data: a channel that hardly varies tells hardly anything.

    Args:
        variances: Variance a channel of each layer's output, as `activation_variances` returns.
    """

    variances: Mapping[nn.Module, torch.Tensor]

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        scores = []
        for module, channels, is_output in member_channels(group):
            if is_output and module in self.variances:
                variance = self.variances[module]
                scores.append(variance[channels] / variance.mean().clamp_min(1e-12))
        return torch.stack(scores).mean(0)


@dataclass(frozen=True, slots=True)
class Random:
    """Chance, to compare with."""

    generator: torch.Generator

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        return torch.rand(len(group[0].idxs), generator=self.generator)


def build_importance(name: ImportanceName, model: nn.Module, data: Split, *, seed: int) -> Importance:
    """Return an importance by name; ``variance`` looks at the data first.

    Cost: one pass over ``data`` for ``variance``, none for the others.
    """
    if name == "l1":
        return Magnitude(1)
    if name == "l2":
        return Magnitude(2)
    if name == "random":
        return Random(torch.Generator().manual_seed(seed))
    return ActivationVariance(activation_variances(model, data))


def activation_variances(
    model: nn.Module, data: Split, *, batch_size: int = 256
) -> dict[nn.Module, torch.Tensor]:
    """Return the variance a channel of the output of every convolution, normalisation and linear layer.

    Batches are merged exactly, whatever their sizes.

    References:
        Chan, Golub and LeVeque 1983: merging of means and sums of squares.
    """
    moments: dict[nn.Module, _Moments] = {}
    kinds = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm)

    def watch(module: nn.Module, _: object, output: torch.Tensor) -> None:
        channel_axis = -1 if isinstance(module, nn.Linear) else 1
        flat = output.detach().movedim(channel_axis, 0).flatten(1).double()
        moments.setdefault(module, _Moments()).merge(flat)

    handles = [m.register_forward_hook(watch) for m in model.modules() if isinstance(m, kinds)]
    try:
        model.eval()
        with torch.inference_mode():
            for batch in data.batches(batch_size):
                model(*(torch.from_numpy(array) for array in batch.inputs.values()))
    finally:
        for handle in handles:
            handle.remove()
    return {module: (m.squares / m.count).float() for module, m in moments.items()}


class _Moments:
    """Running count, mean and sum of squared deviations, a channel each."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    def merge(self, values_CN: torch.Tensor) -> None:  # noqa: N803 - the name carries the shape
        n = values_CN.shape[1]
        mean = values_CN.mean(1)
        squares = (values_CN - mean[:, None]).square().sum(1)
        total = self.count + n
        delta = mean - self.mean
        self.squares = self.squares + squares + delta.square() * (self.count * n / total)
        self.mean = self.mean + delta * (n / total)
        self.count = total
