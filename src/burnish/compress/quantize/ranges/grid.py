"""The integers that a range is mapped to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from low to high are kept, those beyond are clipped; zero is always among those kept."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low <= 0 <= self.high):
            raise ValueError(f"a range is finite and holds zero, got [{self.low}, {self.high}]")


@dataclass(frozen=True, slots=True)
class Grid:
    """Integer levels: how many, and whether zero is their middle.

    >>> Grid().scale_and_zero(Range(0.0, 25.5))
    (0.1, 0)
    >>> Grid(symmetric=True).levels
    255
    """

    bits: int = 8
    symmetric: bool = False
    """Zero lies in the middle, and the lowest integer is left out, so that there are as many below as above."""

    @property
    def levels(self) -> int:
        """Number of integers."""
        return int(2**self.bits) - int(self.symmetric)

    @property
    def lowest(self) -> int:
        """Lowest integer: 0, or of a symmetric grid the negative of the highest."""
        return -(self.levels // 2) if self.symmetric else 0

    def scale_and_zero(self, kept: Range) -> tuple[float, int]:
        """Return the step between two levels and the integer that stands for zero; step 1 for an empty range."""
        low, high = kept.low, kept.high
        if self.symmetric:
            high = max(-low, high)
            low = -high
        scale = (high - low) / (self.levels - 1)
        if scale < np.finfo(np.float32).tiny:
            return 1.0, 0
        return scale, 0 if self.symmetric else round(-low / scale)

    def levels_of(self, numbers: NDArray[np.float64], kept: Range) -> NDArray[np.int64]:
        """Return the integers that numbers are put on, halves to the even one as engines do."""
        scale, zero = self.scale_and_zero(kept)
        highest = self.lowest + self.levels - 1
        return np.asarray(np.clip(np.rint(numbers / scale) + zero, self.lowest, highest), np.int64)

    def rounded(self, numbers: NDArray[np.float64], kept: Range) -> NDArray[np.float64]:
        """Return numbers as they are after being put on the grid and taken back."""
        scale, zero = self.scale_and_zero(kept)
        return np.asarray((self.levels_of(numbers, kept) - zero) * scale, np.float64)
