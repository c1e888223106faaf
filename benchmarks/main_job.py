"""The bars of the main job: how long the demo takes, what it ships, how fast a planted fault is undone.

Run it with nothing else on the machine: ``python benchmarks/main_job.py --runs 3``. Each run is a fresh
``burnish demo``; accuracy is the same in each (seeds), time and rollback are not.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

COMMAND = "python benchmarks/main_job.py --runs {runs}"


def demo(folder: Path) -> dict:
    begun = time.monotonic()
    command = [sys.executable, "-m", "burnish", "demo", "--out", str(folder), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) | {"total_s": time.monotonic() - begun}


def help_seconds() -> float:
    begun = time.monotonic()
    command = [sys.executable, "-m", "burnish", "--help"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    command = COMMAND.format(runs=runs)
    helps = [help_seconds() for _ in range(15)]
    with tempfile.TemporaryDirectory() as root:
        results = [demo(Path(root) / str(i)) for i in range(runs)]

    spread(
        "demo time",
        [r["total_s"] for r in results],
        "s",
        300,
        command,
        "under 300 s on 2 cores, after installation",
    )
    spread(
        "rollback",
        [r["alarm_to_zero_ms"] for r in results],
        "ms",
        1000,
        command,
        "under 1000 ms from the alarm to 0% of the traffic",
    )
    spread("help time", helps, "s", 0.5, command, "burnish --help under 0.5 s")
    value, low, high = results[0]["test_difference_points"]
    chosen = results[0]["chosen"]
    record(
        1,
        "shipped accuracy",
        value=value,
        low=low,
        high=high,
        target="INT8 and pruned: within 1.0 point of the float model on held-out data",
        unit="points",
        met="int8" in chosen and "pruned" in chosen and value >= -1.0,
        command=command,
    )


def spread(bar: str, samples: list[float], unit: str, limit: float, command: str, target: str) -> None:
    """Record the median with the whole range; the bar is met when the worst sample meets it."""
    record(
        1,
        bar,
        value=statistics.median(samples),
        low=min(samples),
        high=max(samples),
        target=target,
        unit=unit,
        met=max(samples) < limit,
        command=command,
    )


if __name__ == "__main__":
    main()
