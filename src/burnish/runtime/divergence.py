"""Where two engines part: the first operator whose output differs, and whether it is the one that is wrong.

An operator whose output differs may only pass on, or enlarge, what went wrong before it. So each suspect is also
run alone, fed with the reference's own values: what it then adds is its *local* error.

Making values outputs keeps an engine from fusing across them, and can hide a fault that a fusion makes. When
nothing differs with every value exposed, though the outputs of the untouched graph do, the graph is bisected
with a single value exposed at a time: all that leads up to that value is then fused as usual.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from burnish.errors import BurnishError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.checked import CheckedSession
from burnish.runtime.compare import Difference, compare
from burnish.runtime.intermediates import ProbePoint, alone, computed_inputs, exposed, probe_points

Open = Callable[[ComputeGraph], CheckedSession]
Cause = Literal["wrong", "amplifies", "fused", "unknown"]

_MOST_SUSPECTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What may differ: ``atol + rtol * |expected|``."""

    rtol: float = 1e-3
    atol: float = 1e-4

    def compare(self, expected: Array, got: Array) -> Difference:
        """Compare two arrays within this tolerance."""
        return compare(expected, got, rtol=self.rtol, atol=self.atol)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A node whose output differs from the reference engine's."""

    node: str
    """Its name, or its operator and position where it has none."""
    op: str
    index: int
    """Its position in the graph."""
    value: str
    """The output that differs."""
    inputs: dict[str, Difference]
    """How far what it computed from was off already; inputs that could not be looked at are left out."""
    output: Difference
    local: Difference | None
    """How far its output is off when it alone is run on the reference's values; None where it cannot be."""
    cause: Cause
    """``wrong``: alone it is out of tolerance too. ``amplifies``: alone it is right; it enlarges the error of its
    inputs. ``fused``: it differs only in the whole graph, with what the engine fuses before it. ``unknown``: it
    cannot be run alone."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where an engine parts from the reference."""

    suspects: tuple[Suspect, ...]
    """Nodes whose output differs, in the graph's order, up to the first that is itself wrong."""
    nodes: int
    """Of the whole graph."""
    exposed: Literal["all", "one"]
    """Whether every value was exposed, or one at a time."""

    @property
    def culprit(self) -> Suspect:
        """The first node that is itself wrong; where none is, the first that differs."""
        return next((suspect for suspect in self.suspects if suspect.cause == "wrong"), self.suspects[0])

    def __str__(self) -> str:
        found = self.culprit
        told = {
            "wrong": "alone it is wrong as well",
            "amplifies": "alone it is right: it enlarges the error of its inputs",
            "fused": "alone it is right: it differs together with what is fused before it",
            "unknown": "it cannot be run alone",
        }[found.cause]
        return f"node {found.index + 1} of {self.nodes}, {found.op} {found.node!r}: {told}"


@dataclass(frozen=True, slots=True)
class Pair:
    """The two engines, and what they are compared on."""

    reference: Open
    engine: Open
    inputs: Mapping[str, Array]
    tolerance: Tolerance

    def run(self, graph: ComputeGraph) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the outputs of a graph on the reference and on the engine."""
        answers = []
        for opener in (self.reference, self.engine):
            with opener(graph) as session:
                answers.append(session.run(self.inputs))
        return answers[0], answers[1]


def find_divergence(
    graph: ComputeGraph, pair: Pair, *, dtypes: Sequence[str], budget_bytes: int | None = None
) -> Divergence | None:
    """Find the first operator at which two engines part.

    Args:
        graph: What to look into.
        pair: The engines and their inputs.
        dtypes: What both engines can give.
        budget_bytes: Intermediate values that may be held at once, for each engine; None for a tenth of the
            memory that is free. A larger graph is looked at in several runs.

    Returns:
        None when every value that can be looked at is within the tolerance.

    Raises:
        BurnishError: An engine cannot run the graph with its values exposed.
    """
    points = probe_points(graph, pair.inputs, dtypes)
    budget = budget_bytes or psutil.virtual_memory().available // 10
    seen = {name: pair.tolerance.compare(array, array) for name, array in pair.inputs.items()}
    for chunk in _chunks(points, budget):
        expected, got = pair.run(exposed(graph, chunk))
        seen |= {p.value: pair.tolerance.compare(expected[p.value], got[p.value]) for p in chunk}
        differing = [point for point in chunk if not seen[point.value].ok]
        if differing:
            suspects = _follow(graph, pair, points, differing, seen)
            return Divergence(tuple(suspects), len(graph.model.graph), "all")
    cut = _bisect(graph, pair, points)
    if cut is None:
        return None
    point, difference = cut
    suspect = _suspect(graph, pair, points, point, seen | {point.value: difference}, right_alone="fused")
    return Divergence((suspect,), len(graph.model.graph), "one")


def _chunks(points: Sequence[ProbePoint], budget_bytes: int) -> Iterator[list[ProbePoint]]:
    chunk: list[ProbePoint] = []
    held = 0
    for point in points:
        if chunk and held + point.nbytes > budget_bytes:
            yield chunk
            chunk, held = [], 0
        chunk.append(point)
        held += point.nbytes
    if chunk:
        yield chunk


def _follow(
    graph: ComputeGraph,
    pair: Pair,
    points: Sequence[ProbePoint],
    differing: Sequence[ProbePoint],
    seen: Mapping[str, Difference],
) -> Iterator[Suspect]:
    """Yield suspects in the graph's order until one is itself wrong."""
    for point in differing[:_MOST_SUSPECTS]:
        suspect = _suspect(graph, pair, points, point, seen, right_alone="amplifies")
        yield suspect
        if suspect.cause == "wrong":
            return


def _bisect(
    graph: ComputeGraph, pair: Pair, points: Sequence[ProbePoint]
) -> tuple[ProbePoint, Difference] | None:
    """Find the first value that differs when it alone is exposed, given that the last one does."""

    def differs(point: ProbePoint) -> Difference | None:
        expected, got = pair.run(exposed(graph, [point]))
        difference = pair.tolerance.compare(expected[point.value], got[point.value])
        return None if difference.ok else difference

    outputs = set(graph.signature.output_names)
    found = next(((p, d) for p in points if p.value in outputs and (d := differs(p)) is not None), None)
    if found is None:
        return None
    low, high = 0, points.index(found[0])  # what lies before `low` agrees, what stands at `high` does not
    while low < high:
        middle = (low + high) // 2
        difference = differs(points[middle])
        if difference is None:
            low = middle + 1
        else:
            high, found = middle, (points[middle], difference)
    return found


def _suspect(
    graph: ComputeGraph,
    pair: Pair,
    points: Sequence[ProbePoint],
    point: ProbePoint,
    seen: Mapping[str, Difference],
    *,
    right_alone: Cause,
) -> Suspect:
    node = graph.model.graph[point.node]
    names = computed_inputs(graph, point.node)
    local = _local(graph, pair, points, point, names)
    cause = "unknown" if local is None else right_alone if local.ok else "wrong"
    return Suspect(
        node.name or f"{node.op_type}_{point.node}",
        node.op_type,
        point.node,
        point.value,
        {name: seen[name] for name in names if name in seen},
        seen[point.value],
        local,
        cause,
    )


def _local(
    graph: ComputeGraph, pair: Pair, points: Sequence[ProbePoint], point: ProbePoint, names: Sequence[str]
) -> Difference | None:
    """Run one node on both engines, from the values that the reference computed."""
    wanted = [p for p in points if p.value in names or p.node == point.node]
    with pair.reference(exposed(graph, wanted)) as session:
        values = {**pair.inputs, **session.run(pair.inputs)}
    small = alone(graph, point.node, values)
    if small is None:
        return None
    fed = {name: values[name] for name in small.signature.input_names}
    try:
        expected, got = Pair(pair.reference, pair.engine, fed, pair.tolerance).run(small)
    except BurnishError:  # an operator that the engine has only as a part of a larger pattern
        return None
    return pair.tolerance.compare(expected[point.value], got[point.value])
