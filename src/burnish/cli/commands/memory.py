"""Plan where every value of a graph lies; measure what engines take."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.options import SizeOption
from burnish.cli.render import JsonOption, emit_json, err, plain, table
from burnish.errors import BackendError, InputError
from burnish.evaluate.memory import Footprint, footprint
from burnish.evaluate.memory_charts import rows, save_chart
from burnish.graph import ComputeGraph
from burnish.graph.memory import MemoryPlan, PlanConfig, plan_memory
from burnish.runtime import SessionOptions, backend_names
from burnish.units import format_bytes, format_ms

app = typer.Typer(rich_markup_mode=None)


@app.command("memory")
def plan_and_measure(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    batch: Annotated[int, typer.Option(help="Rows a call.", min=1)] = 1,
    size: SizeOption = None,
    alignment: Annotated[int, typer.Option(help="Every buffer starts at a multiple of this, bytes.")] = 64,
    reorder: Annotated[
        bool, typer.Option("--reorder", help="Let operators change places if it helps.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Draw the plan: .html, .svg or .png.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also run the engines, each in fresh processes.")
    ] = False,
    backends: Annotated[
        str | None, typer.Option(help="Engines, separated by commas. [default: all that are installed]")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 leaves them to the engine.", min=0)] = 0,
    repeats: Annotated[int, typer.Option(help="Processes an engine.", min=1)] = 5,
    json: JsonOption = False,
) -> None:
    """Tell how little memory the values between a graph's inputs and outputs need, and where each lies."""
    graph, sizes = ComputeGraph(model), parse_sizes(size or [])
    plan = plan_memory(
        graph, batch=batch, sizes=sizes, config=PlanConfig(alignment=alignment, reorder=reorder)
    )
    if out is not None:
        save_chart(plan, out, title=model.name)
        err.print(f"drawn to {out}", soft_wrap=True, highlight=False)
    measured, skipped = dict[str, Footprint](), dict[str, str]()
    for name in (backends.split(",") if backends else backend_names()) if measure else ():
        for label, options in _ways(SessionOptions(threads=threads)).items():
            try:
                measured[f"{name}{label}"] = footprint(
                    model, backend=name, batch=batch, sizes=sizes, options=options, repeats=repeats
                )
            except (BackendError, InputError) as error:
                if backends:  # asked for by name: not to have it is an error
                    raise
                skipped[f"{name}{label}"] = str(error)
    if json:
        emit_json(
            _facts(plan) | {"engines": {n: _measured(f) for n, f in measured.items()}, "skipped": skipped}
        )
    else:
        _show(plan, measured, skipped)


def _ways(options: SessionOptions) -> dict[str, SessionOptions]:
    return {"": options, ", memory low": replace(options, memory="low")}


def _show(plan: MemoryPlan, measured: dict[str, Footprint], skipped: dict[str, str]) -> None:
    table(f"memory plan, batch {plan.batch}", ["", "value"], rows(plan))
    if measured:
        lines = [
            (
                name,
                _median(found.imported_bytes),
                _median(found.loaded_bytes),
                _median(found.resident_bytes),
                f"{format_bytes(found.peak.value)} [{format_bytes(found.peak.low)}, {format_bytes(found.peak.high)}]",
                format_ms(sorted(found.latency_ms)[len(found.latency_ms) // 2]),
            )
            for name, found in measured.items()
        ]
        columns = ["engine", "imported", "loaded", "after runs", "peak", "latency"]
        table("resident memory of a process", columns, lines, numeric=columns[1:])
    for name, reason in skipped.items():
        err.print(f"skipped {name}: {reason}", highlight=False, soft_wrap=True, markup=False)


def _median(samples: tuple[int, ...]) -> str:
    return format_bytes(sorted(samples)[len(samples) // 2])


def _facts(plan: MemoryPlan) -> dict[str, Any]:
    facts: dict[str, Any] = plain(plan)
    return facts | {"lower_bound_bytes": plan.lower_bound_bytes, "saved": plan.saved}


def _measured(found: Footprint) -> dict[str, Any]:
    facts: dict[str, Any] = plain(found)
    return facts | {"peak": plain(found.peak)}
