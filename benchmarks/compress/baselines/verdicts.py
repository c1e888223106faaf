"""Whether burnish has something at least as good as what another tool made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scoring import Measured

from burnish.evaluate.accuracy import paired_difference
from burnish.evaluate.latency import ratio

SAME_SIZE = 0.02
"""Sizes this close are equal: names and metadata in a file differ as much."""
SAME_LATENCY = 0.05
SAME_SCORE = 0.005
"""A tie asks for estimates this close, whatever the intervals: a noisy measurement shall not make ties."""
Word = Literal["dominates", "ties", "behind"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best answer that burnish has to one file on one engine."""

    word: Word
    by: Measured | None
    """What answers it; None when nothing does."""


def judge(theirs: Measured, ours: Sequence[Measured]) -> Verdict:
    """Look for one of our files that is no worse in accuracy, latency and size at once.

    It dominates when it is at least as good in all three estimates and measurably better in one. It ties when no
    measurement tells that it is worse in any of the three, and the estimates are close.
    """
    ties = [mine for mine in ours if not worse_in(mine, theirs)]
    winners = [mine for mine in ties if dominates(mine, theirs)]
    if winners:
        return Verdict("dominates", min(winners, key=lambda m: m.latency.median_ms))
    if ties:
        return Verdict("ties", min(ties, key=lambda m: m.latency.median_ms))
    return Verdict("behind", None)


def worse_in(mine: Measured, theirs: Measured) -> list[str]:
    """Name the properties in which ours is measurably worse."""
    accuracy = paired_difference(theirs.scores, mine.scores)
    speed = ratio(theirs.latency, mine.latency)  # times that ours is faster
    worse = {
        "accuracy": accuracy.high < 0 or accuracy.value < -SAME_SCORE,
        "latency": speed.high < 1 or speed.value < 1 - SAME_LATENCY,
        "size": mine.size_bytes > theirs.size_bytes * (1 + SAME_SIZE),
    }
    return [name for name, is_worse in worse.items() if is_worse]


def dominates(mine: Measured, theirs: Measured) -> bool:
    """Tell whether ours is at least as good in every point estimate and measurably better in one."""
    accuracy = paired_difference(theirs.scores, mine.scores)
    speed = ratio(theirs.latency, mine.latency)
    at_least = (
        accuracy.value >= 0 and speed.value >= 1 and mine.size_bytes <= theirs.size_bytes * (1 + SAME_SIZE)
    )
    better = speed.low > 1 or accuracy.low > 0 or mine.size_bytes < theirs.size_bytes * (1 - SAME_SIZE)
    return at_least and better
