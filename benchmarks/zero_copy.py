"""What sharing memory with an engine saves: bytes that are not copied, and the time that copying takes.

A graph with 64 MiB in and 64 MiB out is run in the ways that differ only in whose memory is read and written:

- ``copied``: the input is copied for the engine, and the result out of the engine's memory;
- ``fresh``: the input is read where it lies, the result comes in memory of its own;
- ``lent``: the result is written into an array that the caller keeps;
- ``bound``: the same, with everything checked and prepared beforehand.

Run it with nothing else on the machine: ``python benchmarks/zero_copy.py``.
"""

import argparse

import numpy as np
from record import record

from burnish.evaluate.latency import BenchConfig, benchmark, ratio
from burnish.runtime import open_session
from burnish.testing import graphs
from burnish.testing.copies import peak_growth_bytes

SIDE = 4096
MIB = 2**20


def doubling(dims: str):
    return graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        doubling (float[{dims}] x) => (float[{dims}] y) {{ y = Add(x, x) }}
    """)


# OpenVINO copies into lent arrays where the graph's shapes are free: both are shown.
CASES = {
    "onnxruntime": ("onnxruntime", "n, m"),
    "openvino": ("openvino", f"{SIDE}, {SIDE}"),
    "openvino-free": ("openvino", "n, m"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for case, (engine, dims) in CASES.items():
        with open_session(doubling(dims), backend=engine) as session:
            measure(case, session, rounds)


def measure(case: str, session, rounds: int) -> None:
    x = np.ones((SIDE, SIDE), np.float32)
    y = np.zeros_like(x)
    calls = {
        "copied": lambda: session.run({"x": x.copy()})["y"].copy(),
        "fresh": lambda: session.run({"x": x})["y"],
        "lent": lambda: session.run({"x": x}, {"y": y})["y"],
        "bound": session.bind({"x": x}, {"y": y}),
    }
    found = benchmark(calls, BenchConfig(rounds=rounds, warmup=2))
    grown = {name: new_memory_mib(call) for name, call in calls.items()}
    for name, latency in found.items():
        print(f"{case:14} {name:7} {latency.median_ms:8.2f} ms, {grown[name]:6.1f} MiB of new memory")
    command = f"python benchmarks/zero_copy.py --rounds {rounds}"
    times = ratio(found["copied"], found["bound"])
    record(
        2,
        f"zero copy time {case}",
        value=times.value,
        low=times.low,
        high=times.high,
        target="bound buffers are faster than copies, 64 MiB in and 64 MiB out",
        unit="times",
        met=times.low > 1,
        command=command,
    )
    record(
        2,
        f"zero copy memory {case}",
        value=grown["bound"],
        low=grown["bound"],
        high=grown["bound"],
        target="less than 1 MiB of new memory a call with bound buffers",
        unit=f"MiB; {grown['copied']:.0f} with copies",
        met=grown["bound"] < 1,
        command=command,
    )


def new_memory_mib(call) -> float:
    """Return what one more call takes while the result of the one before is still in use."""
    kept = [call()]
    return peak_growth_bytes(lambda: kept.append(call())) / MIB


if __name__ == "__main__":
    main()
