"""How much faster ResNet-18 at 224 pixels runs when it is pruned and in INT8, than PyTorch eager and its own engine.

Run it with nothing else on the machine: ``python benchmarks/compress/latency.py``. Latency depends on shapes and
numbers' formats alone, so the weights are seeded random ones; what such a cut costs in accuracy is another bar's
matter. All contenders run in turns in one process, each followed by a pause that lets its threads go to sleep.
"""

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))  # record.py serves every benchmark

import numpy as np
import torch
from record import record
from torch import nn

from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.pruning.rounding import nearest_multiple
from burnish.compress.quantize import QuantScheme, quantize
from burnish.compress.quantize.kernels import integer_kernels
from burnish.evaluate.latency import BenchConfig, benchmark, ratio
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.runtime.session import open_session
from burnish.testing.networks import build

ISSUE, ENGINES, PIXELS, UNIT = 4, ("onnxruntime", "openvino"), 224, 16


def narrowed(share: float) -> nn.Module:
    """Return ResNet-18 with a share of the channels of every unit gone, in multiples of 16."""
    model = build("resnet18")
    groups = ChannelGroups(model, (torch.zeros(1, 3, PIXELS, PIXELS),))
    for unit in groups.units():
        keep = nearest_multiple(unit.width * (1 - share), UNIT, unit.width)
        groups.remove(unit, list(range(keep, unit.width)))
    return model.eval()


def graph_of(model: nn.Module) -> ComputeGraph:
    example = {"image": np.zeros((2, 3, PIXELS, PIXELS), np.float32)}
    return capture(model, example, output_names=("scores",))


def tell(bar: str, found, target: float, what: str, command: str) -> None:
    record(
        ISSUE,
        bar,
        value=found.value,
        low=found.low,
        high=found.high,
        target=f"at least {target:g} times as fast as {what}, at batch 1",
        unit="times faster",
        met=found.value >= target,
        command=command,
    )
    print(f"{bar}: {found.value:.2f} [{found.low:.2f}, {found.high:.2f}], {target:g} wanted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.5, help="of the channels that are pruned")
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    command = f"python benchmarks/compress/latency.py --share {given.share:g} --rounds {given.rounds}"
    rng = np.random.default_rng(0)
    samples = Split(
        {"image": rng.standard_normal((16, 3, PIXELS, PIXELS), np.float32)}, np.zeros(16, np.int64)
    )
    whole, slim = build("resnet18"), narrowed(given.share)
    graphs = {"float": graph_of(whole), "pruned": graph_of(slim)}
    graphs |= {
        f"{name} int8": quantize(graph, samples, QuantScheme()) for name, graph in list(graphs.items())
    }
    for name in ("float int8", "pruned int8"):
        print(name, {engine: integer_kernels(graphs[name], engine) for engine in ENGINES})
    one = samples.take(np.arange(1)).inputs

    def eager() -> None:
        with torch.inference_mode():
            whole(torch.from_numpy(one["image"]))

    with ExitStack() as stack:
        contenders = {"eager": eager}
        for name, graph in graphs.items():
            for engine in ENGINES:
                session = stack.enter_context(open_session(graph, backend=engine))
                contenders[f"{name} {engine}"] = partial(session.run, one)
        times = benchmark(contenders, BenchConfig(rounds=given.rounds, pause_s=0.25))
    for name, latency in times.items():
        print(f"{name}: {latency.median_ms:.2f} ms")
    for engine in ENGINES:
        small, base = times[f"pruned int8 {engine}"], times[f"float {engine}"]
        tell(
            f"resnet18 int8 {engine}",
            ratio(base, times[f"float int8 {engine}"]),
            1.8,
            "the same engine's FP32",
            command,
        )
        tell(f"resnet18 pruned int8 {engine}", ratio(base, small), 3.0, "the same engine's FP32", command)
        tell(
            f"resnet18 pruned int8 {engine} eager",
            ratio(times["eager"], small),
            5.5,
            "PyTorch eager",
            command,
        )


if __name__ == "__main__":
    main()
