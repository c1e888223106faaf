"""The latency of every candidate on every engine, and of the model as it is, taken in turns in one run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.compress.recipe.candidates import FLOAT
from burnish.compress.recipe.judge import Figures, Judged, Kernels
from burnish.compress.reporter import Reporter
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.latency import BenchConfig, Latency, benchmark, ratio
from burnish.evaluate.task import Split, Task
from burnish.graph import ComputeGraph
from burnish.resume import Facts
from burnish.runtime.machine import Machine, fingerprint
from burnish.runtime.session import open_session

EAGER = "pytorch eager"
"""Name of the reference: the trained module itself, called in PyTorch as it is."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Latency with one batch size."""

    batch: int
    latency: Latency
    speedup: Interval
    """Times faster than the float model on the first engine, in the same rounds."""
    engine_speedup: Interval
    """Times faster than the float model on the same engine, in the same rounds."""
    eager_speedup: Interval
    """Times faster than the module in PyTorch, in the same rounds."""


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
    """With the first batch size."""
    speedup: Interval
    """Times faster than the float model on the first engine, in the same rounds."""
    size_bytes: int
    parameters: int
    macs: int
    """Multiply-adds of one example."""
    kernels: Kernels | None = None
    """Of a quantized file: how many multiplying kernels of the engine are integer ones."""
    figures: Figures = field(default_factory=dict)
    """What the task tells beside its score, on the test split."""
    timings: tuple[Timing, ...] = field(default=())
    """With every batch size, the first included."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All options, and the reference that none of them is."""

    options: tuple[Option, ...]
    eager: Mapping[int, Latency]
    """Latency of the module in PyTorch, by batch size."""
    machine: Machine
    """Where all was timed."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what the task tells beside its score."""
        return tuple(dict.fromkeys(name for option in self.options for name in option.figures))


def measure(
    model: nn.Module,
    task: Task,
    judged: Sequence[Judged],
    batches: Sequence[int],
    bench: BenchConfig,
    reporter: Reporter,
) -> Facts:
    """Time files, one of them named ``float``, on the engines that can run them, and the module itself.

    Returns:
        Plain data: the machine, and the latency of each contender by its label; `read_options` makes options of it.
    """
    calls: dict[str, Callable[[], object]] = {}
    with ExitStack() as stack:
        inputs = {batch: _rows(task.split("valid"), batch) for batch in batches}
        for one in judged:
            graph = ComputeGraph(one.candidate.graph)
            for backend in one.engines:
                session = stack.enter_context(open_session(graph, backend=backend))
                for batch, rows in inputs.items():
                    label = _label(one.candidate.name, backend, batch)
                    calls[label] = partial(session.run, rows.inputs)
        for batch, rows in inputs.items():
            tensors = tuple(torch.from_numpy(array) for array in rows.inputs.values())
            calls[_label(FLOAT, EAGER, batch)] = partial(_call, model, tensors)
        told = partial(reporter.progress, "measure latency, in turns")
        measured = benchmark(calls, bench, on_round=told)
    latencies = {label: asdict(latency) for label, latency in measured.items()}
    return {"machine": asdict(fingerprint()), "latencies": latencies}


def read_options(
    facts: Facts, judged: Sequence[Judged], backends: Sequence[str], batches: Sequence[int]
) -> Measured:
    """Return the options that `measure` timed and a judge scored."""
    latencies = {
        label: Latency(tuple(one["samples_ms"]), one["calls_per_sample"])
        for label, one in facts["latencies"].items()
    }

    def timing(candidate: str, backend: str, batch: int) -> Timing:
        mine = latencies[_label(candidate, backend, batch)]
        return Timing(
            batch,
            mine,
            ratio(latencies[_label(FLOAT, backends[0], batch)], mine),
            ratio(latencies[_label(FLOAT, backend, batch)], mine),
            ratio(latencies[_label(FLOAT, EAGER, batch)], mine),
        )

    options = []
    for one in judged:
        for backend, worth in one.engines.items():
            timings = tuple(timing(one.candidate.name, backend, batch) for batch in batches)
            options.append(
                Option(
                    candidate=one.candidate.name,
                    backend=backend,
                    graph=one.candidate.graph,
                    valid=worth.valid,
                    valid_difference=worth.valid_difference,
                    test=worth.test,
                    test_difference=worth.test_difference,
                    latency=timings[0].latency,
                    speedup=timings[0].speedup,
                    size_bytes=one.size_bytes,
                    parameters=one.parameters,
                    macs=one.macs,
                    kernels=worth.kernels,
                    figures=worth.figures.get("test", {}),
                    timings=timings,
                )
            )
    eager = {batch: latencies[_label(FLOAT, EAGER, batch)] for batch in batches}
    told = facts["machine"]
    return Measured(tuple(options), eager, Machine(**told | {"flags": tuple(told["flags"])}))


def latency_facts(latency: Latency) -> dict[str, Any]:
    """Return a latency as the record of a run holds it: median, interval and every sample."""
    return asdict(latency.median) | {"samples": latency.samples_ms, "unit": "ms"}


def _label(candidate: str, backend: str, batch: int) -> str:
    return f"{candidate}/{backend}/{batch}"


def _rows(split: Split, count: int) -> Split:
    """Return so many examples; a split that has fewer gives some again."""
    return split.take(np.arange(count) % len(split))


def _call(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    with torch.inference_mode():
        model(*inputs)
