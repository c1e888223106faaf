"""How far the ranking hangs on the weights, worked out exactly.

A score is linear in the weights, and all weights that sum to 1 form a triangle. Where one device beats another is
therefore a half of the triangle, and where it beats all others a convex polygon: its area, over that of the triangle,
is the share of all possible weights for which the device wins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from burnish.hardware.weights import AXES

Point = tuple[float, float, float]
Polygon = tuple[Point, ...]

TRIANGLE: Polygon = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""All weights."""

_EQUAL = 1e-12  # of a score: closer ones count as equal


@dataclass(frozen=True, slots=True)
class Flip:
    """The weight of an axis, the others in their proportion, at which another device takes over."""

    axis: str
    weight: float
    winner: str
    distance: float
    """From the weight as it is."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What another choice of weights would change."""

    regions: Mapping[str, Polygon]
    """Weights for which a device wins, for those that win anywhere."""
    shares: Mapping[str, float]
    """Share of all weights for which a device wins; of equal devices one has it all, so that they sum to 1."""
    tau: float
    """Kendall's tau of the ranking against that for other weights, averaged over all of them."""
    flips: tuple[Flip, ...]
    """Where another device takes over, the nearest first; empty where none ever does along an axis."""


def sensitivity(parts: Mapping[str, Point], weights: Point) -> Sensitivity:
    """Work out how the ranking depends on the weights.

    Args:
        parts: Normalised compute, power and cost of each device: a score is their weighted sum.
        weights: That the ranking was made with; they sum to 1.
    """
    unlike = _unlike(parts, weights)
    regions = {
        name: polygon
        for name in unlike
        if area(polygon := _won(unlike[name], [unlike[other] for other in unlike if other != name])) > 0
    }
    shares = {name: area(polygon) for name, polygon in regions.items()}
    flips = sorted(_flips(unlike, weights), key=lambda flip: flip.distance)
    return Sensitivity(regions, shares, _mean_tau(list(parts.values()), weights), tuple(flips))


def dot(part: Point, weights: Point) -> float:
    """Return a score."""
    return sum(mine * weight for mine, weight in zip(part, weights, strict=True))


def area(polygon: Polygon) -> float:
    """Return a polygon's share of the triangle of all weights.

    >>> area(TRIANGLE)
    1.0
    """
    ends = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in ends))


def clip(polygon: Polygon, normal: Point) -> Polygon:
    """Return the part of a polygon where ``normal`` times the weights is at least 0 (Sutherland-Hodgman)."""
    kept: list[Point] = []
    for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        at_a, at_b = dot(normal, a), dot(normal, b)
        if at_a >= 0:
            kept.append(a)
        if (at_a >= 0) != (at_b >= 0):
            t = at_a / (at_a - at_b)
            kept.append(_between(a, b, t))
    return tuple(kept)


def _unlike(parts: Mapping[str, Point], weights: Point) -> dict[str, Point]:
    """Leave out devices that equal another in every part: the one that leads, or else comes first, stands for all."""
    kept: dict[str, Point] = {}
    for name in sorted(parts, key=lambda name: -dot(parts[name], weights)):
        if all(max(map(abs, _minus(parts[name], other))) > _EQUAL for other in kept.values()):
            kept[name] = parts[name]
    return kept


def _won(mine: Point, others: Sequence[Point]) -> Polygon:
    polygon = TRIANGLE
    for other in others:
        polygon = clip(polygon, _minus(mine, other))
        if not polygon:
            break
    return polygon


def _mean_tau(parts: Sequence[Point], weights: Point) -> float:
    """A pair agrees on the half of the triangle where its order is that of the base."""
    taus = []
    for one, other in combinations(parts, 2):
        normal = _minus(one, other)
        base = dot(normal, weights)
        if abs(base) > _EQUAL:
            agreeing = clip(TRIANGLE, normal if base > 0 else _minus(other, one))
            taus.append(2 * area(agreeing) - 1)
    return sum(taus) / len(taus) if taus else 1.0


def _flips(parts: Mapping[str, Point], weights: Point) -> Iterator[Flip]:
    winner = max(parts, key=lambda name: dot(parts[name], weights))
    for i, axis in enumerate(AXES):
        rest = 1 - weights[i]
        others = tuple(
            0.0 if j == i else (weights[j] / rest if rest > _EQUAL else 1 / 2) for j in range(len(AXES))
        )
        none, all_of_it = (others[0], others[1], others[2]), TRIANGLE[i]
        crossings = []
        for name, part in parts.items():
            normal = _minus(parts[winner], part)
            at_none, at_all = dot(normal, none), dot(normal, all_of_it)
            if min(at_none, at_all) < -_EQUAL:  # elsewhere on this line the other device leads
                crossings.append((at_none / (at_none - at_all), name))
        below = [one for one in crossings if one[0] <= weights[i]]
        above = [one for one in crossings if one[0] > weights[i]]
        for weight, name in [*([max(below)] if below else []), *([min(above)] if above else [])]:
            yield Flip(axis, weight, name, abs(weight - weights[i]))


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _between(a: Point, b: Point, t: float) -> Point:
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])
