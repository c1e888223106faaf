"""What every tool starts from, and how it hands over what it made.

A run has one folder. ``float.onnx`` in it is the float model, captured once; ``<tool>/<name>.onnx`` or ``.xml`` is
what a tool made of it, and ``<tool>/<name>.json`` beside that says how, what it cost, or what error the tool gave.
"""

import argparse
import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.compress.network import build_model, load_weights
from burnish.evaluate.task import Split, Task, load_task
from burnish.files import sha256_bytes, write_atomic
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture

FLOAT = "float.onnx"


@dataclass(frozen=True, slots=True)
class Start:
    """The trained network of a task and the folder of the run."""

    task: Task
    model: nn.Module
    folder: Path
    samples: int
    """Calibration examples: the first of the training split, for every tool the same."""
    seed: int

    @property
    def float_file(self) -> Path:
        """The captured float model."""
        return self.folder / FLOAT

    @property
    def calibration(self) -> Split:
        """The calibration examples."""
        train = self.task.split("train")
        return train.take(np.arange(min(self.samples, len(train))))

    @property
    def example(self) -> tuple[torch.Tensor, ...]:
        """Two examples as forward takes them."""
        few = self.task.split("train").take(np.arange(2))
        return tuple(torch.from_numpy(array) for array in few.inputs.values())

    def fresh(self) -> nn.Module:
        """Return another copy of the trained network."""
        model = build_model(self.task)
        model.load_state_dict(self.model.state_dict())
        return model.eval()

    def export(self, model: nn.Module, path: Path) -> None:
        """Capture a network as the float model was captured."""
        few = self.task.split("valid").take(np.arange(2)).inputs
        capture(model, few, output_names=self.task.output_names).save(path)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file that a tool made, or what it said instead."""

    tool: str
    name: str
    how: str
    """What was done, in words."""
    seconds: float
    """How long the tool took, training included."""
    epochs: int = 0
    """Passes over the training split."""
    file: Path | None = None
    """None where the tool failed."""
    error: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every tool's script takes."""
    parser.add_argument("--task", required=True, help="name of a task, or path/to/task.py")
    parser.add_argument("--weights", type=Path, required=True, help="state dict of the trained float model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--samples", type=int, default=256, help="calibration examples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch, in training")


def start(arguments: argparse.Namespace) -> Start:
    """Load the trained network, and capture it unless a tool before did.

    Raises:
        SystemExit: The folder belongs to another task or to other weights.
    """
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    task = load_task(arguments.task)
    model = build_model(task)
    load_weights(model, arguments.weights)
    begun = Start(task, model.eval(), arguments.out, arguments.samples, arguments.seed)
    _claim(arguments.out, {"task": arguments.task, "weights": sha256_bytes(arguments.weights.read_bytes())})
    if not begun.float_file.exists():
        begun.export(model, begun.float_file)
    return begun


def attempt(
    start: Start, tool: str, name: str, how: str, work: Callable[[Path], Path], *, epochs: int = 0
) -> Candidate:
    """Let a tool make one candidate, and keep what came of it; one that was made like this before is not made again.

    Args:
        start: Folder and task.
        tool: The tool's name.
        name: The candidate's.
        how: What is done, in words.
        work: Gets the path to write to, without a suffix, and returns the file that it wrote.
        epochs: Passes over the training split that the work takes.
    """
    folder = start.folder / tool
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{name}.json"
    if record.exists():
        earlier = _read(record)
        if earlier.file is not None and (earlier.how, earlier.epochs) == (how, epochs):
            return earlier
    begun = time.monotonic()
    try:
        file = work(folder / name)
        seconds = time.monotonic() - begun
        made = Candidate(tool, name, how, seconds, epochs, file)
    except Exception as error:  # whatever a tool may raise: the table names it
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}".strip()
        made = Candidate(tool, name, how, time.monotonic() - begun, epochs, error=text)
    facts = asdict(made) | {"file": made.file.name if made.file else None}
    write_atomic(record, (json.dumps(facts, indent=2) + "\n").encode())
    print(f"{tool} {name}: {made.error or made.file} ({made.seconds:.0f} s)", flush=True)
    return made


def read_candidates(folder: Path) -> list[Candidate]:
    """Return everything that the tools left in the folder of a run."""
    return [_read(path) for path in sorted(folder.glob("*/*.json")) if _is_record(path)]


def pruned_files(folder: Path) -> Iterator[Candidate]:
    """Yield what Torch-Pruning left, which quantizing tools may go on with."""
    yield from (c for c in read_candidates(folder) if c.tool == "torch-pruning" and c.file is not None)


def size_bytes(file: Path) -> int:
    """Return what a model takes on disk; OpenVINO's form is two files."""
    beside = file.with_suffix(".bin") if file.suffix == ".xml" else None
    return ComputeGraph(file).size_bytes if beside is None else file.stat().st_size + beside.stat().st_size


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "start.json"
    if record.exists() and json.loads(record.read_bytes()) != facts:
        raise SystemExit(f"{folder} belongs to another task or other weights: see {record}")
    write_atomic(record, json.dumps(facts, indent=2).encode())


def _is_record(path: Path) -> bool:
    return "how" in json.loads(path.read_bytes())


def _read(record: Path) -> Candidate:
    facts = json.loads(record.read_bytes())
    file = record.parent / facts["file"] if facts["file"] else None
    return Candidate(**facts | {"file": file})
