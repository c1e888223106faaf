"""Which groups of nodes compute in which numbers: the fastest mixture above an accuracy floor."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from burnish.compress.mixed.config import MixedConfig
from burnish.compress.mixed.groups import Group, groups_of
from burnish.compress.mixed.judging import Judge, time_all
from burnish.compress.mixed.mixture import mix, with_names
from burnish.compress.mixed.path import Choice, path
from burnish.compress.mixed.sensitivity import Scan, scan
from burnish.compress.network import task_key
from burnish.compress.quantize.layers import multiplying
from burnish.compress.quantize.scheme import Method
from burnish.compress.reporter import SILENT, Reporter
from burnish.errors import BackendError, UnsupportedOpError
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.latency import Latency, ratio
from burnish.evaluate.task import Task
from burnish.graph import ComputeGraph
from burnish.pareto import pareto_front
from burnish.resume import Facts, Run

_GRAPH = "graph.onnx"
FLOAT = "float"
"""Name of the point at which nothing is quantized."""


@dataclass(frozen=True, slots=True)
class Point:
    """One mixture as measured: a point of the trade-off curve."""

    name: str
    methods: Mapping[str, Method]
    """By name of a node; nodes without one are in floating point."""
    sqnr_db: float
    """Power of the outputs in floating point over that of their error, in decibels."""
    difference: Interval
    """Valid score minus that of the original, paired by example."""
    size_bytes: int
    latency: Latency
    speedup: Interval
    """Times faster than in floating point, in the same rounds."""
    graph: Path

    def passes(self, floor_points: float) -> bool:
        """Tell whether the lower end of the difference stays above a floor."""
        return self.difference.low * 100 >= -floor_points


@dataclass(frozen=True, slots=True)
class MixedResult:
    """Everything that was measured."""

    groups: tuple[Group, ...]
    scan: Scan
    points: tuple[Point, ...]
    """The trade-off curve, floating point included."""
    chosen: Point

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what charts are drawn of."""
        front = {
            id(point)
            for point in pareto_front(self.points, lambda p: (-p.speedup.value, -p.difference.value))
        }
        return {
            "groups": [asdict(group) for group in self.groups],
            "sensitivity": [asdict(effect) for effect in self.scan.effects],
            "impossible": dict(self.scan.impossible),
            "points": [
                {
                    "name": point.name,
                    "methods": dict(point.methods),
                    "sqnr_db": point.sqnr_db,
                    "difference": asdict(point.difference),
                    "size_bytes": point.size_bytes,
                    "latency": asdict(point.latency.median) | {"unit": "ms"},
                    "speedup": asdict(point.speedup),
                    "on_front": id(point) in front,
                    "chosen": point is self.chosen,
                }
                for point in self.points
            ],
        }


def search_mixed(
    graph: ComputeGraph,
    task: Task,
    config: MixedConfig | None = None,
    *,
    original: ComputeGraph | None = None,
    work: Path,
    reporter: Reporter = SILENT,
) -> MixedResult:
    """Search the fastest mixture of number formats that loses no more than allowed.

    A scan measures what each method does to each group alone. The effects, taken to add up, order the mixtures from
    the fastest to floating point; the earliest of these that stays above the floor is found by bisection, each judged
    by its own file on the engine. The uniform mixtures, and the rule to keep the first and the last node float, are
    measured beside them. In the end all are timed, each in rounds interleaved with floating point, and the one above
    the floor that gains most on that is chosen; floating point when none is faster for sure.

    Args:
        graph: Trained float graph; not changed.
        task: Calibration examples (train), examples that judge (valid), score.
        config: How; None for the defaults.
        original: Float graph whose score the floor counts from, where ``graph`` is a pruned one that may have lost
            some of it already; None takes ``graph``.
        work: Folder of the search; one that was interrupted goes on there.
        reporter: Told how far it is.

    Raises:
        UnsupportedOpError: Nothing in the graph multiplies, or the engine lacks an operator of it.
        InputError: The task's data cannot be used.

    Cost: one quantization and a pass over the scanned examples for each group and method.
    """
    config, graph = config or MixedConfig(), with_names(graph)
    config = replace(config, engine=config.engine.settled())
    settings = task_key(task) | {"graph": graph.digest, "mixed": asdict(config)}
    run = Run(work, settings if original is None else settings | {"original": original.digest})
    groups = groups_of(graph.model.graph, config.grouping, config.most_groups)
    scanned = scan(graph, task, groups, config, run, reporter)
    judge = Judge(graph, task, task.split("valid"), config.engine, original)
    points = _Points(graph, task, config, judge, run, reporter)
    points.add(FLOAT, {})
    for name, choice in _uniform(graph, groups, scanned, config.methods):
        points.add(name, choice)
    _bisect(points, [_by_node(choice, groups) for choice in path(scanned.forms())], config)
    measured = points.timed()
    return MixedResult(groups, scanned, measured, choose(measured, config.floor))


def choose(points: Sequence[Point], floor_points: float) -> Point:
    """Return the point above the floor that gains most; floating point where none is faster for sure.

    Points are compared by their gain on floating point in their own rounds: not all fit into one run of these, and
    from run to run a machine is not equally fast.
    """
    floating = next(point for point in points if point.name == FLOAT)
    good = [point for point in points if point is not floating and point.passes(floor_points)]
    faster = [point for point in good if point.speedup.low > 1]
    return max(faster, key=lambda point: (point.speedup.value, -point.size_bytes), default=floating)


def _uniform(
    graph: ComputeGraph, groups: Sequence[Group], scanned: Scan, methods: Sequence[Method]
) -> list[tuple[str, dict[str, Method]]]:
    """Return the mixtures that need no search: one method wherever it can be, with and without float ends."""
    nodes = {group.name: group.nodes for group in groups}
    ends = {node.name for node in (multiplying(graph.model.graph)[0], multiplying(graph.model.graph)[-1])}
    found = []
    for method in methods:
        possible = [effect.group for effect in scanned.effects if effect.method == method]
        everywhere: dict[str, Method] = {node: method for name in possible for node in nodes[name]}
        inner = {node: method for node in everywhere if node not in ends}
        found += [(f"{method} everywhere", everywhere), (f"{method}, float ends", inner)]
    return [(name, choice) for name, choice in found if choice]


def _bisect(points: "_Points", mixtures: Sequence[dict[str, Method]], config: MixedConfig) -> None:
    """Judge mixtures until the earliest above the floor is known; noise falls along the list."""
    low, high = 0, len(mixtures) - 1  # the last one is floating point
    for number in range(config.most_points):
        if low >= high:
            return
        at = low if number == 0 else (low + high) // 2
        good = points.add(f"mixture {at}", mixtures[at])
        low, high = (low, at) if good else (at + 1, high)


def _by_node(choice: Choice, groups: Sequence[Group]) -> dict[str, Method]:
    found: dict[str, Method] = {}
    for group in groups:
        method = choice.get(group.name)
        if method is not None:
            found |= dict.fromkeys(group.nodes, method)
    return found


class _Points:
    """Mixtures that are made, judged and, in the end, timed."""

    def __init__(
        self,
        graph: ComputeGraph,
        task: Task,
        config: MixedConfig,
        judge: Judge,
        run: Run,
        reporter: Reporter,
    ) -> None:
        self._graph, self._task, self._config = graph, task, config
        self._judge, self._run, self._reporter = judge, run, reporter
        self._made: dict[str, tuple[dict[str, Method], Facts, Path]] = {}
        self._tried = 0

    def add(self, name: str, choice: dict[str, Method]) -> bool:
        """Make and judge a mixture, unless it is known; tell whether it stays above the floor."""
        known = next((facts for other, facts, _ in self._made.values() if other == choice), None)
        if known is None:
            step = f"point-{self._tried}"
            self._tried += 1
            known = self._run.step(step, partial(self._make, choice))
            if not known["why"]:
                self._made[name] = choice, known, self._run.folder(step) / _GRAPH
            told = known["why"] or _shown(known)
            self._reporter.line(f"{name}: {told}")
        if known["why"]:
            return False
        return bool(known["difference"]["low"] * 100 >= -self._config.floor)

    def timed(self) -> tuple[Point, ...]:
        """Time all of them, and return them in the order in which they were made."""
        facts = self._run.step("latency", lambda _: self._times())
        return tuple(
            Point(
                name,
                choice,
                judged["sqnr_db"],
                Interval(**judged["difference"]),
                judged["size_bytes"],
                Latency(tuple(facts[name]["samples_ms"]), facts[name]["calls_per_sample"]),
                Interval(**facts[name]["speedup"]),
                graph,
            )
            for name, (choice, judged, graph) in self._made.items()
        )

    def _make(self, choice: dict[str, Method], folder: Path) -> Facts:
        try:
            mixed = mix(self._graph, self._task.split("train"), choice, self._config.scheme)
            sqnr_db, difference = self._judge(mixed)
        except (UnsupportedOpError, BackendError) as error:
            return {"why": error.message}
        mixed.save(folder / _GRAPH)
        size = (folder / _GRAPH).stat().st_size
        return {"why": "", "sqnr_db": sqnr_db, "difference": asdict(difference), "size_bytes": size}

    def _times(self) -> Facts:
        valid = self._task.split("valid")
        rows = valid.take(np.arange(self._config.engine.batch) % len(valid))
        graphs = {name: partial(ComputeGraph, graph) for name, (_, _, graph) in self._made.items()}
        told = partial(self._reporter.progress, "latency of mixtures")
        return {
            name: asdict(now) | {"speedup": asdict(ratio(before, now))}
            for name, (now, before) in time_all(graphs, self._graph, rows, self._config.engine, told).items()
        }


def _shown(facts: Facts) -> str:
    low, high = facts["difference"]["low"] * 100, facts["difference"]["high"] * 100
    return f"{facts['sqnr_db']:.1f} dB, {low:+.2f} to {high:+.2f} points"
