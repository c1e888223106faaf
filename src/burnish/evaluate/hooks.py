"""What a task may offer beyond the `Task` Protocol; a task without a hook is left as it is.

    augment(batch: Split, rng: numpy.random.Generator) -> Split    vary examples, in training only
    trim(batch: Split) -> Split                                    cut the padding that all of a batch share
    lengths(split: Split) -> Array                                 size of each example; batches hold similar ones
    dynamic: Mapping[str, Mapping[int, str]]                       axes beside the first that vary in a captured graph
    imitate(outputs, wanted) -> torch.Tensor                       loss of a student against its teacher's outputs
    figures(outputs: Mapping[str, Array], labels: Array)           further figures by name, such as a correlation
        -> Mapping[str, float]

A task that trims names the axes that it cuts in ``dynamic``, as engines are handed trimmed batches too, and its
outputs have shapes that do not depend on the padding.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from burnish.errors import BurnishError, InputError
from burnish.evaluate.task import Split, Task
from burnish.graph.signature import Array


def augmented(task: Task, batch: Split, rng: np.random.Generator) -> Split:
    """Return a batch as it is learnt from: varied at random where the task knows how.

    Raises:
        InputError: The hook fails, or gives another number of examples.
    """
    return _same_length(task, "augment", batch, rng)


def trimmed(task: Task, batch: Split) -> Split:
    """Return a batch without the padding that all of its examples share, where the task has padding.

    Raises:
        InputError: The hook fails, or gives another number of examples.
    """
    return _same_length(task, "trim", batch)


def lengths(task: Task, split: Split) -> Array | None:
    """Return the size of each example; None where all are alike.

    Raises:
        InputError: The hook fails, or gives no number for each example.
    """
    if not hasattr(task, "lengths"):
        return None
    found = np.asarray(_call(task, "lengths", split))
    if found.shape != (len(split),):
        raise InputError(
            f"task {task.name!r}: lengths has shape {found.shape} for {len(split)} examples",
            hint="return one number for each example",
        )
    return found


def dynamic_axes(task: Task) -> Mapping[str, Mapping[int, str]]:
    """Return the axes beside the first that vary in a captured graph, by input and axis."""
    axes: Mapping[str, Mapping[int, str]] = getattr(task, "dynamic", {})
    return axes


def figures(task: Task, outputs: Mapping[str, Array], labels: Array) -> dict[str, float]:
    """Return what the task reports beside its score, by name; empty where that is nothing.

    Raises:
        InputError: The hook fails.
    """
    if not hasattr(task, "figures"):
        return {}
    return {name: float(value) for name, value in _call(task, "figures", outputs, labels).items()}


def _same_length(task: Task, hook: str, batch: Split, *arguments: Any) -> Split:
    if not hasattr(task, hook):
        return batch
    changed = _call(task, hook, batch, *arguments)
    if not isinstance(changed, Split) or len(changed) != len(batch):
        size = f"{len(changed)} examples" if isinstance(changed, Split) else f"a {type(changed).__name__}"
        raise InputError(
            f"task {task.name!r}: {hook} gives {size} for a batch of {len(batch)}",
            hint="return burnish.evaluate.Split with as many examples",
        )
    return changed


def _call(task: Task, hook: str, *arguments: Any) -> Any:
    try:
        return getattr(task, hook)(*arguments)
    except BurnishError:
        raise
    except Exception as error:  # whatever the user's code may raise
        raise InputError(f"task {task.name!r}: {hook} fails: {type(error).__name__}: {error}") from error
