"""Importances by name."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import nn

from burnish.compress.pruning.importance.activations import ActivationVariance, activation_variances
from burnish.compress.pruning.importance.chance import Random
from burnish.compress.pruning.importance.gradients import Gradients, gradient_effects
from burnish.compress.pruning.importance.magnitude import Magnitude, NormScale
from burnish.compress.pruning.importance.protocol import Importance
from burnish.errors import InputError, nearest
from burnish.evaluate.hooks import trimmed
from burnish.evaluate.task import Split, Task

ImportanceName = Literal["l1", "l2", "bn", "variance", "taylor", "fisher", "random"]
"""``l1`` and ``l2`` look at weights, ``bn`` at the scales of normalisations, ``variance`` at activations, ``taylor``
and ``fisher`` at gradients of the loss; ``random`` is chance."""

_EXAMPLES = {"variance": 2048, "taylor": 1024, "fisher": 256}
"""How many are looked at: as many as the scores need to settle, drawn at random."""
_BATCH = {"variance": 256, "taylor": 32, "fisher": 1}
"""Fisher's information is that of single examples."""


def build_importance(name: ImportanceName, model: nn.Module, data: Split | Task, *, seed: int) -> Importance:
    """Return an importance by name; some look at data first.

    Args:
        name: Which.
        model: What is to be cut, in its state of now.
        data: A task, of which training examples are taken, or examples; gradients need a task, for its loss.
        seed: What examples and chance are drawn from.

    Raises:
        InputError: There is no importance of this name, gradients are wanted without a task, the loss is not
            finite, or there is no example.

    Cost: ``variance`` runs up to 2,048 examples, ``taylor`` runs up to 1,024 and ``fisher`` up to 256 forward and
    back; the others look at no data.
    """
    if name == "l1":
        return Magnitude(1)
    if name == "l2":
        return Magnitude(2)
    if name == "bn":
        return NormScale()
    if name == "random":
        return Random(torch.Generator().manual_seed(seed))
    if name not in _EXAMPLES:
        raise InputError(
            f"unknown importance {name!r}", hint=nearest(name, ("l1", "l2", "bn", "random", *_EXAMPLES))
        )
    batches = _batches(name, data, seed)
    if name == "variance":
        return ActivationVariance(activation_variances(model, batches))
    if isinstance(data, Split):
        raise InputError(f"importance {name!r} needs a loss", hint="give the task and not its examples alone")
    return Gradients(gradient_effects(model, data, batches, 1 if name == "taylor" else 2))


def _batches(name: str, data: Split | Task, seed: int) -> Iterator[Split]:
    examples = data if isinstance(data, Split) else data.split("train")
    count = min(len(examples), _EXAMPLES[name])
    drawn = np.sort(np.random.default_rng(seed).permutation(len(examples))[:count])
    for start in range(0, count, _BATCH[name]):
        batch = examples.take(drawn[start : start + _BATCH[name]])
        yield batch if isinstance(data, Split) else trimmed(data, batch)
