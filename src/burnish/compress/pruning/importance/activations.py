"""What the data makes of each channel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from burnish.compress.pruning.importance.protocol import by_group, relative
from burnish.compress.pruning.members import Conv, Group, members_of
from burnish.evaluate.task import Split

_LAST_AXIS = (nn.Linear, nn.Embedding)
_WATCHED = (Conv, nn.modules.batchnorm._BatchNorm, *_LAST_AXIS)


@dataclass(frozen=True, slots=True)
class ActivationVariance:
    """The variance of a channel's activation over data: a channel that hardly varies tells hardly anything.

    Args:
        variances: Variance a channel of each layer's output, as `activation_variances` returns.
    """

    variances: Mapping[nn.Module, torch.Tensor]

    def __call__(self, group: Group) -> torch.Tensor:
        """Return the score of each channel."""
        width = len(group[0].idxs)
        scores = [
            relative(by_group(member, variances, width))
            for member in members_of(group)
            if member.side == "out" and isinstance(member.target, nn.Module)
            if (variances := self.variances.get(member.target)) is not None
        ]
        return torch.stack(scores).mean(0)


def activation_variances(
    model: nn.Module, data: Split | Iterable[Split], *, batch_size: int = 256
) -> dict[nn.Module, torch.Tensor]:
    """Return the variance a channel of the output of every convolution, normalisation, linear layer and embedding.

    Batches are merged exactly, whatever their sizes.

    Args:
        model: Run in eval mode.
        data: Examples, or batches of them.
        batch_size: Examples that run together where no batches are given.

    References:
        Chan, Golub and LeVeque 1983: merging of means and sums of squares.
    """
    moments: dict[nn.Module, _Moments] = {}
    device = next(model.parameters()).device

    def watch(module: nn.Module, _: object, output: torch.Tensor) -> None:
        channel_axis = -1 if isinstance(module, _LAST_AXIS) else 1
        flat = output.detach().movedim(channel_axis, 0).flatten(1).double()
        moments.setdefault(module, _Moments()).merge(flat)

    handles = [m.register_forward_hook(watch) for m in model.modules() if isinstance(m, _WATCHED)]
    try:
        model.eval()
        with torch.inference_mode():
            for batch in data.batches(batch_size) if isinstance(data, Split) else data:
                model(*(torch.from_numpy(array).to(device) for array in batch.inputs.values()))
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
