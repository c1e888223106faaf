"""How far one array is from another, in the ways that matter when engines are compared."""

from dataclasses import dataclass

import numpy as np

from burnish.graph.signature import Array


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an array is from the expected one. Errors are of the elements that are finite in both."""

    max_abs: float
    """Largest absolute error."""
    max_rel: float
    """Largest elementwise relative error, over the expected elements that are not zero.

    It is large wherever the expected value happens to be near zero: read it beside `range_rel`.
    """
    range_rel: float
    """Largest absolute error relative to the largest magnitude of the expected array."""
    cosine: float
    top1_agreement: float | None
    """Fraction of rows with the same largest entry; None for arrays that are no table of scores."""
    special: int
    """Elements that are NaN or infinite in one of them and not the same in the other."""
    ok: bool
    """Whether every element is within ``atol + rtol * |expected|``, and NaN and infinity stand where they should."""

    def __str__(self) -> str:
        if self.special:
            return f"{self.special} elements differ in NaN or infinity"
        return "has another shape" if self.max_abs == np.inf else f"is off by {self.max_abs:.3g}"


def compare(expected: Array, got: Array, *, rtol: float, atol: float) -> Difference:
    """Compare an array with the expected one.

    Args:
        expected: The reference, of any dtype; strings are equal or not.
        got: What is judged. Another shape is an infinite error.
        rtol: Allowed error relative to the expected element.
        atol: Allowed absolute error, added to the relative one.
    """
    if expected.shape != got.shape:
        return Difference(np.inf, np.inf, np.inf, 0.0, None, 0, False)
    if expected.dtype.kind in "OSU":
        same = bool(np.array_equal(expected, got))
        error = 0.0 if same else np.inf
        return Difference(error, error, error, float(same), None, 0, same)
    x, y = np.asarray(expected, np.float64), np.asarray(got, np.float64)
    finite = np.isfinite(x) & np.isfinite(y)
    same_special = (x == y) | (np.isnan(x) & np.isnan(y))
    errors, sizes = np.abs(x[finite] - y[finite]), np.abs(x[finite])
    max_abs = float(errors.max(initial=0.0))
    nonzero = sizes > 0
    return Difference(
        max_abs,
        float((errors[nonzero] / sizes[nonzero]).max(initial=0.0)),
        _relative(max_abs, float(sizes.max(initial=0.0))),
        _cosine(x[finite], y[finite]),
        _top1(x, y),
        int((~finite & ~same_special).sum()),
        bool(np.allclose(y, x, rtol=rtol, atol=atol, equal_nan=True)),
    )


def _relative(error: float, scale: float) -> float:
    if error == 0:
        return 0.0
    return error / scale if scale else np.inf


def _cosine(x: Array, y: Array) -> float:
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    if norms == 0.0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(np.clip(np.dot(x.ravel(), y.ravel()) / norms, -1.0, 1.0))


def _top1(x: Array, y: Array) -> float | None:
    if x.ndim != 2 or x.shape[1] < 2 or not len(x):
        return None
    return float((x.argmax(axis=1) == y.argmax(axis=1)).mean())
