"""PyTorch eager alone in a process: build a network, run it, print what the kernel counted.

``burnish.testing.networks`` builds it; what that module imports for capturing is replaced by nothing, so that torch
is all that counts.
"""

import importlib
import json
import sys
import types
from pathlib import Path

import torch

SOURCE = Path(__file__).parents[1] / "src/burnish/testing"


def main() -> None:
    imported = status("VmRSS")
    for name in (
        "burnish",
        "burnish.errors",
        "burnish.graph",
        "burnish.graph.capture",
        "burnish.graph.signature",
        "burnish.testing",
    ):
        module = sys.modules[name] = types.ModuleType(name)
        for missing in ("NotFoundError", "nearest", "ComputeGraph", "capture", "Array"):
            setattr(module, missing, object)
    sys.modules["burnish.testing"].__path__ = [str(SOURCE)]
    networks = importlib.import_module("burnish.testing.networks")
    module = networks.build(sys.argv[1])
    inputs = [
        torch.from_numpy(array)
        for array in networks.example_inputs(sys.argv[1], batch=int(sys.argv[2])).values()
    ]
    loaded = status("VmRSS")
    with torch.inference_mode():
        for _ in range(5):
            module(*inputs)
    print(json.dumps({"imported_bytes": imported, "loaded_bytes": loaded, "peak_bytes": status("VmHWM")}))


def status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
