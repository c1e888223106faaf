"""What ``infer()`` costs over calling the engine itself: checks, conversions and bookkeeping.

Both sides call the very same loaded engine in turn, so that neither its threads nor its memory differ:
ONNX Runtime through ``InferenceSession.run``, OpenVINO through ``InferRequest.infer`` with shared inputs. The
price in microseconds is taken on a tiny network, where it is largest beside the work; the share of the time on
a real one. Run it with nothing else on the machine: ``python benchmarks/overhead.py``.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from record import record

from burnish.evaluate.accuracy import bootstrap_median
from burnish.evaluate.latency import BenchConfig, benchmark
from burnish.graph import ComputeGraph
from burnish.runtime import SessionOptions
from burnish.testing import graphs, networks

LIMIT_US, LIMIT_PERCENT = 20, 2
ENGINES = ("onnxruntime", "openvino")


def raw_call(graph: ComputeGraph, engine: str, options: SessionOptions, inputs: dict) -> Callable[[], Any]:
    """Return a call of the engine that the graph has loaded, around burnish."""
    loaded = graph.session(backend=engine, options=options)._session
    if engine == "onnxruntime":
        session, names = loaded._session, graph.signature.output_names
        return lambda: session.run(names, inputs)
    request, feed = loaded._compiled.create_infer_request(), dict(enumerate(inputs.values()))
    return lambda: request.infer(feed, share_inputs=True)


def measured(graph: ComputeGraph, engine: str, inputs: dict, *, threads: int, rounds: int) -> tuple:
    options = SessionOptions(threads=threads)
    calls = {
        "raw": raw_call(graph, engine, options, inputs),
        "infer": lambda: graph.infer(inputs, backend=engine, options=options),
    }
    found = benchmark(calls, BenchConfig(rounds=rounds))
    graph.close()
    return found["infer"], found["raw"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet18", choices=networks.NAMES)
    parser.add_argument("--rounds", type=int, default=400)
    arguments = parser.parse_args()
    command = f"python benchmarks/overhead.py --model {arguments.model} --rounds {arguments.rounds}"
    tiny = {"x": np.ones((1, 1, 8, 8), np.float32)}
    real = networks.example_inputs(arguments.model, batch=1)
    for engine in ENGINES:
        infer, raw = measured(graphs.network(), engine, tiny, threads=1, rounds=arguments.rounds)
        price = bootstrap_median(1e3 * (np.asarray(infer.samples_ms) - np.asarray(raw.samples_ms)))
        print(f"{engine}, tiny network: raw {1e3 * raw.median_ms:.1f} us, infer() adds {price} us")
        record(
            2,
            f"infer overhead us {engine}",
            value=price.value,
            low=price.low,
            high=price.high,
            target=f"at most {LIMIT_US} us over the raw engine, tiny network",
            unit="us",
            met=price.high <= LIMIT_US,
            command=command,
        )
        graph = networks.graph(arguments.model)
        infer, raw = measured(graph, engine, real, threads=1, rounds=arguments.rounds)
        # in pairs: what the machine does to one call it mostly does to the next
        more = bootstrap_median(np.asarray(infer.samples_ms) - np.asarray(raw.samples_ms))
        share = [100 * ms / raw.median_ms for ms in (more.value, more.low, more.high)]
        print(f"{engine}, {arguments.model}: raw {raw.median_ms:.2f} ms, infer() adds {share} %")
        record(
            2,
            f"infer overhead percent {engine}",
            value=share[0],
            low=share[1],
            high=share[2],
            target=f"at most {LIMIT_PERCENT}% over the raw engine, {arguments.model} at batch 1",
            unit="%",
            met=share[2] <= LIMIT_PERCENT,
            command=command,
        )


if __name__ == "__main__":
    main()
