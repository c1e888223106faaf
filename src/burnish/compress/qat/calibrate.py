"""First ranges: what each activation is like in the float network."""

from collections import defaultdict
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from burnish.compress.network import tensors
from burnish.compress.qat.fake_quant import ActivationQuantizer
from burnish.compress.qat.insert import quantizers
from burnish.compress.quantize.ranges import Calibrator, Grid, Histogram, merged, range_of
from burnish.errors import InputError
from burnish.evaluate.task import Split

_BATCH = 32


def calibrate(traced: GraphModule, samples: Split, calibration: Calibrator) -> dict[str, Histogram]:
    """Set the range of every activation quantizer from what passes it while no number is rounded.

    Args:
        traced: With quantizers in place; left in eval mode.
        samples: Preprocessed as at inference.
        calibration: How ranges are found.

    Returns:
        Histograms of the activations, by name of the quantizer.

    Raises:
        InputError: There is no sample, a sample is not finite, or an activation is not.

    Cost: one float pass per sample, and its histograms.
    """
    samples.check("calibration")
    found: dict[str, list[Histogram]] = defaultdict(list)
    names = {module: str(node.target) for node, module in quantizers(traced)}

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        name = names[module]  # type: ignore[index] # hooks are given modules of any kind
        try:
            found[name].append(Histogram.of(args[0].numpy()))
        except InputError as error:
            what = name.rpartition(".")[2]
            raise InputError(
                f"calibration: the activation {what!r} is not finite", hint="the float network overflows"
            ) from error

    activations = [module for module in names if isinstance(module, ActivationQuantizer)]
    hooks = [module.register_forward_pre_hook(look) for module in activations]
    traced.eval()
    try:
        for module in names:
            module.active = False
        with torch.no_grad():
            for batch in samples.batches(_BATCH):
                traced(*tensors(batch))
    finally:
        for module in names:
            module.active = True
        for hook in hooks:
            hook.remove()
    histograms = {name: merged(parts) for name, parts in found.items()}
    for module in activations:
        histogram = histograms[names[module]]
        grid = Grid(bits=module.bits, symmetric=module.symmetric)
        kept = range_of(histogram, calibration, grid=grid)
        extremes = (min(histogram.minimum, 0.0), max(histogram.maximum, 0.0))
        module.start(extremes, kept.low, kept.high)
    return histograms
