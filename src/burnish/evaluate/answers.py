"""Outputs for a whole split, whoever gives them: batch by batch, in the order of the examples."""

from collections.abc import Callable, Mapping

import numpy as np

from burnish.evaluate.hooks import lengths, trimmed
from burnish.evaluate.task import Split, Task
from burnish.graph.signature import Array

RunBatch = Callable[[Split], Mapping[str, Array]]


def answers(task: Task, split: Split, run: RunBatch, *, batch_size: int) -> dict[str, Array]:
    """Run a network or a session over a split.

    Examples of similar size share a batch, whose common padding is cut where the task knows how.

    Args:
        task: For its hooks.
        split: Examples, at least one.
        run: Gives the outputs for a batch, by name.
        batch_size: Examples a batch, at most.

    Returns:
        Outputs by name, in the order of the examples.
    """
    batches = evaluation_batches(len(split), batch_size, lengths(task, split))
    parts = [run(trimmed(task, split.take(rows))) for rows in batches]
    back = np.argsort(np.concatenate(batches))
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def evaluation_batches(count: int, size: int, sizes: Array | None) -> list[Array]:
    """Return the positions of the examples of each batch: in order, or by their size where sizes differ."""
    order = np.arange(count) if sizes is None else np.argsort(sizes, kind="stable")
    return np.split(order, range(size, count, size))
