"""Measuring the operators of an engine on this machine, once, for estimates of any model."""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from burnish.evaluate.micro import Micro, design
from burnish.evaluate.this_device import this_device
from burnish.evaluate.undisturbed import Timed, timed
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel, Calibration, Sample
from burnish.hardware.store import ProbeStore
from burnish.hardware.work import Work, Workload
from burnish.runtime.backend import SessionOptions
from burnish.runtime.machine import fingerprint
from burnish.runtime.session import open_session

Progress = Callable[[int, int], None]

_BUDGET_S, _QUICK_BUDGET_S = 0.15, 0.03
"""Of timing one small graph with some copies, after it was built and loaded."""
_PATIENCE, _PAUSE_S = 1.0, 0.1
"""Share of all budgets that may be spent once more, on measuring again; pause before it."""
_LONG_S = 3e-3
"""What the copies should take together: much more than the call itself, less than the system's time slice."""
_MOST_COPIES, _FEWEST_COPIES = 12, 2
_GUESSED_RATE, _GUESSED_BANDWIDTH = 1e11, 1e10
"""To choose how many copies; nothing else depends on them."""
_HANDING_ERROR = 0.3
"""How far off the time of handing over inputs and outputs may be, as a share: it grows with their size."""
_LEAST_S = 1e-8
_QUICK = 0.05
"""Share of the design that the quick calibration measures."""
_SAVE_EVERY = 10
_FORMAT = 2
"""Of what is kept: the next one, when a small graph or what an engine makes of it is described otherwise."""


def calibrated_model(
    engine: str = "onnxruntime",
    *,
    threads: int = 0,
    refresh: bool = False,
    quick: bool = False,
    on_progress: Progress | None = None,
) -> CalibratedModel:
    """Return what tells the time of an engine's operators on this machine, measured where it is not known yet.

    Args:
        engine: As for `calibrate`, like all others.
        threads: Of the engine.
        refresh: Whether to measure again what is known of the engine.
        quick: Whether a first impression is enough.
        on_progress: Told how many small graphs are done and how many there are.
    """
    calibration = calibrate(engine, threads=threads, refresh=refresh, quick=quick, on_progress=on_progress)
    return CalibratedModel(this_device(threads=threads, quick=quick), calibration)


def calibrate(
    engine: str = "onnxruntime",
    *,
    threads: int = 0,
    refresh: bool = False,
    quick: bool = False,
    on_progress: Progress | None = None,
    folder: Path | None = None,
) -> Calibration:
    """Measure an engine's operators, or go on where an earlier call was interrupted.

    Args:
        engine: Name of a back end that runs on the processor.
        threads: Of the engine; 0 leaves them to it.
        refresh: Whether to measure again what is known.
        quick: Whether to measure a few of each kind only, each for a short time.
        on_progress: Told how many small graphs are done and how many there are.
        folder: Of the cache; None for the user's.

    Raises:
        MissingExtraError: The engine is not installed.

    Cost: five to six minutes; less than half a minute where quick. Every tenth measurement is saved.
    """
    store = ProbeStore(repr(fingerprint()), folder)
    kind = f"calibration-{_FORMAT}-{engine}-{threads}" + ("-quick" if quick else "")
    known = None if refresh else store.load(kind, Calibration)
    calibration = known or Calibration(engine, threads)
    micros = design(share=_QUICK if quick else 1.0)
    done = {sample.key for sample in calibration.samples}
    if done.issuperset(micro.key for micro in micros):
        return calibration
    try:
        budget_s = _QUICK_BUDGET_S if quick else _BUDGET_S
        bench = _Bench(engine, threads, budget_s, patience_s=_PATIENCE * budget_s * (len(micros) - len(done)))
        for position, micro in enumerate(micros, 1):
            if micro.key not in done:
                samples = (*calibration.samples, bench.measure(micro))
                calibration = replace(calibration, samples=samples, complete=False)
                if position % _SAVE_EVERY == 0:
                    store.save(kind, calibration)
            if on_progress is not None:
                on_progress(position, len(micros))
        calibration = replace(calibration, complete=True)
    finally:  # an interruption loses nothing
        if len(calibration.samples) > len(done):
            store.save(kind, calibration)
    return calibration


class _Bench:
    """Measures small graphs on one engine."""

    def __init__(self, engine: str, threads: int, budget_s: float, *, patience_s: float) -> None:
        self._engine = engine
        self._options = SessionOptions(threads=threads)
        self._budget_s = budget_s
        self._patience_s = patience_s
        self._value_s = 0.0
        apart, chained = (self.measure(Micro("nothing", {"apart": apart})) for apart in (1, 0))
        copies = sum(count for _, count in chained.parts)
        self._value_s = max(0.0, (apart.seconds - chained.seconds) / copies)
        """What it takes to hand over one more input and output; no network does so for each of its operators."""

    def measure(self, micro: Micro) -> Sample:
        """Return the difference that more copies make; in doubt where the machine was busy all the time."""
        few, feeds = micro.build(1)
        base = as_run(few, self._engine)
        many, more = micro.build(1 + _copies(base))
        times = (self._timed(few, feeds), self._timed(many, more))
        handing_s = self._value_s * (len(more) - len(feeds))
        seconds = max(times[1].seconds - times[0].seconds - handing_s, _LEAST_S)
        doubt = math.hypot(*(one.error * one.seconds for one in times), _HANDING_ERROR * handing_s)
        disturbed = any(one.disturbed(self._options.threads) for one in times)
        parts = _difference(as_run(many, self._engine).works, base.works)
        return Sample(micro.key, parts, seconds, 1.0 if disturbed else min(1.0, doubt / seconds))

    def _timed(self, graph: ComputeGraph, feeds: dict[str, Array]) -> Timed:
        """Time a graph, with no other session open; again where others got in the way, as patience lasts."""
        with open_session(graph, backend=self._engine, options=self._options) as session:
            while True:
                begin = time.perf_counter()
                took = timed(partial(session.run, feeds), budget_s=self._budget_s)
                if self._patience_s <= 0 or not took.disturbed(self._options.threads):
                    return took
                time.sleep(_PAUSE_S)
                self._patience_s -= time.perf_counter() - begin


def _copies(base: Workload) -> int:
    """Return how many copies take long enough together, judged by a graph with one."""
    guess = sum(max(work.flops / _GUESSED_RATE, work.bytes / _GUESSED_BANDWIDTH, 1e-6) for work in base.works)
    return max(_FEWEST_COPIES, min(_MOST_COPIES, round(_LONG_S / guess)))


def _difference(many: tuple[Work, ...], few: tuple[Work, ...]) -> tuple[tuple[Work, int], ...]:
    """Return the operators that only the larger graph has, and how many of each.

    Its copies all read the larger graph's weights; what they write, they write over each other.
    """
    model_bytes = many[0].model_bytes if many else 0

    def kind(work: Work) -> Work:
        return replace(work, name=work.op, index=0, model_bytes=model_bytes, model_results=0)

    alike = Counter(map(kind, many))
    alike.subtract(map(kind, few))
    return tuple((work, count) for work, count in alike.items() if count > 0)
