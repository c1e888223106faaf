"""The compressing stretch of the road: prune, quantize, measure every candidate, choose from the front."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.compress.prune import Cut, PruneConfig, prune
from burnish.compress.quantize import QuantScheme, quantize
from burnish.errors import BudgetError, InputError
from burnish.evaluate.accuracy import Interval, paired_difference, proportion_interval
from burnish.evaluate.latency import BenchConfig, Latency, benchmark, ratio
from burnish.evaluate.pareto import pareto_front
from burnish.evaluate.task import Split, Task
from burnish.files import sha256_bytes
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.signature import Array
from burnish.resume import Facts, Run
from burnish.runtime.session import CheckedSession, open_session

Notify = Callable[[str], None]

_BATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressConfig:
    """What to try, and how good it must stay."""

    prune: PruneConfig = field(default_factory=PruneConfig)
    """Channel pruning."""
    quantize: QuantScheme = field(default_factory=QuantScheme)
    """Quantization to INT8."""
    bench: BenchConfig = field(default_factory=BenchConfig)
    """How latency is measured."""
    backends: tuple[str, ...] = ("onnxruntime", "openvino")
    """Engines that every candidate is measured on."""
    floor_points: float = 1.0
    """Points of the valid score that the chosen candidate may lose, by the interval's lower end."""

    def __post_init__(self) -> None:
        if not self.backends:
            raise ValueError("backends must name at least one engine")


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


@dataclass(frozen=True, slots=True)
class CompressResult:
    """Everything that was tried."""

    options: tuple[Option, ...]
    front: tuple[Option, ...]
    """Options that no other beats in latency, size and valid score at once."""
    chosen: Option
    cuts: tuple[Cut, ...]
    """Every pruning step, refused ones included."""


def compress(
    model: nn.Module,
    task: Task,
    config: CompressConfig,
    work: Path,
    *,
    notify: Notify | None = None,
) -> CompressResult:
    """Prune and quantize a trained model, measure every candidate, and choose the fastest that is good enough.

    Args:
        model: The trained float model; not changed.
        task: Data, loss and score.
        config: What to try.
        work: Folder of the run. A run that was interrupted goes on there where it stopped.
        notify: Told what happens, in a line.

    Raises:
        BudgetError: No candidate passes the floor; the text says by how much the best one misses it. What was
            reached stays in ``work``.
        MissingExtraError: An engine is not installed.
    """
    notify = notify or (lambda _: None)
    run = Run(work, {"task": task.name, "config": asdict(config), "weights": _digest(model)})
    cuts = prune(model, task, config.prune, run, notify=notify)
    graphs = _candidates(model, task, config, run, cuts, notify)
    facts = run.step("measure", lambda _: _measure(task, graphs, config, notify))
    options = tuple(_option(item, graphs) for item in facts["options"])
    front = tuple(pareto_front(options, lambda o: (o.latency.median_ms, float(o.size_bytes), -o.valid.value)))
    return CompressResult(options, front, choose(front, config.floor_points), tuple(cuts))


def choose(options: Sequence[Option], floor_points: float) -> Option:
    """Return the fastest option whose valid difference stays above the floor by its lower end.

    Raises:
        BudgetError: There is none; the text says by how much the best misses.
    """
    good = [o for o in options if o.valid_difference.low * 100 >= -floor_points]
    if good:
        return min(good, key=lambda o: o.latency.median_ms)
    best = max(options, key=lambda o: o.valid_difference.low)
    lost = -best.valid_difference.low * 100
    raise BudgetError(
        f"no candidate stays within {floor_points:g} points of the float model: the best, {best.candidate} on "
        f"{best.backend}, may lose {lost:.2f}",
        hint=f"allow {lost:.2f} points, prune less, or give more validation data to narrow the interval",
    )


def _candidates(
    model: nn.Module, task: Task, config: CompressConfig, run: Run, cuts: Sequence[Cut], notify: Notify
) -> dict[str, Path]:
    """Export the float model and every accepted cut, each also as INT8; return the files by name."""
    networks: dict[str, Callable[[], nn.Module]] = {"float": lambda: model}
    for cut in cuts:
        if cut.accepted:
            networks[f"pruned-{cut.ratio * 100:g}"] = lambda cut=cut: cut.restore(task)  # type: ignore[misc]
    example = task.split("valid").take(np.arange(2)).inputs
    files: dict[str, Path] = {}
    for name, network in networks.items():

        def export(folder: Path, network: Callable[[], nn.Module] = network) -> Facts:
            graph = capture(network(), example, output_names=task.output_names)
            graph.save(folder / "float.onnx")
            quantize(graph, task.split("train"), config.quantize).save(folder / "int8.onnx")
            return {}

        notify(f"export and quantize {name}")
        run.step(f"export-{name}", export)
        files[name] = run.folder(f"export-{name}") / "float.onnx"
        files["int8" if name == "float" else f"{name}-int8"] = run.folder(f"export-{name}") / "int8.onnx"
    return files


def _measure(task: Task, files: Mapping[str, Path], config: CompressConfig, notify: Notify) -> Facts:
    splits = {name: task.split(name) for name in ("valid", "test")}
    graphs = {name: ComputeGraph(path) for name, path in files.items()}
    names = [(candidate, backend) for candidate in graphs for backend in config.backends]
    sessions = {key: open_session(graphs[key[0]], backend=key[1]) for key in names}
    try:
        notify(f"score {len(names)} candidates and engines")
        scores = {
            key: {split: _scores(task, session, data) for split, data in splits.items()}
            for key, session in sessions.items()
        }
        notify("measure latency, interleaved")
        one = dict(splits["valid"].take(np.arange(1)).inputs)
        latencies = benchmark(
            {"/".join(key): (lambda s=session: s.run(one)) for key, session in sessions.items()},  # type: ignore[misc]
            config.bench,
        )
    finally:
        for session in sessions.values():
            session.close()
    reference = latencies[f"float/{config.backends[0]}"]
    return {
        "options": [
            {
                "candidate": candidate,
                "backend": backend,
                **_accuracy(scores[candidate, backend], scores["float", backend]),
                "latency": asdict(latencies[f"{candidate}/{backend}"]),
                "speedup": asdict(ratio(reference, latencies[f"{candidate}/{backend}"])),
                "size_bytes": graphs[candidate].size_bytes,
                "parameters": graphs[candidate].parameters,
                "macs": graphs[candidate].cost().macs,
            }
            for candidate, backend in names
        ]
    }


def _accuracy(mine: Mapping[str, Array], base: Mapping[str, Array]) -> dict[str, Any]:
    facts = {}
    for split, scores in mine.items():
        facts[split] = asdict(proportion_interval(float(scores.sum()), len(scores)))
        facts[f"{split}_difference"] = asdict(paired_difference(base[split], scores))
    return facts


def _scores(task: Task, session: CheckedSession, split: Split) -> Array:
    parts = [session.run(batch.inputs) for batch in split.batches(_BATCH)]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    scores = task.scores(outputs, split.labels)
    if not np.isfinite(scores).all():
        raise InputError(f"task {task.name!r}: scores must be finite numbers in [0, 1]")
    return scores


def _option(facts: Mapping[str, Any], files: Mapping[str, Path]) -> Option:
    latency = Latency(tuple(facts["latency"]["samples_ms"]), facts["latency"]["calls_per_sample"])
    read: dict[str, Any] = dict(facts) | {"graph": files[facts["candidate"]], "latency": latency}
    for key in ("valid", "valid_difference", "test", "test_difference", "speedup"):
        read[key] = Interval(**facts[key])
    return Option(**read)


def _digest(model: nn.Module) -> str:
    """Return a digest of the weights, so that a run is not resumed with another model."""
    parts = (tensor.detach().cpu().numpy().tobytes() for tensor in model.state_dict().values())
    return sha256_bytes(b"".join(parts))
