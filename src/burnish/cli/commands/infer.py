"""Run a graph once on a device of your choice."""

import io
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.options import SizeOption
from burnish.cli.render import JsonOption, emit_json, err, plain, table
from burnish.errors import ConfigError
from burnish.files import write_atomic
from burnish.graph import ComputeGraph, Signature
from burnish.graph.samples import random_inputs, read_inputs
from burnish.graph.signature import Array
from burnish.runtime import SessionOptions, open_session
from burnish.units import format_ms

app = typer.Typer(rich_markup_mode=None)

_SHOWN = 6


@app.command()
def infer(
    model: Annotated[Path, typer.Argument(help="ONNX file.")],
    source: Annotated[
        list[str] | None, typer.Option("--input", help="An .npz file, or NAME=FILE.npy; may be repeated.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Make the inputs up.")] = False,
    batch: Annotated[int, typer.Option(help="Rows of made-up inputs.", min=0)] = 1,
    size: SizeOption = None,
    seed: Annotated[int, typer.Option(help="Of the made-up inputs.", min=0)] = 0,
    device: Annotated[str, typer.Option(help="Where to run; see `burnish doctor`.")] = "cpu",
    backend: Annotated[str | None, typer.Option(help="Engine. [default: the preferred one]")] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(help="Device to try when --device cannot be used here; may be repeated."),
    ] = None,
    placement: Annotated[bool, typer.Option("--placement", help="Show which operators ran where.")] = False,
    threads: Annotated[int, typer.Option(help="Threads; 0 leaves them to the engine.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the outputs to this .npz file.")] = None,
    json: JsonOption = False,
) -> None:
    """Run a graph once and show its outputs."""
    if bool(source) == random:
        raise ConfigError("infer needs inputs", hint="give either --input or --random")
    graph = ComputeGraph(model)
    sizes = parse_sizes(size or [])
    inputs = (
        read_inputs(source, graph.signature)
        if source
        else random_inputs(graph.signature, batch=batch, sizes=sizes, seed=seed)
    )
    options = SessionOptions(threads=threads)
    with open_session(graph, device=device, backend=backend, options=options, fallback=fallback) as session:
        begin = time.perf_counter()
        outputs = session.run(inputs)
        elapsed_ms = (time.perf_counter() - begin) * 1000
        placed = session.placement() if placement else ()
    if out is not None:
        _save(out, outputs)
    if json:
        facts = {"backend": session.backend, "device": session.device, "first_run_ms": elapsed_ms}
        where = {"placement": [plain(one) for one in placed]} if placement else {}
        emit_json(facts | where | {"outputs": _typed(outputs, graph.signature)})
        return
    table(
        f"outputs of {session.backend} on {session.device}",
        ["name", "dtype", "shape", "values"],
        [(name, a.dtype, list(a.shape), _preview(a)) for name, a in outputs.items()],
    )
    if placement:
        counts = Counter((one.operator, one.where) for one in placed)
        table(
            "placement",
            ["operator", "where", "nodes"],
            [(*key, count) for key, count in counts.most_common()],
            numeric=["nodes"],
        )
    err.print(f"first run {format_ms(elapsed_ms)}", highlight=False)


def _typed(outputs: dict[str, Array], signature: Signature) -> list[dict[str, Any]]:
    dtypes = {spec.name: spec.dtype for spec in signature.outputs}
    return [
        {"name": name, "dtype": dtypes[name], "shape": list(array.shape), "data": array.ravel()}
        for name, array in outputs.items()
    ]


def _preview(array: Array) -> str:
    flat = array.ravel()
    shown = " ".join(f"{v:.4g}" if array.dtype.kind == "f" else str(v) for v in flat[:_SHOWN])
    return shown + (" ..." if flat.size > _SHOWN else "")


def _save(path: Path, outputs: dict[str, Array]) -> None:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **outputs)
    write_atomic(path, stream.getvalue())
