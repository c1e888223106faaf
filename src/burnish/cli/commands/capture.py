"""Capture a PyTorch task, a Hugging Face folder, TFLite or ONNX into one graph."""

from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.options import SizeOption
from burnish.cli.render import JsonOption, emit_json, err, table
from burnish.errors import ConfigError, ShapeError
from burnish.graph import ComputeGraph
from burnish.graph.cost import GraphCost
from burnish.units import format_bytes, format_count

app = typer.Typer(rich_markup_mode=None)

LARGEST_SIZE = 2**31 - 1
"""Of a dimension: what is larger is a slip of the finger, and overflows what engines count with."""


@app.command("capture")
def capture_source(
    source: Annotated[
        str,
        typer.Argument(
            help="An ONNX or TFLite file; a Hugging Face folder (config.json, *.safetensors); or a task: its name, "
            "such as digits, or the path of a task.py."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the graph.")],
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights of a task's model; without them it is untrained.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Batch that the shown cost is for.", min=1)] = 1,
    size: SizeOption = None,
    json: JsonOption = False,
) -> None:
    """Write one self-contained ONNX graph, checked, and show its signature and cost."""
    sizes = parse_sizes(size or [])
    graph = _graph(source, weights)
    cost = _cost(graph, batch, sizes)
    graph.save(out)
    if json:
        emit_json(_facts(graph, cost) | {"path": out})
    else:
        _show(graph, cost, batch)
        err.print(f"written to {out} ({graph.digest})", soft_wrap=True, highlight=False)


def parse_sizes(pairs: list[str]) -> dict[str, int]:
    """Read ``SYMBOL=SIZE`` pairs from the command line.

    Raises:
        ConfigError: A pair is not of this form, or a size is out of range.
    """
    sizes = {}
    for pair in pairs:
        symbol, _, number = pair.partition("=")
        if not symbol or not number.isdecimal():
            raise ConfigError(f"--size {pair!r} is not SYMBOL=SIZE", hint="such as --size tokens=128")
        if not is_size(number):
            raise ConfigError(f"--size {pair}: is more than {LARGEST_SIZE}")
        sizes[symbol] = int(number)
    return sizes


def is_size(digits: str) -> bool:
    """Tell whether a number is small enough for a dimension.

    >>> is_size("128"), is_size("9" * 20)
    (True, False)
    """
    # Python refuses to read a number of thousands of digits at all.
    return len(digits) <= len(str(LARGEST_SIZE)) and int(digits) <= LARGEST_SIZE


def _graph(source: str, weights: Path | None) -> ComputeGraph:
    from burnish.graph.huggingface import capture_folder, is_model_folder
    from burnish.graph.tflite import capture_tflite, is_tflite

    path = Path(source)
    if path.suffix == ".py" or not (
        path.suffix or path.is_file() or is_model_folder(path) or len(path.parts) > 1
    ):
        return _task_graph(source, weights)
    if weights is not None:
        raise ConfigError(f"--weights belong to a task's model, but {source} has its own")
    if path.is_dir():
        return capture_folder(path)
    return capture_tflite(path) if path.suffix == ".tflite" or is_tflite(path) else ComputeGraph(path)


def _task_graph(reference: str, weights: Path | None) -> ComputeGraph:
    import numpy as np

    from burnish.evaluate.hooks import dynamic_axes
    from burnish.evaluate.task import load_task
    from burnish.graph.capture import capture
    from burnish.plugins import require

    require("torch", extra="compress", need="capturing a task's model")
    from burnish.compress.network import load_weights

    task = load_task(reference)
    module = task.build_model()
    if weights is not None:
        load_weights(module, weights)
    example = task.split("valid").take(np.arange(2)).inputs
    return capture(module, example, output_names=task.output_names, dynamic=dynamic_axes(task))


def _cost(graph: ComputeGraph, batch: int, sizes: dict[str, int]) -> GraphCost | None:
    """Return the cost; None when a symbolic dimension has no size and the caller asked for none."""
    try:
        return graph.cost(batch, sizes=sizes)
    except ShapeError as error:
        if sizes:
            raise
        err.print(f"no cost: {error}", soft_wrap=True, highlight=False, markup=False)
        return None


def _facts(graph: ComputeGraph, cost: GraphCost | None) -> dict[str, Any]:
    return {
        "digest": graph.digest,
        "signature": graph.signature.to_dict(),
        "operators": graph.operators(),
        "parameters": graph.parameters,
        "size_bytes": graph.size_bytes,
        "macs": cost and cost.macs,
        "flops": cost and cost.flops,
        "bytes": cost and cost.bytes,
        "uncosted": cost and cost.uncosted,
    }


def show_signature(graph: ComputeGraph) -> None:
    """Print the inputs and outputs of a graph."""
    sides = (("input", graph.signature.inputs), ("output", graph.signature.outputs))
    table(
        "signature",
        ["", "name", "dtype", "shape", "ragged axes", "layout"],
        [
            (
                side,
                s.name,
                s.dtype,
                *(", ".join(map(str, axes)) for axes in (s.shape, s.ragged)),
                s.layout or "",
            )
            for side, specs in sides
            for s in specs
        ],
    )


def _show(graph: ComputeGraph, cost: GraphCost | None, batch: int) -> None:
    show_signature(graph)
    rows = [
        ("operators", ", ".join(f"{count} {op}" for op, count in graph.operators().items())),
        ("parameters", format_count(graph.parameters)),
        ("size", format_bytes(graph.size_bytes)),
    ]
    if cost is not None:
        rows.append((f"multiply-adds, batch {batch}", format_count(cost.macs)))
        rows.append((f"memory traffic, batch {batch}", format_bytes(cost.bytes)))
    if cost is not None and cost.uncosted:
        rows.append(("not costed", ", ".join(f"{count} {op}" for op, count in cost.uncosted.items())))
    table("graph", ["", "value"], rows)
