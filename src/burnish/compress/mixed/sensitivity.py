"""What quantizing one group alone costs in accuracy, and what it gains in latency, on the target engine."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from burnish.compress.mixed.config import MixedConfig
from burnish.compress.mixed.groups import Group
from burnish.compress.mixed.judging import Judge, time_all
from burnish.compress.mixed.mixture import mix
from burnish.compress.mixed.path import Form
from burnish.compress.quantize.scheme import Method
from burnish.compress.reporter import Reporter
from burnish.errors import BackendError, UnsupportedOpError
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.latency import Latency, ratio
from burnish.evaluate.task import Task
from burnish.graph import ComputeGraph
from burnish.resume import Facts, Run

_GRAPH = "graph.onnx"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one method does to one group, all others in floating point."""

    group: str
    method: Method
    sqnr_db: float
    """Power of the outputs over that of their error, in decibels."""
    difference: Interval
    """Score minus that of the same graph in floating point, paired by example: what this alone costs."""
    gain_ms: float
    """Latency in floating point less the latency now."""
    speedup: Interval
    """Times faster than in floating point, in the same rounds."""

    def form(self) -> Form:
        """Return the effect as a way to compute; a gain within the measurement's error counts as none."""
        faster = self.speedup.low > 1
        return Form(
            self.method, 10 ** (-self.sqnr_db / 10), -self.gain_ms if faster else max(0.0, -self.gain_ms)
        )


@dataclass(frozen=True, slots=True)
class Scan:
    """The effects of every method on every group."""

    effects: tuple[Effect, ...]
    impossible: Mapping[str, str]
    """Why a method cannot do a group, by ``group / method``."""

    def forms(self) -> dict[str, list[Form]]:
        """Return the ways in which each group can compute, beside floating point."""
        found: dict[str, list[Form]] = {}
        for effect in self.effects:
            found.setdefault(effect.group, []).append(effect.form())
        return found


def scan(
    graph: ComputeGraph,
    task: Task,
    groups: Sequence[Group],
    config: MixedConfig,
    run: Run,
    reporter: Reporter,
) -> Scan:
    """Quantize each group alone by each method, and measure what that does.

    Args:
        graph: Float graph whose nodes have names.
        task: Data and score.
        groups: Of its nodes.
        config: Methods, engine, examples.
        run: Keeps what is done; an interrupted scan goes on there.
        reporter: Told how far it is.
    """
    valid = task.split("valid")
    judge = Judge(graph, task, valid.drawn(config.scan_examples), config.engine)
    trials = [(group, method) for group in groups for method in config.methods]
    found: dict[str, Facts] = {}
    for number, (group, method) in enumerate(trials):
        work = partial(_scan_one, graph, task, group, method, config, judge)
        found[f"scan-{number}-{method}"] = facts = run.step(f"scan-{number}-{method}", work)
        reporter.progress("sensitivity", number + 1, len(trials))
        told = facts["why"] or f"{facts['sqnr_db']:.1f} dB"
        reporter.line(f"{group.name} {method}: {told}")
    made = {
        name: partial(ComputeGraph, run.folder(name) / _GRAPH)
        for name, facts in found.items()
        if not facts["why"]
    }
    times = run.step("scan-latency", lambda _: _times(graph, task, made, config, reporter))
    for name in made:
        (run.folder(name) / _GRAPH).unlink(missing_ok=True)  # only their measurements are needed from now on
    effects, impossible = [], {}
    for (group, method), (name, facts) in zip(trials, found.items(), strict=True):
        if facts["why"]:
            impossible[f"{group.name} / {method}"] = facts["why"]
        else:
            time = times[name]
            effects.append(
                Effect(
                    group.name,
                    method,
                    facts["sqnr_db"],
                    Interval(**facts["difference"]),
                    time["gain_ms"],
                    Interval(**time["speedup"]),
                )
            )
    return Scan(tuple(effects), impossible)


def _scan_one(
    graph: ComputeGraph,
    task: Task,
    group: Group,
    method: Method,
    config: MixedConfig,
    judge: Judge,
    folder: Path,
) -> Facts:
    alone = replace(config.scheme, embedding_bits=32)  # the noise of tables would drown that of a group
    try:
        mixed = mix(graph, task.split("train"), dict.fromkeys(group.nodes, method), alone)
        sqnr_db, difference = judge(mixed)
    except (UnsupportedOpError, BackendError) as error:
        return {"why": error.message}
    mixed.save(folder / _GRAPH)
    return {"why": "", "sqnr_db": sqnr_db, "difference": asdict(difference)}


def _times(
    graph: ComputeGraph, task: Task, made: Mapping[str, Any], config: MixedConfig, reporter: Reporter
) -> Facts:
    valid = task.split("valid")
    rows = valid.take(np.arange(config.engine.batch) % len(valid))
    told = partial(reporter.progress, "latency of each group")
    return {
        name: {"gain_ms": _gain_ms(before, now), "speedup": asdict(ratio(before, now))}
        for name, (now, before) in time_all(made, graph, rows, config.engine, told).items()
    }


def _gain_ms(before: Latency, now: Latency) -> float:
    return before.median_ms - now.median_ms
