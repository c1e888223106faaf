"""The compressing stretch of the road: prune, distil, quantize, fuse, measure every candidate, choose."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from burnish.compress.network import check_model, weights_digest
from burnish.compress.pruning.prune import Cut, check_target, prune
from burnish.compress.recipe import candidates as make
from burnish.compress.recipe.candidates import FLOAT, Candidate, Network
from burnish.compress.recipe.choose import choose, front_of
from burnish.compress.recipe.config import CompressConfig
from burnish.compress.recipe.folder import RunFolder, file_digest
from burnish.compress.recipe.inspection import inspect
from burnish.compress.recipe.judge import Judge, Judged
from burnish.compress.recipe.measure import Measured, Option, measure, read_options
from burnish.compress.recipe.outcome import Inspected, Outcome
from burnish.compress.recipe.report import build_report
from burnish.compress.reporter import Progress, Reporter, Row
from burnish.compress.training.config import binding
from burnish.errors import BudgetError, InputError
from burnish.evaluate.latency import Latency
from burnish.evaluate.report import save
from burnish.evaluate.task import Task, check_task
from burnish.files import write_atomic
from burnish.graph import ComputeGraph
from burnish.runtime.machine import fingerprint
from burnish.runtime.resolve import resolve

BEST, RESULT, REPORT = "best.onnx", "result.json", "report.html"

_INSPECTED = 64
"""Examples that show what quantization does to each tensor."""


@dataclass(frozen=True, slots=True)
class CompressResult:
    """Everything that was tried."""

    options: tuple[Option, ...]
    front: tuple[Option, ...]
    """Options that no other beats in latency, size and lower end of the valid difference at once."""
    chosen: Option
    cuts: tuple[Cut, ...]
    """Every pruning step, refused ones included."""
    eager: Mapping[int, Latency]
    """Latency of the module in PyTorch, by batch size, measured in the same rounds."""


def compress(
    model: nn.Module,
    task: Task,
    config: CompressConfig,
    work: Path,
    *,
    notify: Callable[[str], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> CompressResult:
    """Carry out a recipe on a trained model, measure every candidate, and choose the best that is good enough.

    Args:
        model: The trained float model, as the task builds it; its weights are not changed.
        task: Data, loss and score.
        config: What to try.
        work: Folder of the run. A run that was interrupted goes on there where it stopped. It ends with
            ``result.json``, which holds every number, ``report.html`` and ``best.onnx``, the chosen candidate.
        notify: Told what happens, in a line.
        on_progress: Told how far a stage is.
        on_row: Told what each candidate came to; without it, ``notify`` is.

    Raises:
        BudgetError: No candidate passes the floor; the text says by how much the best one misses it. What was
            reached stays in ``work``; there is no ``best.onnx`` then. Or pruning had to reach a target and missed it;
            then ``best.onnx`` is the best of what was reached.
        InputError: The task's data or its network cannot be used, or no step made a candidate.
        NotFoundError: There is no such engine.
        MissingExtraError: An engine is not installed.
        UnsupportedDeviceError: An engine does not run on this machine's processor.
    """
    config = config.settled()
    check_engines(config)
    check_task(task)
    model.eval()
    check_model(model, task)
    folder = RunFolder(task, work, Reporter(notify, on_progress, on_row))
    (work / BEST).unlink(missing_ok=True)  # what an earlier run chose would pass for this run's choice
    cuts = _prune(model, config, folder)
    judge = Judge(folder, config.backends)
    judged = _candidates(model, cuts, config, folder, judge)
    timed = folder.step(
        "latency",
        lambda _: measure(model, task, judged, config.batches, config.bench, folder.reporter),
        files={one.candidate.name: file_digest(one.candidate.graph) for one in judged},
        backends=config.backends,
        batches=config.batches,
        bench=asdict(config.bench),
        machine=asdict(fingerprint()),
    )
    measured = read_options(timed.facts, judged, config.backends, config.batches)
    result = _conclude(measured, cuts, judged, config, folder)
    if "prune" in config.steps and config.prune.must_reach:
        check_target(cuts, config.prune)
    return result


def check_engines(config: CompressConfig) -> None:
    """Raise the error of the first engine that cannot measure here, before time is spent.

    Those of the steps ``prune`` and ``mixed`` count where the recipe has these steps.

    Raises:
        NotFoundError: There is no such engine.
        MissingExtraError: It is not installed.
        UnsupportedDeviceError: It does not run on this machine's processor.
    """
    settled = config.settled()
    own = {"prune": settled.prune.engine, "mixed": settled.mixed.engine}
    named = [engine.backend for step, engine in own.items() if step in config.steps]
    for backend in dict.fromkeys([*config.backends, *named]):
        resolve("cpu", backend)


def _prune(model: nn.Module, config: CompressConfig, folder: RunFolder) -> tuple[Cut, ...]:
    if "prune" not in config.steps:
        return ()
    # what was reached goes through the other steps first; a miss is told at the end
    settings = replace(config.prune, must_reach=False)
    depends: dict[str, Any] = {"weights": weights_digest(model), "prune": binding(settings)}
    if settings.measure == "latency":  # how much faster a cut is holds where it was timed
        depends["machine"] = asdict(fingerprint())
    run = folder.run(**depends)
    return tuple(prune(model, folder.task, settings, run, reporter=folder.reporter))


def _candidates(
    model: nn.Module, cuts: Sequence[Cut], config: CompressConfig, folder: RunFolder, judge: Judge
) -> list[Judged]:
    """Make every candidate that the recipe asks for, and judge each as soon as it is there."""
    judged: list[Judged] = []

    def keep(candidate: Candidate | None) -> None:
        if candidate is not None:
            judged.append(judge(candidate))

    def until_good(made: Iterable[Candidate | None]) -> None:
        for candidate in made:
            keep(candidate)
            if candidate is not None and judged[-1].lowest * 100 >= -config.floor_points:
                return

    floats: list[tuple[Network, Candidate]] = []
    for network in make.networks(model, cuts, folder, config.finalists):
        if "distil" in config.steps and network.name != FLOAT:
            network = make.distilled(network, model, config.distil, folder)
        exported = make.exported(network, folder)
        floats.append((network, exported))
        keep(exported)
        for scheme in config.schemes() if "quantize" in config.steps else ():
            keep(make.quantized(exported, scheme, folder))
    smallest_first = floats[::-1]
    if "mixed" in config.steps:
        original = floats[0][1]
        until_good(make.mixed(one, original, config.mixed, folder) for _, one in smallest_first)
    if "qat" in config.steps:
        until_good(make.learnt(network, model, config.qat, folder) for network, _ in smallest_first)
    if "fuse" in config.steps:
        for one in tuple(judged):
            keep(make.fused(one.candidate, folder))
    return judged


def _conclude(
    measured: Measured,
    cuts: tuple[Cut, ...],
    judged: Sequence[Judged],
    config: CompressConfig,
    folder: RunFolder,
) -> CompressResult:
    """Choose, and leave the result, the report and the file of the chosen one in the folder of the run."""
    work, options = folder.root, measured.options
    front = front_of(options)

    def leave(chosen: Option | None, missed: str) -> None:
        inspected = _inspected(judged, chosen, folder)
        evidence = tuple(folder.evidence)
        outcome = Outcome(
            folder.task.name,
            config,
            measured,
            front,
            chosen,
            missed,
            cuts,
            tuple(judged),
            evidence,
            inspected,
        )
        write_atomic(work / RESULT, json.dumps(outcome.record(), indent=2).encode())
        save(build_report(outcome), work / REPORT)

    try:
        chosen = choose(options, config.floor_points, config.prefer)
    except (BudgetError, InputError) as error:
        leave(None, error.message)
        raise type(error)(
            error.message, hint=f"{error.hint}; all that was measured is in {work / RESULT}"
        ) from error
    write_atomic(work / BEST, chosen.graph.read_bytes())
    leave(chosen, "")
    return CompressResult(options, front, chosen, cuts, measured.eager)


def _inspected(judged: Sequence[Judged], chosen: Option | None, folder: RunFolder) -> Inspected | None:
    """Look into the chosen candidate, or into the best one that has quantized tensors to show."""
    files = [one for one in judged if "DequantizeLinear" in ComputeGraph(one.candidate.graph).operators()]
    if not files:
        return None
    named = [one for one in files if chosen is not None and one.candidate.name == chosen.candidate]
    best = max(named or files, key=lambda one: one.lowest)
    examples = folder.task.split("train")
    few = examples.drawn(_INSPECTED)
    found = folder.step(
        f"inspect-{best.candidate.name}",
        lambda _: inspect(ComputeGraph(best.candidate.graph), few),
        graph=file_digest(best.candidate.graph),
        examples=_INSPECTED,
    )
    return Inspected(best.candidate.name, found.facts)
