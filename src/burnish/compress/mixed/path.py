"""From the fastest mixture to floating point, always by the step that takes away most noise for the time it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from burnish.compress.quantize.scheme import Method


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a group can compute."""

    method: Method | None
    """None is floating point."""
    noise: float
    """Noise that it alone brings to the outputs, over the power of these."""
    cost_ms: float
    """Latency of the whole, less that in floating point: below zero where it is faster."""


FLOAT = Form(None, 0.0, 0.0)

Choice = dict[str, Method | None]
"""Method by name of a group."""


def path(forms: Mapping[str, Sequence[Form]]) -> list[Choice]:
    """Return mixtures in the order of falling noise.

    Noise and time of groups are taken to add up. Then the mixtures on the lower convex hull of both are exactly those
    that begin with every group in its fastest form and go on by single steps, the steepest first.

    Args:
        forms: How each group can compute, beside floating point.

    >>> path({"a": [Form("static", 0.1, -2.0)], "b": [Form("static", 0.1, -1.0)]})
    [{'a': 'static', 'b': 'static'}, {'a': 'static', 'b': None}, {'a': None, 'b': None}]
    """
    hulls = {group: _hull([*ways, FLOAT]) for group, ways in forms.items()}
    steps = [
        (_slope(before, after), place, group)
        for group, hull in hulls.items()
        for place, (before, after) in enumerate(pairwise(hull), start=1)
    ]
    choice: Choice = {group: hull[0].method for group, hull in hulls.items()}
    found = [dict(choice)]
    for _, place, group in sorted(steps, key=lambda step: (-step[0], step[1])):
        choice[group] = hulls[group][place].method
        found.append(dict(choice))
    return found


def _hull(ways: Sequence[Form]) -> list[Form]:
    """Return the forms that are best for some price of noise, the fastest first."""
    hull: list[Form] = []
    for form in sorted(ways, key=lambda form: (form.cost_ms, form.noise)):
        if hull and form.noise >= hull[-1].noise:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], form):
            hull.pop()
        hull.append(form)
    return hull


def _slope(before: Form, after: Form) -> float:
    """Return how much noise a step takes away for a millisecond."""
    cost = after.cost_ms - before.cost_ms
    return (before.noise - after.noise) / cost if cost > 0 else float("inf")
