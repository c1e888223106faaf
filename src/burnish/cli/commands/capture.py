"""Capture a PyTorch task's model, or check an ONNX file, into one graph."""

from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.render import JsonOption, emit_json, err, table
from burnish.errors import ConfigError
from burnish.graph import ComputeGraph
from burnish.graph.cost import GraphCost
from burnish.units import format_bytes, format_count

app = typer.Typer()


@app.command("capture")
def capture_source(
    source: Annotated[
        str,
        typer.Argument(help="An ONNX file; or a task: its name, such as digits, or the path of a task.py."),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the graph.")],
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights of a task's model; without them it is untrained.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Batch that the shown cost is for.", min=1)] = 1,
    size: Annotated[
        list[str] | None, typer.Option(help="Size of another symbolic dimension, as SYMBOL=SIZE.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write one self-contained ONNX graph, checked, and show its signature and cost."""
    graph = _graph(source, weights)
    cost = graph.cost(batch, sizes=parse_sizes(size or []))
    graph.save(out)
    if json:
        emit_json(_facts(graph, cost) | {"path": out})
    else:
        _show(graph, cost, batch)
        err.print(f"written to {out} ({graph.digest})", soft_wrap=True, highlight=False)


def parse_sizes(pairs: list[str]) -> dict[str, int]:
    """Read ``SYMBOL=SIZE`` pairs from the command line.

    Raises:
        ConfigError: A pair is not of this form.
    """
    sizes = {}
    for pair in pairs:
        symbol, _, number = pair.partition("=")
        if not symbol or not number.isdecimal():
            raise ConfigError(f"--size {pair!r} is not SYMBOL=SIZE", hint="such as --size tokens=128")
        sizes[symbol] = int(number)
    return sizes


def _graph(source: str, weights: Path | None) -> ComputeGraph:
    if source.endswith(".onnx") or (Path(source).is_file() and not source.endswith(".py")):
        if weights is not None:
            raise ConfigError("--weights belong to a task's model, but the source is an ONNX file")
        return ComputeGraph(source)
    return _task_graph(source, weights)


def _task_graph(reference: str, weights: Path | None) -> ComputeGraph:
    import numpy as np

    from burnish.evaluate.task import load_task
    from burnish.graph.capture import capture
    from burnish.plugins import require

    require("torch", extra="compress", need="capturing a task's model")
    from burnish.compress.network import load_weights

    task = load_task(reference)
    module = task.build_model()
    if weights is not None:
        load_weights(module, weights)
    return capture(module, task.split("valid").take(np.arange(2)).inputs, output_names=task.output_names)


def _facts(graph: ComputeGraph, cost: GraphCost) -> dict[str, Any]:
    return {
        "digest": graph.digest,
        "signature": graph.signature.to_dict(),
        "operators": graph.operators(),
        "parameters": graph.parameters,
        "size_bytes": graph.size_bytes,
        "macs": cost.macs,
        "flops": cost.flops,
        "bytes": cost.bytes,
        "uncosted": cost.uncosted,
    }


def _show(graph: ComputeGraph, cost: GraphCost, batch: int) -> None:
    sides = (("input", graph.signature.inputs), ("output", graph.signature.outputs))
    table(
        "signature",
        ["", "name", "dtype", "shape"],
        [(side, s.name, s.dtype, ", ".join(map(str, s.shape))) for side, specs in sides for s in specs],
    )
    rows = [
        ("operators", ", ".join(f"{count} {op}" for op, count in graph.operators().items())),
        ("parameters", format_count(graph.parameters)),
        ("size", format_bytes(graph.size_bytes)),
        (f"multiply-adds, batch {batch}", format_count(cost.macs)),
        (f"memory traffic, batch {batch}", format_bytes(cost.bytes)),
    ]
    if cost.uncosted:
        rows.append(("not costed", ", ".join(f"{count} {op}" for op, count in cost.uncosted.items())))
    table("graph", ["", "value"], rows)
