"""The memory bars: how small the planned arena is, beside engines' own plans, and what engines really take.

``python benchmarks/memory.py --parts arena planner rss`` with nothing else on the machine. Every peak is that of a
fresh process that loads the model and runs it at the given batch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from record import RESULTS, record

from burnish.evaluate.accuracy import bootstrap_ratio
from burnish.evaluate.memory import footprint
from burnish.graph import ComputeGraph
from burnish.graph.memory import MemoryPlan, plan_memory, plan_program
from burnish.runtime import SessionOptions, fingerprint
from burnish.runtime.lean import save_apart
from burnish.testing import networks

COMMAND = "python benchmarks/memory.py --parts {part}"
BATCH = 8
PARTS = ["arena", "planner", "rss", "options"]
DETAILS = RESULTS / "details" / "2-memory-options.json"
EAGER = Path(__file__).with_name("eager_memory.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--repeats", type=int, default=7, help="processes an engine")
    arguments = parser.parse_args()
    if "arena" in arguments.parts:
        arenas()
    if "planner" in arguments.parts:
        planner()
    if "rss" in arguments.parts:
        resident(arguments.repeats)
    if "options" in arguments.parts:
        options(arguments.repeats)


def arenas() -> None:
    """Compare the arena with the naive sum; the spread is over batches 1, 8 and 32."""
    for name in networks.CORE:
        saved = [plan_memory(networks.graph(name), batch=batch).saved * 100 for batch in (BATCH, 1, 32)]
        record(
            2,
            f"arena {name}",
            value=saved[0],
            low=min(saved),
            high=max(saved),
            target="planned arena at least 60% below the naive sum",
            unit="% below, batch 8; spread over batches 1, 8, 32",
            met=min(saved) >= 60,
            command=COMMAND.format(part="arena"),
        )
        say(f"{name}: {saved[0]:.1f}% below the naive sum")


def planner() -> None:
    """Compare with TVM's plan of its own fused tensors, and with ONNX Runtime's of the same graph."""
    from engine_plans import ort_plan_bytes, tvm_plan

    ratios = []
    for name in networks.CORE:
        graph, inputs = networks.graph(name), networks.example_inputs(name, batch=BATCH)
        theirs = tvm_plan(graph, {key: array.shape for key, array in inputs.items()})
        ours = plan_program(theirs.program)
        ratios.append(report(name, "tvm, same fused tensors", ours, theirs.planned_bytes))
        ours = plan_memory(graph, batch=BATCH)
        for optimize, how in ((False, "onnxruntime, same graph"), (True, "onnxruntime, its fused graph")):
            ratios.append(report(name, how, ours, ort_plan_bytes(graph, inputs, optimize=optimize)))
    record(
        2,
        "planner vs engine",
        value=max(ratios),
        low=min(ratios),
        high=max(ratios),
        target="planned arena at most 1.05 times ONNX Runtime's or TVM's own plan",
        unit="times the engine's plan: the worst of 3 networks x 3 plans; spread over all",
        met=max(ratios) <= 1.05,
        command=COMMAND.format(part="planner"),
    )


def report(name: str, engine: str, ours: MemoryPlan, theirs: int) -> float:
    say(f"{name}, {engine}: {ours.arena_bytes / 2**20:.2f} MiB against {theirs / 2**20:.2f} MiB")
    return ours.arena_bytes / theirs


def resident(repeats: int) -> None:
    """Compare peaks of serving sessions with PyTorch eager's, over ResNet-50 and MiniLM at batch 8."""
    low = SessionOptions(memory="low")
    for backend in ("onnxruntime", "openvino"):
        below = {}
        for name in ("resnet50", "minilm"):
            eager = np.array([eager_peak(name) for _ in range(repeats)], np.float64)
            path = stored(name)
            found = footprint(path, backend=backend, batch=BATCH, options=low, repeats=repeats)
            plain = footprint(path, backend=backend, batch=BATCH, repeats=1)
            share = bootstrap_ratio(np.array(found.peak_bytes, np.float64), eager)
            below[name] = [100 * (1 - edge) for edge in (share.value, share.high, share.low)]
            say(
                f"{name} on {backend}: peak {found.peak.value / 2**20:.0f} MiB "
                f"(imports {np.median(found.imported_bytes) / 2**20:.0f}, loaded "
                f"{np.median(found.loaded_bytes) / 2**20:.0f}); memory='fast' {plain.peak_bytes[0] / 2**20:.0f} MiB; "
                f"eager {np.median(eager) / 2**20:.0f} MiB; {below[name][0]:.1f}% below"
            )
        worst = min(below.values(), key=lambda edges: edges[0])
        record(
            2,
            f"rss {backend}",
            value=worst[0],
            low=worst[1],
            high=worst[2],
            target="peak of a serving session (memory='low') at least 40% below PyTorch eager",
            unit="% below, the worse of ResNet-50 and MiniLM at batch 8",
            met=all(edges[1] >= 40 for edges in below.values()),
            command=COMMAND.format(part="rss"),
        )


def options(repeats: int) -> None:
    """Measure memory against latency for what a user can set; written beside the results as plain rows."""
    whole = stored("resnet50")
    apart = whole.with_name("burnish-benchmark-apart.onnx")
    save_apart(networks.graph("resnet50"), apart)
    ways = {
        ("onnxruntime", "defaults"): (whole, SessionOptions()),
        ("onnxruntime", "weights apart"): (apart, SessionOptions()),
        ("onnxruntime", "weights apart, prepacking off"): (
            apart,
            SessionOptions(extra={"session.disable_prepacking": "1"}),
        ),
        ("onnxruntime", "weights apart, one thread"): (apart, SessionOptions(threads=1)),
        ("onnxruntime", "memory low"): (whole, SessionOptions(memory="low")),
        ("openvino", "defaults"): (whole, SessionOptions()),
        ("openvino", "weights apart"): (apart, SessionOptions()),
        ("openvino", "weights apart, one thread"): (apart, SessionOptions(threads=1)),
        ("openvino", "memory low"): (whole, SessionOptions(memory="low")),
    }
    rows = []
    for (backend, way), (path, chosen) in ways.items():
        found = footprint(path, backend=backend, batch=BATCH, options=chosen, repeats=repeats)
        medians = {name: float(np.median(getattr(found, name))) for name in found.__slots__}
        rows.append({"backend": backend, "way": way, "batch": BATCH, "repeats": repeats, **medians})
        say(f"{backend}, {way}: peak {medians['peak_bytes'] / 2**20:.0f} MiB, {medians['latency_ms']:.0f} ms")
    DETAILS.parent.mkdir(exist_ok=True)
    DETAILS.write_text(
        json.dumps({"model": "resnet50", "machine": str(fingerprint()), "rows": rows}, indent=2) + "\n"
    )


def eager_peak(name: str) -> int:
    done = subprocess.run(
        [sys.executable, str(EAGER), name, str(BATCH)], stdout=subprocess.PIPE, text=True, check=True
    )
    return int(json.loads(done.stdout)["peak_bytes"])


def stored(name: str) -> Path:
    path = Path(tempfile.gettempdir()) / f"burnish-benchmark-{name}.onnx"
    graph: ComputeGraph = networks.graph(name)
    graph.save(path)
    return path


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
