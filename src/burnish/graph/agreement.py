"""How far the answers of a rewritten model are from those of the one before."""

from collections.abc import Mapping

import numpy as np

from burnish.graph.signature import Array


def largest_difference(expected: Mapping[str, Array], found: Mapping[str, Array]) -> float:
    """Return the largest difference of any output, relative to that output's largest value.

    Infinite where shapes or dtypes differ, or where one is not finite and the other is.
    """
    return max((_difference(array, found[name]) for name, array in expected.items()), default=0.0)


def _difference(expected: Array, found: Array) -> float:
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    if expected.dtype.kind not in "fV" and expected.dtype.name != "bfloat16":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    a, b = expected.astype(np.float64), found.astype(np.float64)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    if equal.all():
        return 0.0
    if not (np.isfinite(a) | equal).all() or not (np.isfinite(b) | equal).all():
        return float("inf")
    finite = np.abs(a[np.isfinite(a)])
    return float(np.abs(a[~equal] - b[~equal]).max() / max(1.0, finite.max(initial=0.0)))
