"""The candidates that no other candidate beats in everything."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def pareto_front(points: Sequence[T], objectives: Callable[[T], tuple[float, ...]]) -> list[T]:
    """Return the points that are not dominated, in their given order.

    Args:
        points: Candidates.
        objectives: What to minimise, for one candidate.

    >>> pareto_front([(1, 5), (2, 2), (3, 3), (5, 1)], lambda p: p)
    [(1, 5), (2, 2), (5, 1)]
    """
    values = [objectives(point) for point in points]
    return [
        point
        for point, mine in zip(points, values, strict=True)
        if not any(_dominates(other, mine) for other in values)
    ]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
