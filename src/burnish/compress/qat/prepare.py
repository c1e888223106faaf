"""A float network is made ready to learn with rounding."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn
from torch.fx import GraphModule

from burnish.compress.network import tensors
from burnish.compress.qat.calibrate import calibrate
from burnish.compress.qat.config import QatConfig
from burnish.compress.qat.folding import fold_batch_norm
from burnish.compress.qat.insert import insert_quantizers
from burnish.compress.qat.plan import make_plan
from burnish.compress.qat.trace import trace
from burnish.compress.quantize.ranges import Histogram
from burnish.compress.training.batches import training_batches
from burnish.evaluate.hooks import dynamic_axes, lengths
from burnish.evaluate.task import Split, Task, not_finite
from burnish.runtime.machine import fingerprint


@dataclass(frozen=True, slots=True)
class Prepared:
    """A traced network with quantizers that have their first ranges."""

    network: GraphModule
    layers: tuple[str, ...]
    """Layers and products that become integer kernels."""
    floats: Mapping[str, str]
    """Why a layer or product stays in floating point, by name."""
    histograms: Mapping[str, Histogram]
    """What calibration saw, by name of the activation."""


def prepare(model: nn.Module, task: Task, config: QatConfig) -> Prepared:
    """Trace a network, fold its normalisations, insert quantizers and find their first ranges.

    Args:
        model: Trained; not changed.
        task: For calibration data and for how many steps there are.
        config: How.

    Raises:
        InputError: The network cannot be traced, there is no calibration data, or numbers are not finite.
        UnsupportedOpError: The network has nothing that can be quantized.
        NotFoundError: ``keep_float`` names what is not there.
    """
    data = task.split("train")
    samples = data.drawn(config.samples)
    if not_finite(samples.inputs):
        data.check("calibration")  # which tells the place in the split
    samples.check("calibration")
    examples = tensors(samples.sample(2))
    traced = fold_batch_norm(trace(model, examples, _varying(task, samples)))
    plan = make_plan(traced.graph, config.keep_float, keep_ends_float=config.keep_ends_float)
    batches = training_batches(
        len(data), config.train.batch_size, lengths(task, data), np.random.default_rng(0)
    )
    steps = config.train.epochs * len(batches)
    insert_quantizers(
        traced,
        plan,
        config,
        weight_bits=weight_bits(config),
        freeze_at=math.ceil(config.freeze_after * steps),
    )
    histograms = calibrate(traced, samples, config.calibration)
    return Prepared(traced, tuple(plan.layers), dict(plan.floats), histograms)


def weight_bits(config: QatConfig) -> int:
    """Return 7 where sums of two 8-bit products would saturate, else 8."""
    reduce_range = not fingerprint().has_int8_dot if config.reduce_range is None else config.reduce_range
    return 7 if reduce_range else 8


def _varying(task: Task, samples: Split) -> dict[int, tuple[int, ...]]:
    """Return the axes that change from batch to batch: the first, those declared, and all where padding is cut."""
    declared = dynamic_axes(task)
    axes: dict[int, tuple[int, ...]] = {}
    for position, (name, array) in enumerate(samples.inputs.items()):
        further = range(1, array.ndim) if hasattr(task, "trim") else declared.get(name, {})
        axes[position] = (0, *further)
    return axes
