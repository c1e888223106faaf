"""The compressing stretch of the road: prune, quantize, measure every candidate, choose from the front."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.compress.measure import FLOAT, Option, measure, read_options
from burnish.compress.network import check_model, data_digests
from burnish.compress.prune import Cut, PruneConfig, prune
from burnish.compress.quantize import QuantScheme, quantize
from burnish.compress.reporter import Progress, Reporter
from burnish.errors import BudgetError, InputError
from burnish.evaluate.latency import BenchConfig
from burnish.evaluate.task import Task, check_task
from burnish.files import sha256_bytes, write_atomic
from burnish.graph.capture import capture
from burnish.pareto import pareto_front
from burnish.resume import Facts, Run
from burnish.runtime.machine import fingerprint
from burnish.runtime.resolve import resolve

BEST, RESULT = "best.onnx", "result.json"


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
        if len(set(self.backends)) < len(self.backends):
            raise ValueError(f"backends names an engine twice: {', '.join(self.backends)}")
        if self.floor_points < 0:
            raise ValueError(f"floor_points must be at least 0, got {self.floor_points}")


@dataclass(frozen=True, slots=True)
class CompressResult:
    """Everything that was tried."""

    options: tuple[Option, ...]
    front: tuple[Option, ...]
    """Options that no other beats in latency, size and lower end of the valid difference at once."""
    chosen: Option
    cuts: tuple[Cut, ...]
    """Every pruning step, refused ones included."""


def compress(
    model: nn.Module,
    task: Task,
    config: CompressConfig,
    work: Path,
    *,
    notify: Callable[[str], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> CompressResult:
    """Prune and quantize a trained model, measure every candidate, and choose the fastest that is good enough.

    Args:
        model: The trained float model, as the task builds it; its weights are not changed.
        task: Data, loss and score.
        config: What to try.
        work: Folder of the run. A run that was interrupted goes on there where it stopped. It ends with
            ``result.json``, which holds every number, and ``best.onnx``, the chosen candidate.
        notify: Told what happens, in a line.
        on_progress: Told how far a stage is.

    Raises:
        BudgetError: No candidate passes the floor; the text says by how much the best one misses it. What was
            reached stays in ``work``; there is no ``best.onnx`` then.
        InputError: The task's data or its network cannot be used.
        NotFoundError: There is no such engine.
        MissingExtraError: An engine is not installed.
        UnsupportedDeviceError: An engine does not run on this machine's processor.
    """
    check_engines(config)
    check_task(task)
    model.eval()
    check_model(model, task)
    reporter = Reporter(notify, on_progress)
    facts: dict[str, Any] = {"task": task.name, "data": data_digests(task), "weights": _digest(model)}
    facts |= {"prune": asdict(config.prune), "quantize": asdict(config.quantize)}
    run = Run(work, facts)
    cuts = prune(model, task, config.prune, run, reporter=reporter)
    files = _export(model, task, config.quantize, run, cuts, reporter)
    # other engines or rounds ask for other measurements, not for other networks
    facts |= {"files": list(files), "backends": config.backends, "bench": asdict(config.bench)}
    measured = Run(work, facts).step(
        "measure", lambda _: measure(task, files, config.backends, config.bench, reporter)
    )
    options = read_options(measured, files)
    front = tuple(pareto_front(options, _objectives))
    return _conclude(options, front, tuple(cuts), task, config, work)


def check_engines(config: CompressConfig) -> None:
    """Raise the error of the first engine that cannot measure here, before time is spent.

    Raises:
        NotFoundError: There is no such engine.
        MissingExtraError: It is not installed.
        UnsupportedDeviceError: It does not run on this machine's processor.
    """
    for backend in config.backends:
        resolve("cpu", backend)


def choose(options: Sequence[Option], floor_points: float) -> Option:
    """Return the fastest option among those that stay above the floor by the lower end of their difference.

    The float model is its own reference and always allowed: it is chosen when no compressed one is faster.

    Raises:
        BudgetError: No compressed option passes; the text says by how much the best misses.
    """
    compressed = [o for o in options if o.candidate != FLOAT]
    good = [o for o in compressed if o.valid_difference.low * 100 >= -floor_points]
    if good:
        floats = [o for o in options if o.candidate == FLOAT]
        return min((*good, *floats), key=lambda o: (o.latency.median_ms, o.size_bytes))
    if not compressed:
        raise InputError("there is no compressed option to choose from")
    best = max(compressed, key=lambda o: o.valid_difference.low)
    lost = -best.valid_difference.low * 100
    raise BudgetError(
        f"no candidate stays within {floor_points:g} points of the float model: the best, {best.candidate} on "
        f"{best.backend}, may lose {lost:.2f}, which is {lost - floor_points:.2f} too many",
        hint=f"allow {lost:.2f} points, prune less, or give more validation data to narrow the interval",
    )


def _conclude(
    options: tuple[Option, ...],
    front: tuple[Option, ...],
    cuts: tuple[Cut, ...],
    task: Task,
    config: CompressConfig,
    work: Path,
) -> CompressResult:
    """Choose, and leave the result and the file of the chosen one in the folder of the run."""
    record = partial(_record, options, front, cuts, task, config)
    try:
        chosen = choose(options, config.floor_points)
    except BudgetError as error:
        (work / BEST).unlink(missing_ok=True)
        write_atomic(work / RESULT, _json(record() | {"chosen": None, "missed": error.message}))
        raise BudgetError(
            error.message, hint=f"{error.hint}; all that was measured is in {work / RESULT}"
        ) from error
    write_atomic(work / BEST, chosen.graph.read_bytes())
    facts = {"chosen": {"candidate": chosen.candidate, "backend": chosen.backend}, "missed": ""}
    write_atomic(work / RESULT, _json(record() | facts))
    return CompressResult(options, front, chosen, cuts)


def _export(
    model: nn.Module, task: Task, scheme: QuantScheme, run: Run, cuts: Sequence[Cut], reporter: Reporter
) -> dict[str, Path]:
    """Export the float model and every accepted cut, each also as INT8; return the files by name."""
    networks: dict[str, Callable[[], nn.Module]] = {FLOAT: lambda: model}
    networks |= {f"pruned-{cut.ratio * 100:g}": partial(cut.restore, task) for cut in cuts if cut.accepted}
    example = task.split("valid").take(np.arange(2)).inputs

    def export(network: Callable[[], nn.Module], folder: Path) -> Facts:
        graph = capture(network(), example, output_names=task.output_names)
        graph.save(folder / "float.onnx")
        quantize(graph, task.split("train"), scheme).save(folder / "int8.onnx")
        return {}

    files: dict[str, Path] = {}
    for done, (name, network) in enumerate(networks.items(), start=1):
        folder = run.folder(f"export-{name}")
        run.step(folder.name, partial(export, network))
        files[name] = folder / "float.onnx"
        files["int8" if name == FLOAT else f"{name}-int8"] = folder / "int8.onnx"
        reporter.progress("export and quantize", done, len(networks))
    return files


def _objectives(option: Option) -> tuple[float, ...]:
    return option.latency.median_ms, float(option.size_bytes), -option.valid_difference.low


def _record(
    options: Sequence[Option],
    front: Sequence[Option],
    cuts: Sequence[Cut],
    task: Task,
    config: CompressConfig,
) -> dict[str, Any]:
    on_front = {(option.candidate, option.backend) for option in front}
    return {
        "task": task.name,
        "config": asdict(config),
        "machine": asdict(fingerprint()),
        "options": [
            asdict(o)
            | {
                "graph": str(o.graph),
                "latency": asdict(o.latency.median) | {"samples": o.latency.samples_ms, "unit": "ms"},
                "on_front": (o.candidate, o.backend) in on_front,
            }
            for o in options
        ],
        "cuts": [asdict(cut) | {"folder": str(cut.folder)} for cut in cuts],
    }


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, indent=2).encode()


def _digest(model: nn.Module) -> str:
    """Return a digest of the weights, so that a run is not resumed with another model."""
    parts = (tensor.detach().cpu().numpy().tobytes() for tensor in model.state_dict().values())
    return sha256_bytes(b"".join(parts))
