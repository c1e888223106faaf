"""In which order, and with which others, examples are met."""

import numpy as np

from burnish.graph.signature import Array

_POOL = 50
"""Batches whose examples are sorted together: more gives less padding, fewer mixes better."""


def training_batches(count: int, size: int, lengths: Array | None, rng: np.random.Generator) -> list[Array]:
    """Return the positions of the examples of each batch: every example once, in random order.

    Args:
        count: Examples.
        size: Examples a batch. The last may be smaller, or larger by one: no batch is of one example unless there is
            only one, as a batch normalisation cannot learn from it.
        lengths: Size of each example: a batch then holds examples of similar size, in a random order of batches.
        rng: What the order is drawn from.
    """
    order = rng.permutation(count)
    if lengths is not None:
        pools = np.split(order, range(_POOL * size, count, _POOL * size))
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = np.split(order, range(size, count, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    if lengths is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches
