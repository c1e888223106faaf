"""Examples dealt to splits, where whoever collected them did not."""

from collections.abc import Sequence
from typing import get_args

import numpy as np

from burnish.errors import InputError
from burnish.evaluate.task import SplitName
from burnish.graph.signature import Array

SPLITS: tuple[SplitName, ...] = get_args(SplitName)
ALIASES: dict[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("valid", "val", "dev", "validation"),
    "test": ("test",),
}
"""What folders and files of a split may be called."""
_HELD_OUT = 0.1
_SEED = 0


def deal(labels: Sequence[str] | None, count: int, held_out: Sequence[SplitName]) -> dict[SplitName, Array]:
    """Hold a tenth of the examples out for each split that is lacking.

    Args:
        labels: Of the examples: each label is dealt in proportion, but ``train`` has one of each at least. None
            deals without regard to labels.
        count: Examples.
        held_out: Splits that get a tenth each; the rest is for ``train``.

    Returns:
        Positions in rising order, by split; the same at every call.

    Raises:
        InputError: There are too few examples for every split to get one.
    """
    rng = np.random.default_rng(_SEED)
    known = np.array(labels if labels is not None else [""] * count)
    order = rng.permutation(count)
    # sorted by label, every tenth example has the labels in proportion, however rare they are
    order = order[np.argsort(known[order], kind="stable")]
    step = round(1 / _HELD_OUT)
    parts: dict[SplitName, Array] = {name: order[offset::step] for offset, name in enumerate(held_out)}
    taken = np.concatenate([*parts.values(), np.zeros(0, np.int64)])
    # what is not in the train split cannot be learnt: a label with no example there gets one back
    lacking = np.setdiff1d(known, np.delete(known, taken))
    kept = [int(np.flatnonzero(known == label)[0]) for label in lacking]
    parts = {name: np.setdiff1d(rows, kept) for name, rows in parts.items()}
    parts["train"] = np.union1d(np.setdiff1d(np.arange(count), taken), kept).astype(np.int64)
    for name, rows in parts.items():
        if not len(rows):
            rare = (
                f" beside one of each label ({', '.join(lacking[:3])}) to learn from" if len(kept) > 1 else ""
            )
            raise InputError(
                f"{count} examples are too few: none is left for the split {name!r}{rare}",
                hint="give more examples",
            )
    return parts
