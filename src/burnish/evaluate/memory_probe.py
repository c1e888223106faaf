"""One engine in a fresh process: load, run, and tell what the kernel counted. Run by `burnish.evaluate.memory`."""

import json
import statistics
import sys
import time
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Measure as the JSON argument says and print the facts as JSON."""
    request = json.loads(sys.argv[1])
    from burnish.graph import ComputeGraph
    from burnish.graph.samples import random_inputs
    from burnish.runtime import SessionOptions, open_session, resolve
    from burnish.runtime.lean import unpacked

    import_module(resolve("cpu", request["backend"]).spec.package)
    imported = status("VmRSS")
    options, model = SessionOptions(**request["options"]), Path(request["model"])
    with unpacked(model) if options.memory == "low" else nullcontext(model) as path:
        graph = ComputeGraph(path)
        signature = graph.signature
        session: Any = open_session(graph, backend=request["backend"], options=options)
        del graph
    inputs = random_inputs(signature, batch=request["batch"], sizes=request["sizes"])
    loaded, samples_ms = status("VmRSS"), []
    for _ in range(request["runs"]):
        begin = time.perf_counter_ns()
        session.run(inputs)
        samples_ms.append((time.perf_counter_ns() - begin) / 1e6)
    facts = {
        "imported_bytes": imported,
        "loaded_bytes": loaded,
        "resident_bytes": status("VmRSS"),
        "peak_bytes": status("VmHWM"),
        "latency_ms": statistics.median(samples_ms),
    }
    print(json.dumps(facts))  # noqa: T201 - the caller reads it


def status(field: str) -> int:
    """Return one size of this process in bytes: ``VmRSS`` now, ``VmHWM`` at most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"the kernel does not tell {field}")


if __name__ == "__main__":
    main()
