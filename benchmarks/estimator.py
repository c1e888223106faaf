"""How wrong the estimator is on this machine, on models that it never saw.

Run it with nothing else on the machine: ``python benchmarks/estimator.py --refresh``. The operators of ONNX Runtime
are measured first, then every architecture of `burnish.testing.networks` at two batch sizes, float32, and some more
that were never looked at while the estimator was made (it was developed beside those of `burnish.testing.networks`).
No model's latency enters the estimate. Two simpler ways to predict stand beside it: operations over one rate, which
is fitted to these very models (the kindest case for it), and the naive roofline of the measured peak and bandwidth.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from estimator_unseen import UNSEEN
from record import RESULTS, record

from burnish.evaluate.calibration import calibrate
from burnish.evaluate.ranking import kendall_tau
from burnish.evaluate.this_device import this_device
from burnish.evaluate.undisturbed import timed
from burnish.files import write_atomic
from burnish.graph import ComputeGraph
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel
from burnish.hardware.device import Device
from burnish.hardware.estimate import estimate
from burnish.hardware.work import Workload
from burnish.runtime.backend import SessionOptions
from burnish.runtime.machine import fingerprint
from burnish.runtime.session import open_session
from burnish.testing import networks

ENGINE = "onnxruntime"
METHODS = ("estimate", "operations", "roofline")
ISSUE = 3
_TRIES = 4
"""How often a model is measured where other processes were busy meanwhile; the least disturbed one counts."""


class Point(msgspec.Struct, kw_only=True):
    """One model at one batch size; seconds."""

    model: str
    batch: int
    measured: float
    error: float | None
    """Of the measurement, as a share; None where it was not kept."""
    others: float | None
    """Cores that other processes kept busy meanwhile; None where it was not kept."""
    unseen: bool
    """Whether it was never looked at while the estimator was made."""
    estimate: float
    low: float
    high: float
    operations: float = 0.0
    roofline: float = 0.0


def main() -> None:
    """Calibrate, measure, predict, compare, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--refresh", action="store_true", help="calibrate again, in the machine's present state"
    )
    parser.add_argument("--threads", type=int, default=0, help="of the engine; 0 leaves them to it")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument(
        "--budget-s", type=float, default=4.0, help="of measuring one model at one batch size"
    )
    parser.add_argument(
        "--exported", type=Path, help="folder of exported networks, made where they are missing"
    )
    options = parser.parse_args()
    command = f"python benchmarks/estimator.py --refresh --threads {options.threads}"

    begun = time.monotonic()
    calibration = calibrate(ENGINE, threads=options.threads, refresh=options.refresh, on_progress=told)
    calibration_s = time.monotonic() - begun
    device = this_device(refresh=options.refresh, threads=options.threads)
    model = CalibratedModel(device, calibration)
    with tempfile.TemporaryDirectory() as scratch:
        graphs = exported(options.exported or Path(scratch))
        cases = [(name, batch) for name in graphs for batch in options.batches]
        random.Random(0).shuffle(cases)  # a busy minute of the machine shall not hit one sort of model
        points, works = [], {}
        for name, batch in cases:
            works[name, batch] = as_run(graphs[name], ENGINE, name=name, batch=batch)
            points.append(point(name, batch, graphs[name], works[name, batch], model, options))
            print(
                f"{name} batch {batch}: measured {points[-1].measured * 1000:.2f} ms, "
                f"estimate {points[-1].estimate * 1000:.2f}",
                flush=True,
            )
    rivals(points, works, device)
    points.sort(key=lambda one: (list(graphs).index(one.model), one.batch))
    unseen = [one for one in points if one.unseen]
    summary = {method: errors(points, method) for method in METHODS}
    details = {
        "machine": str(fingerprint()),
        "engine": ENGINE,
        "threads": options.threads,
        "calibration_s": calibration_s if options.refresh else None,
        "samples": len(calibration.samples),
        "summary": summary,
        "unseen": {method: errors(unseen, method) for method in METHODS},
        "points": points,
    }
    write_atomic(
        RESULTS / "details/3-estimator.json",
        msgspec.json.format(msgspec.json.encode(details), indent=2) + b"\n",
    )
    save(points, command)


def told(done: int, total: int) -> None:
    """Say how far the calibration is, now and then."""
    if done % 50 == 0 or done == total:
        print(f"calibrated {done} of {total}", flush=True)


def exported(folder: Path) -> dict[str, ComputeGraph]:
    """Return every network, from files where they lie in the folder."""
    graphs = {}
    for name in networks.NAMES:
        path = folder / f"{name}.onnx"
        if not path.exists():
            networks.graph.__wrapped__(name).save(path)  # without keeping it in memory
        graphs[name] = ComputeGraph(path)
    return graphs | {name: one.graph() for name, one in UNSEEN.items()}


def point(
    name: str,
    batch: int,
    graph: ComputeGraph,
    work: Workload,
    model: CalibratedModel,
    options: argparse.Namespace,
) -> Point:
    """Measure one model, and estimate it."""
    session = open_session(graph, backend=ENGINE, options=SessionOptions(threads=options.threads))
    unseen = UNSEEN.get(name)
    inputs = unseen.inputs(batch) if unseen else networks.example_inputs(name, batch=batch)
    call = partial(session.run, inputs)
    took = timed(call, budget_s=options.budget_s, enough=25)
    for _ in range(_TRIES - 1):  # the estimate is of a machine that does nothing else
        if not took.disturbed(options.threads):
            break
        again = timed(call, budget_s=options.budget_s, enough=25)
        took = again if again.others < took.others else took
    session.close()
    told = estimate(work, model)
    return Point(
        model=name, batch=batch, measured=took.seconds, error=took.error, others=took.others,
        unseen=unseen is not None, estimate=told.seconds, low=told.low, high=told.high,
    )  # fmt: skip


def rivals(points: Sequence[Point], works: Mapping[tuple[str, int], Workload], device: Device) -> None:
    """Fill in what the simpler ways predict."""
    flops = {(one.model, one.batch): works[one.model, one.batch].flops for one in points}
    rate = float(np.median([flops[one.model, one.batch] / one.measured for one in points]))
    for one in points:
        one.operations = flops[one.model, one.batch] / rate
        one.roofline = sum(
            max(work.flops / device.peak(work.dtype), work.bytes / (device.bandwidth or np.inf))
            for work in works[one.model, one.batch].works
        )


def errors(points: Sequence[Point], method: str) -> dict[str, float]:
    """Return how wrong one way to predict is."""
    predicted = [getattr(one, method) for one in points]
    measured = [one.measured for one in points]
    off = np.abs(np.array(predicted) / np.array(measured) - 1) * 100
    return {
        "median_error_percent": float(np.median(off)),
        "error_percent_90th": float(np.quantile(off, 0.9)),
        "kendall_tau": kendall_tau(predicted, measured),
    }


def save(points: Sequence[Point], command: str) -> None:
    """Record the bars; their intervals are of resampling models, whose batch sizes go together."""
    unseen = [one for one in points if one.unseen]
    for bar, of, key, unit, target, met in (
        ("estimator-median-error", points, "median_error_percent", "percent", "at most 20%", lambda v: v <= 20),
        ("estimator-p90-error", points, "error_percent_90th", "percent", "at most 40%", lambda v: v <= 40),
        ("estimator-kendall-tau", points, "kendall_tau", "tau", "at least 0.9", lambda v: v >= 0.9),
        (
            "estimator-median-error-unseen", unseen, "median_error_percent", "percent",
            "at most 20% on models never looked at", lambda v: v <= 20,
        ),
    ):  # fmt: skip
        value = errors(of, "estimate")[key]
        low, high = np.quantile([errors(sample, "estimate")[key] for sample in resampled(of)], (0.025, 0.975))
        record(
            ISSUE, bar, value=value, low=float(low), high=float(high), target=target, unit=unit,
            met=met(value), command=command,
        )  # fmt: skip
    inside = [
        [one.low <= one.measured <= one.high for one in sample] for sample in (points, *resampled(points))
    ]
    value, *others = (float(np.mean(one)) for one in inside)
    low, high = np.quantile(others, (0.025, 0.975))
    record(
        ISSUE, "estimator-interval-coverage", value=value, low=float(low), high=float(high), unit="share",
        target="at least 0.8 of the models lie within their 90% interval", met=value >= 0.8, command=command,
    )  # fmt: skip


def resampled(points: Sequence[Point], count: int = 1000) -> list[list[Point]]:
    """Draw models with replacement."""
    by_model: dict[str, list[Point]] = {}
    for one in points:
        by_model.setdefault(one.model, []).append(one)
    drawn = np.random.default_rng(0).choice(list(by_model), size=(count, len(by_model)))
    return [[one for name in names for one in by_model[name]] for names in drawn]


if __name__ == "__main__":
    main()
