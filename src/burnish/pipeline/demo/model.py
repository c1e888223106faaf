"""The first half: from training data to a chosen, compressed model in the registry."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.bundle import Bundle, EngineChoice, Measured, PackRequest, pack
from burnish.compress import CompressResult, Option, compress, train_task
from burnish.compress.reporter import Reporter
from burnish.compress.training.train import Epoch
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.hooks import dynamic_axes
from burnish.evaluate.task import Task
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.pipeline.demo.config import DemoConfig
from burnish.registry import Registry
from burnish.resume import Facts, Run
from burnish.runtime.machine import fingerprint
from burnish.runtime.parity import parity

PRIMARY = "primary"
GOLDEN_ROWS = 8


def capture_step(run: Run, model: nn.Module, task: Task) -> Facts:
    """Capture the float model and compare the engines on it."""

    def work(folder: Path) -> Facts:
        inputs = task.split("valid").take(np.arange(64)).inputs
        graph = capture(model, inputs, output_names=task.output_names, dynamic=dynamic_axes(task))
        graph.save(folder / "float.onnx")
        report = parity(graph, inputs)
        report.check()
        return {
            "graph": repr(graph),
            "digest": graph.digest,
            "operators": graph.operators(),
            "parameters": graph.parameters,
            "macs": graph.cost().macs,
            "parity": [asdict(row) for row in report.rows],
            "unavailable": report.unavailable,
            "reference": report.reference,
        }

    return run.step("capture", work)


def train_step(config: DemoConfig, task: Task, work: Path, reporter: Reporter) -> nn.Module:
    """Train the float model, or take it from an earlier run."""

    def on_epoch(epoch: Epoch) -> None:
        reporter.progress("train", epoch.number, epoch.of)
        reporter.line(f"epoch {epoch.number}: loss {epoch.loss:.3f}, valid score {epoch.valid_score:.4f}")

    return train_task(task, config.train, work, on_epoch=on_epoch)


def compress_step(
    config: DemoConfig, model: nn.Module, task: Task, work: Path, reporter: Reporter
) -> CompressResult:
    """Prune, quantize, measure, choose."""
    return compress(
        model, task, config.compress, work, notify=reporter.on_line, on_progress=reporter.on_progress
    )


def release_step(
    run: Run, task: Task, result: CompressResult, registry_root: Path, config: DemoConfig
) -> Facts:
    """Bundle the float model, the chosen one and the next best, and register them as versions 1, 2 and 3."""

    def work(folder: Path) -> Facts:
        registry = Registry(registry_root)
        base = base_option(result)
        bundles = [pack_option(folder / "1.burnish", base, task, config, parent=None)]
        for number, option in enumerate((result.chosen, runner_up(result)), start=2):
            path = folder / f"{number}.burnish"
            bundles.append(pack_option(path, option, task, config, parent=bundles[0].digest))
        versions = [registry.push(bundle, name=task.name, actor="demo") for bundle in bundles]
        registry.set_alias(task.name, PRIMARY, versions[0].version, actor="demo")
        facts = [{"version": v.version, "digest": v.digest, "parent": v.parent} for v in versions]
        registry.engine.dispose()
        return {"versions": facts}

    return run.step("release", work)


def pack_option(path: Path, option: Option, task: Task, config: DemoConfig, *, parent: str | None) -> Bundle:
    """Pack one measured option with its evidence; a half-made file of an interrupted run is made again."""
    path.unlink(missing_ok=True)
    metrics = {
        "test_score": _measured(option.test),
        "test_difference": _measured(option.test_difference),
        "latency_ms": _measured(option.latency.median, unit="ms"),
        "speedup": _measured(option.speedup),
    }
    return pack(
        path,
        ComputeGraph(option.graph),
        PackRequest(
            name=task.name,
            engine=EngineChoice(backend=option.backend, threads=1),
            golden_inputs=task.split("valid").take(np.arange(GOLDEN_ROWS)).inputs,
            metrics=metrics,
            hyper_parameters=asdict(config.train),
            evidence={"machine": str(fingerprint()), "latency_samples_ms": list(option.latency.samples_ms)},
            recipe={"candidate": option.candidate, "compress": plain(asdict(config.compress))},
            data_hash=task.split("train").digest,
            parent=parent,
        ),
    )


def runner_up(result: CompressResult) -> Option:
    """Return the option that would be released after the chosen one: the same engine's best remaining INT8."""
    rest = [
        o
        for o in result.options
        if o.backend == result.chosen.backend and o.candidate not in ("float", result.chosen.candidate)
    ]
    return min(rest, key=lambda o: (not o.candidate.endswith("int8"), o.latency.median_ms))


def plain(value: Any) -> Any:
    """Turn tuples into lists, as JSON has only these."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def base_option(result: CompressResult) -> Option:
    """Return the float model on the engine that runs it fastest."""
    floats = [option for option in result.options if option.candidate == "float"]
    return min(floats, key=lambda option: option.latency.median_ms)


def _measured(interval: Interval, *, unit: str = "") -> Measured:
    return Measured(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        level=interval.level,
        unit=unit,
    )
