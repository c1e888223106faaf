"""Weights on coarse grids: integer codes and the scales that bring them back."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from burnish.graph.signature import Array

_SMALLEST_HALF, _LARGEST_HALF = float(np.finfo(np.float16).tiny), float(np.finfo(np.float16).max)
BLOCK = 32
"""Weights that share a scale in 4 bits: 21.3 dB on normal weights, where 128 of them leave 19.7."""
_SHRINKS = tuple(np.arange(0.72, 1.001, 0.04))
"""Shares of a block's range that are tried: what is cut off costs less than a coarser grid, now and then."""


@dataclass(frozen=True, slots=True)
class Coded:
    """``codes * scales`` is near the weights; both have the rank of the weights, so that they broadcast."""

    codes: Array
    """int8, uint8 or, in blocks, int4."""
    scales: Array

    def weights(self) -> Array:
        """Return what the grid stands for."""
        return self.codes.astype(np.float32) * self.scales.astype(np.float32)


def by_channel(weights: Array, axis: int | None, *, largest: int = 127) -> Coded:
    """Put weights on a symmetric grid of 8 bits.

    Args:
        weights: Any shape.
        axis: Each place along it has a scale of its own; None gives all weights one scale.
        largest: Codes lie in [-largest, largest]: 127, or 63 for 7 bits.
    """
    axes = tuple(a for a in range(weights.ndim) if axis is not None and a != axis % weights.ndim)
    top = np.abs(weights).max(axis=axes if axis is not None else None, keepdims=True)
    scales = np.where(top > 0, top / largest, 1).astype(np.float32)
    codes = np.clip(np.rint(weights / scales), -largest, largest).astype(np.int8)
    return Coded(codes, scales)


def four_bits(blocks: Array) -> Coded:
    """Put blocks of weights on grids of 16 steps, with the scale that leaves the least square error.

    Args:
        blocks: The last axis is one block.

    Returns:
        Codes in [-8, 7] as int8, and scales whose last axis is 1. The outermost code is the weight of the largest
        magnitude, whose sign the scale has, for -8 has no counterpart.
    """
    at = np.abs(blocks).argmax(axis=-1, keepdims=True)
    full = np.take_along_axis(blocks, at, axis=-1) / np.float32(-8)
    best, least = full, np.full(full.shape, np.inf, np.float32)
    for shrink in _SHRINKS:
        scales = full * np.float32(shrink)
        error = np.square(_codes(blocks, scales) * scales - blocks).sum(axis=-1, keepdims=True)
        best, least = np.where(error < least, scales, best), np.minimum(error, least)
    return Coded(_codes(blocks, best).astype(np.int8), best)


def halved(grid: Coded, weights: Array) -> Coded:
    """Return the grid with scales of 16 bits and codes to match, or the same one where 16 bits do not hold them."""
    magnitude = np.abs(grid.scales[grid.scales != 0])
    if magnitude.size and (magnitude.min() < _SMALLEST_HALF or magnitude.max() > _LARGEST_HALF):
        return grid
    scales = grid.scales.astype(np.float16)
    low, high = int(grid.codes.min(initial=0)), int(grid.codes.max(initial=0))
    codes = np.clip(_quotient(weights, scales.astype(np.float32)), min(low, -high), high)
    return Coded(codes.astype(np.int8), scales)


def in_blocks(matrix: Array, size: int) -> Coded:
    """Put a matrix on grids of 4 bits, one for every ``size`` weights of a column.

    Args:
        matrix: (K, N); K is a multiple of ``size``.
        size: Weights of a block.

    Returns:
        Codes int4 of shape (K, N) and scales of shape (K / size, N), as the standard's DequantizeLinear reads them.
    """
    rows, columns = matrix.shape
    grid = four_bits(matrix.T.reshape(columns, rows // size, size))
    codes = grid.codes.reshape(columns, rows).T
    return Coded(codes.astype(ml_dtypes.int4), np.ascontiguousarray(grid.scales[..., 0].T, np.float32))


def _codes(blocks: Array, scales: Array) -> Array:
    return np.clip(_quotient(blocks, scales), -8, 7)


def _quotient(weights: Array, scales: Array) -> Array:
    return np.rint(np.divide(weights, scales, out=np.zeros_like(weights), where=scales != 0))
