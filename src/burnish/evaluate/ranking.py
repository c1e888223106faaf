"""How well two rankings of the same things agree."""

from collections.abc import Sequence

import numpy as np


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Kendall's tau-b: pairs in the same order minus pairs in opposite order, as a share of all, ties aside.

    Raises:
        ValueError: The lengths differ, or there are fewer than two different values in one of them.

    >>> kendall_tau([1, 2, 3, 4], [10, 20, 40, 30])
    0.6666666666666666

    References:
        Kendall 1945, The treatment of ties in ranking problems, Biometrika 33.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"rankings of {a.size} and of {b.size} things cannot be compared")
    upper = np.triu_indices(len(a), 1)
    x, y = (np.sign(values[:, None] - values[None, :])[upper] for values in (a, b))
    untied = float(np.sqrt((x**2).sum() * (y**2).sum()))
    if not untied:
        raise ValueError("a ranking needs at least two different values")
    return float((x * y).sum() / untied)
