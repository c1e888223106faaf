"""Tell whether the engines agree, and at which operator they part."""

import math
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.options import BackendsOption, SizeOption
from burnish.cli.render import JsonOption, emit_json, err, table
from burnish.errors import BackendError, ConfigError
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs, read_inputs
from burnish.runtime.choice import chosen_backends
from burnish.runtime.compare import Difference
from burnish.runtime.divergence import Divergence
from burnish.runtime.parity import REFERENCE, OutputParity, ParityReport
from burnish.runtime.parity import parity as compare_engines

app = typer.Typer(rich_markup_mode=None)


@app.command()
def parity(
    model: Annotated[Path, typer.Argument(help="ONNX file.")],
    backends: BackendsOption = None,
    inputs: Annotated[
        list[str] | None, typer.Option(help="An .npz file, or NAME=FILE.npy; may be repeated.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Make the inputs up.")] = False,
    batch: Annotated[int, typer.Option(help="Rows of made-up inputs.", min=0)] = 1,
    size: SizeOption = None,
    seed: Annotated[int, typer.Option(help="Of the made-up inputs.", min=0)] = 0,
    device: Annotated[
        str, typer.Option(help="Where the compared engines run; see `burnish doctor`.")
    ] = "cpu",
    reference: Annotated[str, typer.Option(help="Engine, on the CPU, to compare with.")] = REFERENCE,
    rtol: Annotated[float, typer.Option(help="Allowed error relative to each element.", min=0.0)] = 1e-3,
    atol: Annotated[float, typer.Option(help="Allowed absolute error, added to it.", min=0.0)] = 1e-4,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Find the first operator at which an engine parts.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run the same inputs on several engines and compare every output with a reference engine's.

    Leaves with code 3 when an engine disagrees.
    """
    if bool(inputs) == random:
        raise ConfigError("parity needs inputs", hint="give either --inputs or --random")
    graph = ComputeGraph(model)
    given = (
        read_inputs(inputs, graph.signature)
        if inputs
        else random_inputs(graph.signature, batch=batch, sizes=parse_sizes(size or []), seed=seed)
    )
    report = compare_engines(
        graph,
        given,
        backends=chosen_backends(backends),
        device=device,
        rtol=rtol,
        atol=atol,
        reference=reference,
        bisect=bisect,
    )
    if json:
        emit_json(_facts(report))
    else:
        _show(report)
    if not report.rows:
        raise BackendError(
            "nothing was compared: no other engine could run the graph", hint="see `burnish doctor`"
        )
    report.check()


def _facts(report: ParityReport) -> dict[str, object]:
    return {
        "reference": report.reference,
        "ok": report.ok,
        "rows": report.rows,
        "unavailable": report.unavailable,
        "divergences": {
            name: {
                "culprit": found.culprit,
                "suspects": found.suspects,
                "nodes": found.nodes,
                "exposed": found.exposed,
            }
            for name, found in report.divergences.items()
        },
        "unexplained": report.unexplained,
    }


def _show(report: ParityReport) -> None:
    columns = [
        "engine",
        "output",
        "max abs error",
        "relative to range",
        "elementwise",
        "NaN or inf",
        "cosine",
    ]
    columns += ["same top class", ""]
    table(f"compared with {report.reference}", columns, map(_row, report.rows), numeric=columns[2:8])
    for name, found in report.divergences.items():
        _show_divergence(name, found)
    notes = {f"{name} could not run": reason for name, reason in report.unavailable.items()}
    notes |= {f"{name} parts somewhere": reason for name, reason in report.unexplained.items()}
    for title, reason in notes.items():
        err.print(f"{title}: {reason}", highlight=False, soft_wrap=True, markup=False)


def _row(row: OutputParity) -> tuple[str, ...]:
    errors = (_error(row.max_abs), _error(row.range_rel), _error(row.max_rel))
    top = "-" if row.top1_agreement is None else f"{row.top1_agreement:.1%}"
    rest = (str(row.special), f"{row.cosine:.7f}", top, "agrees" if row.ok else "differs")
    return row.backend, row.output, *errors, *rest


def _show_divergence(name: str, found: Divergence) -> None:
    columns = [
        "node",
        "operator",
        "value",
        "inputs were off by",
        "output is off by",
        "alone it is off by",
        "",
    ]
    rows = [
        (
            f"{suspect.index + 1}: {suspect.node}",
            suspect.op,
            suspect.value,
            _off(*suspect.inputs.values()),
            _off(suspect.output),
            "-" if suspect.local is None else _off(suspect.local),
            suspect.cause,
        )
        for suspect in found.suspects
    ]
    looked = "every value exposed" if found.exposed == "all" else "one value exposed at a time"
    table(f"where {name} parts ({looked}; errors relative to the range)", columns, rows, numeric=columns[3:6])


def _off(*differences: Difference) -> str:
    """Write the largest error, and how many elements differ in NaN or infinity."""
    special = max((d.special for d in differences), default=0)
    error = _error(max((d.range_rel for d in differences), default=0.0))
    return f"{error}, {special} NaN or inf" if special else error


def _error(value: float) -> str:
    return f"{value:.2e}" if math.isfinite(value) else "infinite"
