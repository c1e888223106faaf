"""Every candidate on every engine: the score of the file itself, its size, cost and latency."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from burnish.compress.reporter import Reporter
from burnish.evaluate.accuracy import Interval, paired_difference, proportion_interval
from burnish.evaluate.latency import BenchConfig, Latency, benchmark, ratio
from burnish.evaluate.task import Split, Task, score
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.resume import Facts
from burnish.runtime.session import CheckedSession, open_session

FLOAT = "float"
"""Name of the uncompressed candidate, which the others are compared with."""

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Option:
    """One candidate on one engine, as measured."""

    candidate: str
    backend: str
    graph: Path
    """ONNX file."""
    valid: Interval
    """Score on the valid split, which chooses."""
    valid_difference: Interval
    """Valid score minus that of the float model on the same engine, paired by example."""
    test: Interval
    """Score on the test split, which reports."""
    test_difference: Interval
    """Test score minus the float model's, paired by example."""
    latency: Latency
    """Of a batch of one."""
    speedup: Interval
    """Times faster than the float model on the first engine, in the same rounds."""
    size_bytes: int
    parameters: int
    macs: int
    """Multiply-adds of one example."""


def measure(
    task: Task,
    files: Mapping[str, Path],
    backends: Sequence[str],
    bench: BenchConfig,
    reporter: Reporter,
) -> Facts:
    """Measure ONNX files, one of them named ``float``, on every engine.

    Returns:
        Plain data, which `read_options` turns into options.
    """
    graphs = {name: ComputeGraph(path) for name, path in files.items()}
    pairs = [(candidate, backend) for candidate in graphs for backend in backends]
    with ExitStack() as stack:
        sessions = {
            (candidate, backend): stack.enter_context(open_session(graphs[candidate], backend=backend))
            for candidate, backend in pairs
        }
        scores = _score_all(task, sessions, reporter)
        latencies = _time_all(task, sessions, bench, reporter)
    reference = latencies[FLOAT, backends[0]]
    return {
        "options": [
            {
                "candidate": candidate,
                "backend": backend,
                **_accuracy(scores[candidate, backend], scores[FLOAT, backend]),
                "latency": asdict(latencies[candidate, backend]),
                "speedup": asdict(ratio(reference, latencies[candidate, backend])),
                "size_bytes": graphs[candidate].size_bytes,
                "parameters": graphs[candidate].parameters,
                "macs": graphs[candidate].cost().macs,
            }
            for candidate, backend in pairs
        ]
    }


def read_options(facts: Facts, files: Mapping[str, Path]) -> tuple[Option, ...]:
    """Return the options that `measure` described."""
    return tuple(_option(item, files) for item in facts["options"])


Key = tuple[str, str]
Sessions = Mapping[Key, CheckedSession]


def _score_all(task: Task, sessions: Sessions, reporter: Reporter) -> dict[Key, dict[str, Array]]:
    splits = {"valid": task.split("valid"), "test": task.split("test")}
    scores: dict[Key, dict[str, Array]] = {}
    for key, session in sessions.items():
        scores[key] = {name: _scores(task, session, split) for name, split in splits.items()}
        reporter.progress("score", len(scores), len(sessions))
    return scores


def _time_all(task: Task, sessions: Sessions, bench: BenchConfig, reporter: Reporter) -> dict[Key, Latency]:
    one = task.split("valid").take(np.arange(1)).inputs
    contenders = {"/".join(key): partial(session.run, one) for key, session in sessions.items()}
    measured = benchmark(
        contenders, bench, on_round=partial(reporter.progress, "measure latency, interleaved")
    )
    return {key: measured["/".join(key)] for key in sessions}


def _accuracy(mine: Mapping[str, Array], base: Mapping[str, Array]) -> dict[str, Any]:
    facts = {}
    for split, scores in mine.items():
        facts[split] = asdict(proportion_interval(float(scores.sum()), len(scores)))
        facts[f"{split}_difference"] = asdict(paired_difference(base[split], scores))
    return facts


def _scores(task: Task, session: CheckedSession, split: Split) -> Array:
    parts = [session.run(batch.inputs) for batch in split.batches(_BATCH)]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return score(task, outputs, split.labels)


def _option(facts: Mapping[str, Any], files: Mapping[str, Path]) -> Option:
    latency = Latency(tuple(facts["latency"]["samples_ms"]), facts["latency"]["calls_per_sample"])
    read: dict[str, Any] = dict(facts) | {"graph": files[facts["candidate"]], "latency": latency}
    for key in ("valid", "valid_difference", "test", "test_difference", "speedup"):
        read[key] = Interval(**facts[key])
    return Option(**read)
