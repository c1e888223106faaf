"""How much time each pass of fusion saves on each engine.

Passes are measured as they build on each other: the graph as it was given, then after each pass that changed it.
To leave single passes out instead would say little, since one often makes the next possible (constants show what
normalization can be folded, bounds on their own hide an activation). Within an engine all steps take turns, so that
a slow moment of the machine hits all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import onnx_ir as ir

from burnish.errors import BackendError, InputError
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.contenders import EngineChoice
from burnish.evaluate.latency import BenchConfig, Latency, benchmark, ratio, verdict
from burnish.graph import ComputeGraph
from burnish.graph.fusion import Fused, PassReport, fuse, steps
from burnish.graph.reference import Run
from burnish.graph.signature import Array
from burnish.runtime import CheckedSession, SessionOptions, open_session
from burnish.runtime.backend import Optimization
from burnish.runtime.choice import quick_backends

ORIGINAL = "original"
"""Name of the step before any pass."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One pass on one engine."""

    name: str
    """Of the pass, or ``original``."""
    latency: Latency
    gain: Interval
    """Times faster than the step before."""
    total: Interval
    """Times faster than the original."""

    @property
    def saved_ms(self) -> float:
        """Time that the pass saved, in milliseconds a call; negative when it cost some."""
        return self.latency.median_ms * (self.gain.value - 1)

    @property
    def verdict(self) -> str:
        """Whether the pass made a difference that is more than noise."""
        return "" if self.name == ORIGINAL else verdict(self.gain)


@dataclass(frozen=True, slots=True)
class FusionGain:
    """What every pass saved on every engine."""

    fused: Fused
    engines: dict[str, tuple[Step, ...]]
    """Steps by engine, the original first."""
    refused: dict[str, str]
    """Engines that cannot load the graph or a step of it, and why."""

    @property
    def changes(self) -> dict[str, PassReport]:
        """What the measured passes changed, by name."""
        return {one.name: one for one in self.fused.report.changed}


def measure_passes(
    graph: ComputeGraph,
    inputs: Mapping[str, Array],
    *,
    engines: Sequence[EngineChoice] | None = None,
    passes: Sequence[str] | None = None,
    target: str | None = None,
    device: str = "cpu",
    threads: int = 0,
    config: BenchConfig | None = None,
    on_round: Progress | None = None,
) -> FusionGain:
    """Measure a graph after each pass that changes it, on each engine.

    Args:
        graph: Before any pass.
        inputs: Arrays by name.
        engines: Where to measure; None for `usual_engines`.
        passes: Passes by name; None for all that suit the target.
        target: Engine whose own operators may be used.
        device: Where the engines run.
        threads: Threads of each engine; 0 leaves them to it.
        config: How to measure; None for the defaults.
        on_round: Told the engine and, after each round, how many are done and how many there are.

    Returns:
        Latencies and ratios; an engine that cannot load a step is listed with its reason.

    Raises:
        BackendError: No engine could run the graph.
        NotFoundError, UnsupportedOpError, InputError: As `burnish.graph.fusion.fuse`.

    Cost: steps times rounds runs an engine; all steps of one engine are loaded at the same time.
    """
    stages = dict(steps(graph, passes, target=target))
    measured: dict[str, tuple[Step, ...]] = {}
    refused: dict[str, str] = {}
    for engine in usual_engines(quick_backends()) if engines is None else engines:
        told = None if on_round is None else partial(on_round, str(engine))
        options = engine.session_options(threads)
        with ExitStack() as stack:
            calls: dict[str, Callable[[], Any]] = {}
            for name, stage in stages.items():
                try:
                    session = open_session(stage, device=device, backend=engine.name, options=options)
                except (BackendError, InputError) as error:
                    refused[str(engine)] = f"{name}: {error}"
                    continue
                stack.enter_context(session)
                calls[name] = partial(CheckedSession.run, session, inputs)
            if ORIGINAL in calls:
                measured[str(engine)] = _steps(benchmark(calls, config, on_round=told))
    if not measured:
        raise BackendError(f"no engine could run the graph: {'; '.join(refused.values())}")
    return FusionGain(fuse(graph, passes, target=target), measured, refused)


def usual_engines(names: Sequence[str]) -> list[EngineChoice]:
    """Return engines with all of their own optimization, and ONNX Runtime a second time with none.

    Engines fuse by themselves: what a pass saves where they do is what they would have missed.
    """
    alone = [EngineChoice("onnxruntime", {"optimization": "none"})] if "onnxruntime" in names else []
    return [*map(EngineChoice, names), *alone]


def engine_run(backend: str = "onnxruntime", *, optimization: Optimization = "none") -> Run:
    """Return what carries a model out for `burnish.graph.fusion.Check`: an engine that rewrites nothing itself."""

    def run(model: ir.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
        options = SessionOptions(optimization=optimization)
        with open_session(ComputeGraph(model), backend=backend, options=options) as session:
            return session.run(inputs)

    return run


def _steps(latencies: Mapping[str, Latency]) -> tuple[Step, ...]:
    found: list[Step] = []
    for name, latency in latencies.items():
        before = found[-1].latency if found else latency
        first = found[0].latency if found else latency
        found.append(Step(name, latency, ratio(before, latency), ratio(first, latency)))
    return tuple(found)
