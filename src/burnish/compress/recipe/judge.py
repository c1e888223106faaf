"""The score of a candidate's own file on every engine: what a format or an engine does shows only there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from burnish.compress.quantize.kernels import integer_kernels
from burnish.compress.recipe.candidates import FLOAT, Candidate
from burnish.compress.recipe.folder import RunFolder, file_digest
from burnish.compress.reporter import Row, format_figure
from burnish.errors import BackendError, InputError, NotFoundError, UnsupportedOpError
from burnish.evaluate.accuracy import Interval, paired_difference, proportion_interval
from burnish.evaluate.answers import answers
from burnish.evaluate.hooks import figures
from burnish.evaluate.task import Split, SplitName, Task, not_finite, score
from burnish.files import atomic_writer
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.resume import Facts
from burnish.runtime.machine import fingerprint
from burnish.runtime.session import CheckedSession, open_session

_BATCH = 128
_SCORES = "scores.npz"
_SPLITS: tuple[SplitName, ...] = ("valid", "test")

Figures = Mapping[str, float | None]
"""Further figures of a task by name, such as a correlation; None where one is not finite."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The multiplying kernels that an engine runs for a file, by its own account."""

    integer: int
    floating: int
    floating_nodes: tuple[str, ...]
    """Names of those that multiply floating-point numbers."""

    def __str__(self) -> str:
        return f"{self.integer} of {self.integer + self.floating}"


@dataclass(frozen=True, slots=True)
class EngineScore:
    """What a candidate is worth on one engine."""

    valid: Interval
    """Score on the valid split, which chooses."""
    valid_difference: Interval
    """Valid score minus that of the float model on the same engine, paired by example."""
    test: Interval
    """Score on the test split, which reports."""
    test_difference: Interval
    """Test score minus the float model's, paired by example."""
    kernels: Kernels | None = None
    """Of a quantized file, where the engine tells them."""
    figures: Mapping[SplitName, Figures] = field(default_factory=dict)
    """What the task tells beside its score, by split; empty where it tells nothing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate, what it is worth, and what it weighs."""

    candidate: Candidate
    engines: Mapping[str, EngineScore]
    refused: Mapping[str, str]
    """Engines that cannot run the file, or answer with numbers that are not finite, and why."""
    size_bytes: int
    parameters: int
    """Of the network, in whatever format it is stored."""
    macs: int
    """Multiply-adds of one example, whatever numbers they multiply."""

    @property
    def lowest(self) -> float:
        """Lower end of the difference in valid score, on the engine where it is best; -1 where none runs it."""
        return max((one.valid_difference.low for one in self.engines.values()), default=-1.0)


class Judge:
    """Scores files on engines, each once.

    Args:
        folder: Of the run; answers for every example stay there.
        backends: Engines.
    """

    def __init__(self, folder: RunFolder, backends: Sequence[str]) -> None:
        self._folder = folder
        self._backends = tuple(backends)
        self._networks: dict[str, tuple[int, int]] = {}
        self._base: tuple[str, Mapping[str, Array]] | None = None

    def __call__(self, candidate: Candidate) -> Judged:
        """Score a candidate; the first must be the float model.

        Raises:
            InputError: An engine cannot run the float model, or its outputs are not finite; or the task cannot score
            what comes out.
        """
        graph = ComputeGraph(candidate.graph)
        digest = file_digest(candidate.graph)
        base_digest, base = self._base or (digest, None)

        def work(place: Path) -> Facts:
            return _score_engines(self._folder.task, candidate, graph, self._backends, base, place)

        found = self._folder.step(
            f"score-{candidate.name}",
            work,
            graph=digest,
            base=base_digest,
            backends=self._backends,
            machine=asdict(fingerprint()),  # where products of integers saturate, answers differ
        )
        if self._base is None:
            self._base = (digest, _load(found.folder / _SCORES))
        if candidate.name == candidate.network:
            sizes = _example_sizes(self._folder.task, graph)
            self._networks[candidate.name] = graph.parameters, graph.cost(sizes=sizes).macs
        parameters, macs = self._networks[candidate.network]
        judged = Judged(
            candidate,
            {name: _engine_score(facts) for name, facts in found.facts["engines"].items()},
            found.facts["refused"],
            graph.size_bytes,
            parameters,
            macs,
        )
        self._tell(judged)
        return judged

    def _tell(self, judged: Judged) -> None:
        for backend, one in judged.engines.items():
            self._folder.reporter.row(
                Row(
                    step=judged.candidate.made_by,
                    what=f"{judged.candidate.name} on {backend}",
                    score=one.valid.value,
                    difference=None if judged.candidate.name == FLOAT else one.valid_difference,
                    parameters=judged.parameters,
                    macs=judged.macs,
                    size_bytes=judged.size_bytes,
                    verdict=_verdict(one),
                )
            )
        for backend, reason in judged.refused.items():
            self._folder.reporter.line(f"{judged.candidate.name}: refused on {backend}: {reason}")


def _score_engines(
    task: Task,
    candidate: Candidate,
    graph: ComputeGraph,
    backends: Sequence[str],
    base: Mapping[str, Array] | None,
    place: Path,
) -> Facts:
    scores: dict[str, Array] = {}
    further: dict[str, dict[SplitName, Figures]] = {}
    refused: dict[str, str] = {}
    for backend in backends:
        try:
            with open_session(graph, backend=backend) as session:
                found: dict[SplitName, Figures] = {}
                for name in _SPLITS:
                    scores[f"{backend}/{name}"], found[name] = _scores(task, session, task.split(name))
                further[backend] = found
        except (BackendError, UnsupportedOpError) as error:
            if base is None:
                raise InputError(
                    f"{backend} cannot run the float model: {error.message}",
                    hint=f"leave {backend} out of the backends",
                ) from error
            refused[backend] = error.message
    with atomic_writer(place / _SCORES) as stream:
        np.savez_compressed(stream, **scores)  # type: ignore[arg-type]  # no score has the name of an option
    usual = scores if base is None else base
    engines = {backend: _accuracy(backend, scores, usual) for backend in backends if backend not in refused}
    for backend in engines:
        engines[backend]["figures"] = further[backend]
        if _is_quantized(graph):
            engines[backend]["kernels"] = _kernels(graph, backend)
    return {"candidate": candidate.name, "engines": engines, "refused": refused}


def _accuracy(backend: str, scores: Mapping[str, Array], base: Mapping[str, Array]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for split in _SPLITS:
        key = f"{backend}/{split}"
        mine = scores[key]
        facts[split] = asdict(proportion_interval(float(mine.sum()), len(mine)))
        facts[f"{split}_difference"] = asdict(paired_difference(base[key], mine))
    return facts


def _engine_score(facts: Mapping[str, Any]) -> EngineScore:
    told = facts.get("kernels")
    intervals = {name: Interval(**facts[name]) for name in facts if name not in ("kernels", "figures")}
    kernels = Kernels(told["integer"], told["floating"], tuple(told["floating_nodes"])) if told else None
    return EngineScore(**intervals, kernels=kernels, figures=facts["figures"])


def _is_quantized(graph: ComputeGraph) -> bool:
    """Tell whether a graph holds integers for what it multiplies, in the form of any of the engines."""
    return any("Quantize" in name or "Integer" in name or name == "MatMulNBits" for name in graph.operators())


def _kernels(graph: ComputeGraph, backend: str) -> dict[str, Any] | None:
    try:
        found = integer_kernels(graph, backend)
    except NotFoundError:  # an engine that does not tell
        return None
    integer, floating = sum(found.integer.values()), sum(found.floating.values())
    return asdict(Kernels(integer, floating, found.floating_nodes))


def _scores(task: Task, session: CheckedSession, split: Split) -> tuple[Array, Figures]:
    outputs = answers(task, split, lambda batch: session.run(batch.inputs), batch_size=_BATCH)
    found = not_finite(outputs)
    if found:  # narrow numbers overflow: that is this file's fault, and the run goes on
        raise BackendError(f"its output {found} of the split")
    scores, further = score(task, outputs, split.labels), figures(task, outputs, split.labels)
    return scores, {name: value if math.isfinite(value) else None for name, value in further.items()}


def _verdict(one: EngineScore) -> str:
    further = [f"{name} {format_figure(value)}" for name, value in one.figures.get("valid", {}).items()]
    return ", ".join([*further, *([f"{one.kernels} kernels integer"] if one.kernels is not None else [])])


def _load(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _example_sizes(task: Task, graph: ComputeGraph) -> dict[str, int]:
    """Return the sizes of the symbolic dimensions behind the batch, as the task's examples have them."""
    one = task.split("valid").take(np.arange(1)).inputs
    return {
        dim: one[spec.name].shape[axis]
        for spec in graph.signature.inputs
        for axis, dim in enumerate(spec.shape)
        if axis and isinstance(dim, str)
    }
