"""What each pass of fusion saves on each engine, for ResNet-50 and MiniLM (128 tokens) at batch 1.

The networks are exported as they are written: batch normalization not folded, layer norm and GELU in primitives;
the exporter of today folds and fuses part of that by itself. Engines fuse by themselves, too, so that ONNX Runtime
is measured with its own optimization and without.
``python benchmarks/fusion.py`` runs all; ``--models minilm --rounds 10`` a part.
"""

import argparse
import datetime
import io
import json
import sys
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, record

from burnish.evaluate.accuracy import Interval
from burnish.evaluate.contenders import EngineChoice
from burnish.evaluate.fusing import FusionGain, Step, engine_run, measure_passes
from burnish.evaluate.latency import BenchConfig
from burnish.files import write_atomic
from burnish.graph import ComputeGraph
from burnish.graph.fusion import Check, fuse
from burnish.runtime import fingerprint
from burnish.testing import networks

DETAILS = RESULTS / "details"
MODELS = ("resnet50", "minilm")
ENGINES = {
    "onnxruntime": EngineChoice("onnxruntime"),
    "onnxruntime-none": EngineChoice("onnxruntime", {"optimization": "none"}),
    "openvino": EngineChoice("openvino"),
    "torch": EngineChoice("torch"),
}
OPSET = {"resnet50": 20, "minilm": 23}  # Attention came with 23
TARGET = "gain shown for each pass, and all together not slower"


def exported(name: str) -> ComputeGraph:
    """Export a network without the exporter's own folding and fusing."""
    module, inputs = networks.build(name), networks.example_inputs(name)
    stream = io.BytesIO()
    torch.onnx.export(
        module,
        tuple(map(torch.tensor, inputs.values())),
        stream,
        dynamo=False,
        opset_version=17 if name == "resnet50" else 16,
        input_names=list(inputs),
        output_names=["result"],
        dynamic_axes={key: {0: "batch"} for key in (*inputs, "result")},
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    return ComputeGraph(stream.getvalue()).convert(OPSET[name])


def measure(name: str, engine: str, rounds: int) -> FusionGain:
    graph, inputs = exported(name), networks.example_inputs(name, batch=1)
    target = engine.partition("-")[0]
    target = target if target in ("onnxruntime", "openvino") else None
    fuse(
        graph, target=target, check=Check(inputs, engine_run())
    )  # a pass that changes the result is an error
    return measure_passes(
        graph,
        inputs,
        engines=[ENGINES[engine]],
        target=target,
        config=BenchConfig(rounds=rounds),
        on_round=lambda _, done, total: print(f"\r{name} {engine} {done}/{total}", end="", file=sys.stderr),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument(
        "--out", type=Path, default=DETAILS, help="folder of the details; elsewhere nothing is recorded"
    )
    arguments = parser.parse_args()
    for name in arguments.models:
        for engine in arguments.engines:
            gain = measure(name, engine, arguments.rounds)
            (steps,) = gain.engines.values()
            command = (
                f"python benchmarks/fusion.py --models {name} --engines {engine} --rounds {arguments.rounds}"
            )
            arguments.out.mkdir(parents=True, exist_ok=True)
            path = arguments.out / f"2-fusion-{name}-{engine}.json"
            write_atomic(path, (json.dumps(details(gain, steps, command), indent=1) + "\n").encode())
            show(name, engine, steps)
            if arguments.out == DETAILS:
                keep(name, engine, steps, command)


def details(gain: FusionGain, steps: tuple[Step, ...], command: str) -> dict[str, Any]:
    """Return what each pass changed and saved."""
    changes = gain.changes
    return {
        "command": command,
        "machine": str(fingerprint()),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "steps": [
            {
                "pass": step.name,
                "median_ms": step.latency.median_ms,
                "times_faster": interval(step.gain),
                "times_faster_in_all": interval(step.total),
                "verdict": step.verdict,
                "matched": changes[step.name].matched if step.name in changes else {},
                "nodes": changes[step.name].nodes if step.name in changes else None,
                "removed": len(changes[step.name].removed) if step.name in changes else 0,
                "operators": changes[step.name].after if step.name in changes else None,
            }
            for step in steps
        ],
    }


def interval(value: Interval) -> list[float]:
    return [value.value, value.low, value.high]


def show(name: str, engine: str, steps: tuple[Step, ...]) -> None:
    print(f"\n{name} on {engine}")
    for step in steps:
        gain = f"{step.gain.value:.3f} [{step.gain.low:.3f}, {step.gain.high:.3f}]"
        print(f"  {step.name:22} {step.latency.median_ms:8.2f} ms  {gain:24} {step.verdict}")


def keep(name: str, engine: str, steps: tuple[Step, ...], command: str) -> None:
    """Record the gain of all passes; the passes' own are in the details."""
    last = steps[-1]
    best = max(steps[1:], key=lambda step: step.gain.value, default=last)
    record(
        2,
        f"fusion {name} {engine}",
        value=last.total.value,
        low=last.total.low,
        high=last.total.high,
        target=f"{TARGET} (in details/2-fusion-{name}-{engine}.json)",
        unit=f"times faster by {len(steps) - 1} passes, most by {best.name} ({best.gain.value:.2f})",
        met=last.total.high >= 1,
        command=command,
    )


if __name__ == "__main__":
    main()
