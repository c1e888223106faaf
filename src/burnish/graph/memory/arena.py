"""Offsets in one arena: dynamic storage allocation, which is NP-hard, by several good heuristics.

Buffers are placed one after another, each into the tightest or the lowest gap that is free for its whole
lifetime. What decides is the order; `place` tries several and keeps the smallest arena.

References:
    Pisarchyk and Lee 2020, arXiv:2001.03288 (greedy by size, greedy by breadth).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Order = list[int]

_REPAIRS = 64


@dataclass(frozen=True, slots=True)
class Placement:
    """Where every buffer starts."""

    offsets: tuple[int, ...]
    arena_bytes: int
    strategy: str
    """What led to it, such as ``size, best fit``."""


def place(sizes: Sequence[int], first: Sequence[int], last: Sequence[int]) -> Placement:
    """Give every buffer an offset so that buffers alive at the same step never overlap.

    Args:
        sizes: Bytes of every buffer, multiples of the alignment.
        first: First step of each.
        last: Last step of each, included.

    Cost: quadratic in the number of buffers for each of ten orders, fewer when one meets the lower bound.
    """
    shelf = _Shelf(np.asarray(sizes, np.int64), np.asarray(first, np.int64), np.asarray(last, np.int64))
    bound, best = max(live_bytes(sizes, first, last), default=0), None
    for strategy, order, tight in _attempts(shelf):
        offsets = shelf.fill(order, tight=tight)
        arena = shelf.height(offsets)
        if best is None or arena < best.arena_bytes:
            best = Placement(tuple(offsets.tolist()), arena, strategy)
        if best.arena_bytes == bound:
            return best
    return _repaired(shelf, best, bound) if best else Placement((), 0, "nothing to place")


def live_bytes(sizes: Sequence[int], first: Sequence[int], last: Sequence[int]) -> list[int]:
    """Return the bytes alive at each step; no arena can be smaller than the largest."""
    changes = np.zeros(max(last, default=-1) + 2, np.int64)
    np.add.at(changes, np.asarray(first, np.int64), np.asarray(sizes, np.int64))
    np.subtract.at(changes, np.asarray(last, np.int64) + 1, np.asarray(sizes, np.int64))
    live: list[int] = np.cumsum(changes)[:-1].tolist()
    return live


class _Shelf:
    """Buffers, and how to lay them down in a given order."""

    def __init__(self, sizes: Numbers, first: Numbers, last: Numbers) -> None:
        self.sizes, self.first, self.last = sizes, first, last

    def fill(self, order: Iterable[int], *, tight: bool) -> Numbers:
        offsets = np.full(len(self.sizes), -1, np.int64)
        for index in order:
            together = (offsets >= 0) & (self.first <= self.last[index]) & (self.last >= self.first[index])
            placed = np.flatnonzero(together)
            placed = placed[np.argsort(offsets[placed], kind="stable")]
            starts = offsets[placed]
            # free from the highest end so far to the next start
            ends = np.maximum.accumulate(np.concatenate(([0], starts + self.sizes[placed])))
            gaps = starts - ends[:-1]
            fits = np.flatnonzero(gaps >= self.sizes[index])
            if not fits.size:
                offsets[index] = ends[-1]
            else:
                offsets[index] = ends[fits[np.argmin(gaps[fits])] if tight else fits[0]]
        return offsets

    def height(self, offsets: Numbers) -> int:
        return int((offsets + self.sizes).max(initial=0))


def _attempts(shelf: _Shelf) -> Iterable[tuple[str, Order, bool]]:
    for name, order_of in _ORDERS.items():
        order = order_of(shelf)
        yield f"{name}, best fit", order, True
        yield f"{name}, lowest fit", order, False


def _by_breadth(shelf: _Shelf) -> Order:
    """Buffers of the fullest step first, then of the next fullest."""
    live = np.asarray(live_bytes(shelf.sizes.tolist(), shelf.first.tolist(), shelf.last.tolist()))
    order: dict[int, None] = {}
    for step in np.argsort(-live, kind="stable"):
        alive = np.flatnonzero((shelf.first <= step) & (shelf.last >= step))
        order |= dict.fromkeys(alive[np.argsort(-shelf.sizes[alive], kind="stable")].tolist())
    return list(order)


def _sorted(key: Callable[[_Shelf], Numbers]) -> Callable[[_Shelf], Order]:
    def order(shelf: _Shelf) -> Order:
        indices: Order = np.lexsort((shelf.first, key(shelf))).tolist()
        return indices

    return order


_ORDERS: dict[str, Callable[[_Shelf], Order]] = {
    "size": _sorted(lambda s: -s.sizes),
    "breadth": _by_breadth,
    "first use": _sorted(lambda s: s.first),
    "size x lifetime": _sorted(lambda s: -s.sizes * (s.last - s.first + 1)),
    "lifetime": _sorted(lambda s: -(s.last - s.first)),
}


def _repaired(shelf: _Shelf, best: Placement, bound: int) -> Placement:
    """Place what sticks out at the top first, again and again, and keep what is smaller."""
    order = np.lexsort((shelf.first, -shelf.sizes)).tolist()
    offsets = np.asarray(best.offsets)
    for _ in range(_REPAIRS):
        top = int(np.argmax(offsets + shelf.sizes))
        order.remove(top)
        order.insert(0, top)
        offsets = shelf.fill(order, tight=True)
        arena = shelf.height(offsets)
        if arena < best.arena_bytes:
            best = Placement(tuple(offsets.tolist()), arena, "repaired, best fit")
        if arena == bound:
            break
    return best
