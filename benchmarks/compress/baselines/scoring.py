"""The one way in which every file is scored and timed, whoever made it: burnish's own measurements."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from candidates import size_bytes

from burnish.errors import BurnishError
from burnish.evaluate.accuracy import Floats, Interval, paired_difference, proportion_interval
from burnish.evaluate.latency import BenchConfig, Latency, Progress, benchmark
from burnish.evaluate.task import Split, Task, score
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.resolve import resolve
from burnish.runtime.session import open_session

FLOAT = "float"
_BATCH = 128


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to measure."""

    tool: str
    name: str
    file: Path
    how: str = ""
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One file on one engine."""

    entry: Entry
    engine: str
    test: Interval
    difference: Interval
    """Test score minus the float model's on the first engine, paired by example."""
    latency: Latency
    size_bytes: int
    scores: Floats = field(repr=False)
    """Of the test examples, in order."""

    @property
    def label(self) -> str:
        """Name that tells it from all others."""
        return f"{self.entry.tool} {self.entry.name} on {self.engine}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that an engine does not run."""

    entry: Entry
    engine: str
    error: str


class OpenVinoFile(ComputeGraph):
    """A model in OpenVINO's own form, with the inputs and outputs of the float model that it was made of."""

    def __init__(self, file: Path, float_model: ComputeGraph) -> None:
        super().__init__(float_model.model)
        self._file = file

    @contextmanager
    def engine_source(self) -> Iterator[bytes | Path]:
        """Give the engine its file."""
        yield self._file


def measure(
    task: Task,
    entries: Sequence[Entry],
    engines: Sequence[str],
    bench: BenchConfig,
    *,
    batch: int = 1,
    progress: Progress | None = None,
) -> tuple[list[Measured], list[Broken]]:
    """Score and time every file on every engine that reads it; latencies are taken in the same rounds.

    Args:
        task: Data and score.
        entries: Files; the one named ``float`` is the reference.
        engines: By name; OpenVINO's form is for ``openvino`` alone.
        bench: How latency is measured.
        batch: Examples a timed call.
        progress: Told after each round.
    """
    float_model = ComputeGraph(next(e.file for e in entries if e.name == FLOAT))
    broken: list[Broken] = []
    sessions: dict[tuple[int, str], CheckedSession] = {}
    scores: dict[tuple[int, str], Floats] = {}
    test = task.split("test")
    with ExitStack() as stack:
        for index, entry in enumerate(entries):
            for engine in engines:
                if entry.file.suffix == ".xml" and engine != "openvino":
                    continue
                try:
                    session = open_file(entry.file, float_model, engine)
                    scores[index, engine] = score_split(task, session, test)
                except BurnishError as error:
                    broken.append(Broken(entry, engine, str(error)))
                    continue
                sessions[index, engine] = stack.enter_context(session)
        example = test.take(np.arange(batch)).inputs
        calls = {f"{index} {engine}": partial(s.run, example) for (index, engine), s in sessions.items()}
        latencies = benchmark(calls, bench, on_round=progress)
    reference = next(scores[i, engines[0]] for i, entry in enumerate(entries) if entry.name == FLOAT)
    found = [
        Measured(
            entries[index],
            engine,
            proportion_interval(float(mine.sum()), len(mine)),
            paired_difference(reference, mine),
            latencies[f"{index} {engine}"],
            size_bytes(entries[index].file),
            mine,
        )
        for (index, engine), mine in scores.items()
    ]
    return found, broken


def open_file(file: Path, float_model: ComputeGraph, engine: str) -> CheckedSession:
    """Open a file on an engine, with the settings that burnish gives it."""
    if file.suffix != ".xml":
        return open_session(ComputeGraph(file), backend=engine)
    graph = OpenVinoFile(file, float_model)
    backend = resolve("cpu", engine)
    inner = backend.open(graph, device="cpu", options=SessionOptions())
    return CheckedSession(
        graph, inner, backend=engine, device="cpu", device_tensors=backend.spec.device_tensors
    )


def score_split(task: Task, session: CheckedSession, split: Split) -> Floats:
    """Return a file's score for every example."""
    parts: list[Mapping[str, Array]] = [session.run(part.inputs) for part in split.batches(_BATCH)]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return score(task, outputs, split.labels)
