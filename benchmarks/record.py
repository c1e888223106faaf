"""How a measurement is kept: one JSON file a bar, from which the results page is made."""

import datetime
import json
import shutil
import subprocess
from pathlib import Path

from burnish.files import write_atomic
from burnish.runtime.machine import fingerprint

RESULTS = Path(__file__).parent / "results"


def record(
    issue: int,
    bar: str,
    *,
    value: float,
    low: float,
    high: float,
    target: str,
    unit: str,
    met: bool,
    command: str,
) -> Path:
    """Write ``results/<issue>-<bar>.json``.

    Args:
        issue: Number in the issue's title.
        bar: What was measured, in a few words; also the file's name.
        value: The measurement.
        low: Lower end of its interval or spread.
        high: Upper end.
        target: What the issue asks for, in words.
        unit: Of value, low and high.
        met: Whether the target is met.
        command: What measures it again.
    """
    git = shutil.which("git") or "git"
    commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    facts = {
        "bar": bar,
        "value": value,
        "low": low,
        "high": high,
        "target": target,
        "unit": unit,
        "met": met,
        "command": command,
        "machine": str(fingerprint()),
        "commit": commit.stdout.strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    path = RESULTS / f"{issue}-{bar.replace(' ', '-')}.json"
    write_atomic(path, (json.dumps(facts, indent=2) + "\n").encode())
    return path
