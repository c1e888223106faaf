"""Placing boxes in layers: edges run downwards, cross seldom, and long ones run straight.

The method is that of Sugiyama, Tagawa and Toda (1981): layers by longest path, order within a layer by the median of
neighbours, positions by least squares under the distances that boxes need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 12
_BEND_WEIGHT = 0.125  # where a bend and a box want the same place, the box has it
_UNLIKE_PULL = 0.02  # of a bend on a box and the other way round: chains of either stay straight
_BEND_WIDTH = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spacing:
    """Distances in pixels."""

    beside: float = 24.0
    """Between two boxes of one layer."""
    below: float = 44.0
    """Between two layers."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where boxes and edges lie, in pixels; the origin is the upper left corner."""

    centers: list[tuple[float, float]]
    """Of each box."""
    routes: list[list[tuple[float, float]]]
    """Of each edge: from the lower side of a box by way of its bends to the upper side of another."""
    width: float
    height: float


def place(
    sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]], spacing: Spacing | None = None
) -> Placement:
    """Place boxes.

    Args:
        sizes: Width and height of each box.
        edges: Pairs of a box and one that it leads to; a box leads only to boxes with a higher number.
        spacing: Distances; None for the defaults.
    """
    spacing = spacing or Spacing()
    layer_of = _layers(len(sizes), edges)
    chains, layer_of = _with_bends(edges, layer_of)
    widths = [size[0] for size in sizes] + [_BEND_WIDTH] * (len(layer_of) - len(sizes))
    above: list[list[int]] = [[] for _ in layer_of]
    below: list[list[int]] = [[] for _ in layer_of]
    for chain in chains:
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
    layers = _ordered(layer_of, above, below)
    weights = [1.0] * len(sizes) + [_BEND_WEIGHT] * (len(layer_of) - len(sizes))
    xs = _positions(layers, above, below, widths, weights, spacing.beside)
    left = min((x - width / 2 for x, width in zip(xs, widths, strict=True)), default=0.0)
    xs = [x - left for x in xs]
    tops, heights, height = _rows(layers, sizes, spacing.below)
    centers = [(xs[box], tops[layer_of[box]] + heights[layer_of[box]] / 2) for box in range(len(sizes))]
    routes = []
    for chain in chains:
        first, last = chain[0], chain[-1]
        bends = [
            (xs[bend], tops[layer_of[bend]] + share * heights[layer_of[bend]])
            for bend in chain[1:-1]
            for share in (0.0, 1.0)
        ]
        start = (xs[first], centers[first][1] + sizes[first][1] / 2)
        end = (xs[last], centers[last][1] - sizes[last][1] / 2)
        routes.append([start, *bends, end])
    width = max((x + width / 2 for x, width in zip(xs, widths, strict=True)), default=0.0)
    return Placement(centers, routes, width, height)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    after: list[list[int]] = [[] for _ in range(count)]
    before: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in edges:
        after[upper].append(lower)
        before[lower].append(upper)
    layer = [0] * count
    for box in range(count):
        layer[box] = max((layer[other] + 1 for other in before[box]), default=0)
    for box in reversed(range(count)):  # what could lie lower does, where that shortens its edges
        if len(before[box]) < len(after[box]):
            layer[box] = min(layer[other] for other in after[box]) - 1
    return layer


def _with_bends(edges: Sequence[tuple[int, int]], layer: list[int]) -> tuple[list[list[int]], list[int]]:
    """Give an edge a bend in every layer that it passes; return each edge's chain, and the layers with the bends'."""
    layer, chains = list(layer), []
    for upper, lower in edges:
        bends = range(len(layer), len(layer) + layer[lower] - layer[upper] - 1)
        layer.extend(range(layer[upper] + 1, layer[lower]))
        chains.append([upper, *bends, lower])
    return chains, layer


def _ordered(layer_of: list[int], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """Order each layer by the middle of its neighbours, downwards and upwards in turn; keep the best order seen."""
    layers: list[list[int]] = [[] for _ in range(max(layer_of, default=-1) + 1)]
    for item, number in enumerate(layer_of):
        layers[number].append(item)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        neighbours = below if sweep % 2 else above
        for layer in reversed(layers) if sweep % 2 else layers:
            rank = _ranks(layers)
            middles = {
                item: _middle([rank[other] for other in neighbours[item]], rank[item]) for item in layer
            }
            layer.sort(key=middles.__getitem__)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _ranks(layers: list[list[int]]) -> dict[int, float]:
    return {item: index / max(len(layer) - 1, 1) for layer in layers for index, item in enumerate(layer)}


def _middle(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(layers: list[list[int]], below: list[list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        rank = {item: index for index, item in enumerate(lower)}
        ends = [end for item in upper for end in sorted(rank[other] for other in below[item])]
        total += _inversions(ends)
    return total


def _inversions(values: list[int]) -> int:
    """Count the pairs that stand in the wrong order, by merging."""
    if len(values) < 2:
        return 0
    half = len(values) // 2
    left, right = values[:half], values[half:]
    count = _inversions(left) + _inversions(right)
    left.sort()
    right.sort()
    passed = 0
    for value in right:
        while passed < len(left) and left[passed] <= value:
            passed += 1
        count += len(left) - passed
    return count


def _positions(
    layers: list[list[int]],
    above: list[list[int]],
    below: list[list[int]],
    widths: list[float],
    weights: list[float],
    gap: float,
) -> list[float]:
    xs = [0.0] * len(widths)
    for layer in layers:
        end = 0.0
        for item in layer:
            xs[item] = end + widths[item] / 2
            end += widths[item] + gap
        for item in layer:  # around zero, so that narrow layers start in the middle of wide ones
            xs[item] -= end / 2
    for sweep in range(2 * _SWEEPS):
        neighbours = below if sweep % 2 else above
        for layer in reversed(layers) if sweep % 2 else layers:
            wished = [_wish(item, neighbours[item], xs, weights) for item in layer]
            for item, x in zip(layer, _apart(layer, wished, widths, weights, gap), strict=True):
                xs[item] = x
    return xs


def _wish(item: int, neighbours: list[int], xs: list[float], weights: list[float]) -> float:
    """Return where an item would like to be: near its neighbours, and little moved by a long edge that joins in."""
    bend = weights[item] == _BEND_WEIGHT
    like = [(weights[other] == _BEND_WEIGHT) == bend for other in neighbours]
    pulls = [1.0 if same else _UNLIKE_PULL for same in like]
    if not pulls:
        return xs[item]
    return sum(pull * xs[other] for pull, other in zip(pulls, neighbours, strict=True)) / sum(pulls)


def _apart(
    layer: list[int], wished: list[float], widths: list[float], weights: list[float], gap: float
) -> list[float]:
    """Return the positions nearest to the wished ones, by weighted least squares, that keep boxes apart.

    With the distances taken off, this is isotonic regression, which pooling adjacent violators solves.
    """
    offsets, end = [], 0.0
    for index, item in enumerate(layer):
        if index:
            end += (widths[layer[index - 1]] + widths[item]) / 2 + gap
        offsets.append(end)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for item, wish, offset in zip(layer, wished, offsets, strict=True):
        mean, weight, count = wish - offset, weights[item], 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, count = weight + other_weight, count + other_count
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _rows(
    layers: list[list[int]], sizes: Sequence[tuple[float, float]], gap: float
) -> tuple[list[float], list[float], float]:
    tops, heights, end = [], [], 0.0
    for layer in layers:
        heights.append(max((sizes[item][1] for item in layer if item < len(sizes)), default=0.0))
        tops.append(end)
        end += heights[-1] + gap
    return tops, heights, max(end - gap, 0.0)
