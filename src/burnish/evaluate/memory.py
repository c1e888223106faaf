"""What engines really take: resident memory of fresh processes, as the kernel counts it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import BackendError
from burnish.evaluate.accuracy import Interval, bootstrap_median
from burnish.runtime import SessionOptions

_PROBE = Path(__file__).with_name("memory_probe.py")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resident memory of one engine, each sample from a process of its own. Bytes; latency in ms."""

    imported_bytes: tuple[int, ...]
    """After importing the engine and burnish, before the model."""
    loaded_bytes: tuple[int, ...]
    """After the model is loaded."""
    resident_bytes: tuple[int, ...]
    """After the last run."""
    peak_bytes: tuple[int, ...]
    """Most that was ever resident, loading included."""
    latency_ms: tuple[float, ...]
    """Median of the runs of each process."""

    @property
    def peak(self) -> Interval:
        """Median peak over the processes with its bootstrap interval, in bytes."""
        return bootstrap_median(np.asarray(self.peak_bytes, np.float64))


def footprint(
    model: Path,
    *,
    backend: str,
    batch: int = 1,
    sizes: Mapping[str, int] | None = None,
    options: SessionOptions | None = None,
    repeats: int = 5,
    runs: int = 5,
) -> Footprint:
    """Load and run a model in fresh processes and read what the kernel says they took.

    Args:
        model: An ONNX file.
        backend: Engine.
        batch: Rows a run.
        sizes: Sizes of other symbolic dimensions.
        options: How the session runs; None for the defaults.
        repeats: Processes.
        runs: Runs in each process, after which the peak is read.

    Raises:
        BackendError: A process failed; the text holds its last words. Linux only.
    """
    request = {
        "model": str(model),
        "backend": backend,
        "batch": batch,
        "sizes": dict(sizes or {}),
        "options": asdict(options or SessionOptions()),
        "runs": runs,
    }
    samples = [_probe(request) for _ in range(repeats)]
    return Footprint(*(tuple(sample[name] for sample in samples) for name in Footprint.__slots__))


def _probe(request: Mapping[str, Any]) -> dict[str, Any]:
    # by its path and without this folder on the path: importing burnish.evaluate would count as well
    command = [sys.executable, "-P", str(_PROBE), json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise BackendError(
            f"{request['backend']}: measuring its memory failed: {words[-1] if words else 'no words'}"
        )
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts
