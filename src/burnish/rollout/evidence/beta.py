"""The logarithm of the regularised incomplete beta function, also where the function itself underflows."""

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

_UNDERFLOW = 1e-290
_TINY = 1e-300


def log_betainc(p: npt.ArrayLike, q: npt.ArrayLike, x: float) -> Floats:
    """Return ln I_x(p, q), broadcast over ``p`` and ``q``.

    Where I_x would underflow, the continued fraction of the tail is used, so that evidence stays correct
    after thousands of observations on one side.

    >>> float(log_betainc(1.0, 1.0, 0.5).round(6))
    -0.693147
    >>> float(log_betainc(5000.0, 1.0, 0.5).round(3)) == round(-5000 * 0.6931471805599453, 3)
    True

    References:
        NIST Digital Library of Mathematical Functions, 8.17(v), https://dlmf.nist.gov/8.17.
    """
    p_, q_ = np.broadcast_arrays(np.asarray(p, np.float64), np.asarray(q, np.float64))
    value = np.asarray(special.betainc(p_, q_, x), np.float64)
    small = value < _UNDERFLOW
    result = np.log(np.where(small, 1.0, value))
    if small.any():
        result = np.asarray(result)
        result[small] = _log_tail(p_[small], q_[small], x)
    return np.asarray(result, np.float64)


def _log_tail(p: Floats, q: Floats, x: float) -> Floats:
    """Evaluate ln I_x(p, q) by Lentz's method; it converges fast for x below the mean, where the tail is."""
    front = p * np.log(x) + q * np.log1p(-x) - np.log(p) - special.betaln(p, q)
    c = np.ones_like(p)
    d = 1.0 / _away_from_zero(1.0 - (p + q) * x / (p + 1.0))
    fraction = d.copy()
    for m in range(1, 1000):
        even = m * (q - m) * x / ((p + 2 * m - 1) * (p + 2 * m))
        odd = -(p + m) * (p + q + m) * x / ((p + 2 * m) * (p + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            step = d * c
            fraction *= step
        if np.all(np.abs(step - 1.0) < 1e-14):
            break
    return np.asarray(front + np.log(fraction), np.float64)


def _away_from_zero(values: Floats) -> Floats:
    return np.where(np.abs(values) < _TINY, _TINY, values)
