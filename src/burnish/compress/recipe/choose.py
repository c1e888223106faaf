"""Choosing from what was measured: the best option that stays above the floor by the interval's lower end."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from burnish.compress.recipe.candidates import FLOAT
from burnish.compress.recipe.measure import Option
from burnish.errors import BudgetError, InputError
from burnish.pareto import pareto_front

Preference = Literal["latency", "size"]


def choose(options: Sequence[Option], floor_points: float, prefer: Preference = "latency") -> Option:
    """Return the fastest, or the smallest, option among those that stay above the floor.

    The float model is its own reference and always allowed: it is chosen when no compressed one is better.

    Raises:
        BudgetError: No compressed option passes; the text says by how much the best misses.
        InputError: There is no compressed option.
    """
    compressed = [o for o in options if o.candidate != FLOAT]
    good = [o for o in compressed if o.valid_difference.low * 100 >= -floor_points]
    if good:
        floats = [o for o in options if o.candidate == FLOAT]
        return min((*good, *floats), key=_ORDER[prefer])
    if not compressed:
        raise InputError(
            "there is no compressed option to choose from",
            hint="the lines of the run say why each step made none; ask for other steps, or for smaller ones",
        )
    best = max(compressed, key=lambda o: o.valid_difference.low)
    lost = _rounded_up(-best.valid_difference.low * 100)
    raise BudgetError(
        f"no candidate stays within {floor_points:g} points of the float model: the best, {best.candidate} on "
        f"{best.backend}, may lose {lost:.2f}, which is {_rounded_up(lost - floor_points):.2f} too many",
        hint=f"allow {lost:.2f} points, prune less, or give more validation data to narrow the interval",
    )


def _rounded_up(points: float) -> float:
    """Return points with two decimals, never fewer than there are: what a text allows must suffice."""
    return float(Decimal(points).quantize(Decimal("0.01"), ROUND_CEILING))


def front_of(options: Sequence[Option]) -> tuple[Option, ...]:
    """Return the options that no other beats in latency, size and lower end of the valid difference at once."""
    return tuple(pareto_front(options, objectives))


def objectives(option: Option) -> tuple[float, ...]:
    """Return what an option is compared by: less of each is better."""
    return option.latency.median_ms, float(option.size_bytes), -option.valid_difference.low


def _by_latency(option: Option) -> tuple[float, float]:
    return option.latency.median_ms, float(option.size_bytes)


def _by_size(option: Option) -> tuple[float, float]:
    return float(option.size_bytes), option.latency.median_ms


_ORDER = {"latency": _by_latency, "size": _by_size}
