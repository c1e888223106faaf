"""The engine that a network is narrowed for: how it is asked, and how fast a network's exported file runs in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from burnish.compress.quantize import QuantScheme, quantize
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.latency import BenchConfig, Latency, benchmark, ratio
from burnish.evaluate.task import Task
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.backend import SessionOptions
from burnish.runtime.session import CheckedSession, open_session

_ATTEMPTS, _SHARP = 4, 0.1
"""How often the rounds are done again while the interval is wider than this share of its value."""

Precision = Literal["float32", "int8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What a compressed network shall be fast in."""

    backend: str | None = None
    """Engine; None takes the first of the recipe's ``backends``, and ONNX Runtime without a recipe."""
    precision: Precision = "float32"
    """Numbers that it will compute with: ``int8`` measures files that are quantized after training."""
    scheme: QuantScheme = field(default_factory=QuantScheme)
    """How such files are quantized."""
    batch: int = 0
    """Examples a call; 0 takes the first of the recipe's ``batches``, and one without a recipe."""
    threads: int = 0
    """Threads of the engine; 0 leaves the choice to it."""
    bench: BenchConfig = field(default_factory=lambda: BenchConfig(rounds=15, pause_s=0.07))
    """How a whole network is timed; the pause lets the threads of one session go to sleep before another runs."""

    def __post_init__(self) -> None:
        if self.batch < 0 or self.threads < 0:
            raise ValueError(f"batch and threads must be at least 0, got {self.batch} and {self.threads}")

    def settled(self, backend: str = "onnxruntime", batch: int = 1) -> "EngineConfig":
        """Return the same with what is left open filled in.

        >>> EngineConfig(batch=4).settled("openvino", 8).batch
        4
        """
        return replace(self, backend=self.backend or backend, batch=self.batch or batch)

    def open(self, graph: ComputeGraph) -> CheckedSession:
        """Load a graph in the engine.

        Raises:
            MissingExtraError: The engine is not installed.
            UnsupportedOpError: It lacks an operator of the graph.
            CompileError: It refused the graph for another reason.
        """
        return open_session(graph, backend=self.backend, options=SessionOptions(threads=self.threads))


def prepared(graph: ComputeGraph, task: Task, engine: EngineConfig) -> ComputeGraph:
    """Return a float graph in the numbers that the engine will compute with."""
    return quantize(graph, task.split("train"), engine.scheme) if engine.precision == "int8" else graph


def speedup(
    original: ComputeGraph,
    narrowed: ComputeGraph,
    task: Task,
    engine: EngineConfig,
    *,
    on_round: Callable[[int, int], None] | None = None,
) -> Interval:
    """Measure how many times faster one graph runs than another, in the same rounds.

    Args:
        original: Float graph.
        narrowed: As it would ship, in the engine's precision.
        task: Where the inputs come from.
        engine: How and with how many examples at a time.
        on_round: Told after each round how many are done and how many there are.
    """
    engine = engine.settled()
    inputs = _inputs(task, engine.batch)
    slow: Latency | None = None
    fast: Latency | None = None
    with engine.open(original) as one, engine.open(narrowed) as other:
        for _ in range(_ATTEMPTS):
            measured = benchmark(
                {"original": partial(one.run, inputs), "narrowed": partial(other.run, inputs)},
                engine.bench,
                on_round=on_round,
            )
            slow, fast = _joined(slow, measured["original"]), _joined(fast, measured["narrowed"])
            found = ratio(slow, fast)
            if found.high - found.low <= _SHARP * found.value:
                break
    return found


def _joined(before: Latency | None, after: Latency) -> Latency:
    """Return the rounds of both: those of a busy moment are outvoted once it is over."""
    if before is None:
        return after
    return Latency(before.samples_ms + after.samples_ms, after.calls_per_sample)


def _inputs(task: Task, batch: int) -> Mapping[str, Array]:
    valid = task.split("valid")
    return valid.take(np.arange(batch) % len(valid)).inputs
