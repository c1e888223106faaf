"""How much accuracy a compressed network kept, as the record of a bar."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))  # record.py serves every benchmark

from record import record

from burnish.compress import Option

ISSUE = 4


def record_kept(
    bar: str,
    option: Option,
    removed: float,
    *,
    least_removed: float,
    least_kept: float,
    what: str,
    command: str,
) -> None:
    """Record the accuracy on the test split as a share of the original's, with the interval of the paired difference.

    Args:
        bar: Name of the bar.
        option: The compressed network, as measured.
        removed: Share that is gone of what the bar counts.
        least_removed: Share that the bar wants gone.
        least_kept: Share of the accuracy that the bar wants kept.
        what: What was removed, in words.
        command: What measures it again.
    """
    difference = option.test_difference
    original = option.test.value - difference.value
    value, low, high = (
        100 * (original + part) / original for part in (difference.value, difference.low, difference.high)
    )
    record(
        ISSUE,
        bar,
        value=value,
        low=low,
        high=high,
        target=f"at least {least_kept:.0%} of the original's accuracy ({original:.2%} on the test split) with at "
        f"least {least_removed:.0%} of the {what} removed ({removed:.1%} are)",
        unit="% of the original's accuracy",
        met=removed >= least_removed and value >= 100 * least_kept,
        command=command,
    )


def record_points(
    bar: str,
    option: Option,
    removed: float,
    *,
    least_removed: float,
    most_points: float,
    what: str,
    command: str,
) -> None:
    """Record the points of test accuracy that were lost, with the interval of the paired difference.

    Args:
        bar: Name of the bar.
        option: The compressed network, as measured.
        removed: Share that is gone of what the bar counts.
        least_removed: Share that the bar wants gone.
        most_points: Points that the bar allows to lose.
        what: What was removed, in words.
        command: What measures it again.
    """
    lost = option.test_difference.scaled(-100)
    record(
        ISSUE,
        bar,
        value=lost.value,
        low=lost.high,
        high=lost.low,
        target=f"at most {most_points:g} points of test accuracy lost with at least {least_removed:.0%} of the "
        f"{what} removed ({removed:.1%} are)",
        unit="points lost",
        met=removed >= least_removed and lost.value <= most_points,
        command=command,
    )
