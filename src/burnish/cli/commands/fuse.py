"""Fold and fuse a graph by checked passes; measure what each saves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import onnx_ir as ir
import typer

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.options import BackendsOption, SizeOption
from burnish.cli.render import JsonOption, emit_json, err, plain, progress, table
from burnish.config import load_config
from burnish.errors import BackendError, ConfigError, UnsupportedOpError
from burnish.evaluate.fusing import FusionGain, engine_run, measure_passes, usual_engines
from burnish.evaluate.latency import BenchConfig
from burnish.graph import ComputeGraph
from burnish.graph.fusion import PASSES, Check, FusionReport, fuse
from burnish.graph.reference import Run
from burnish.graph.samples import random_inputs
from burnish.graph.signature import Array
from burnish.runtime import fingerprint
from burnish.runtime.choice import chosen_backends
from burnish.units import format_ms

app = typer.Typer(rich_markup_mode=None)


@app.command("fuse")
def fuse_model(
    model: Annotated[Path | None, typer.Argument(help="An ONNX file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the rewritten graph.")] = None,
    passes: Annotated[
        str | None, typer.Option(help="Passes, separated by commas. [default: all that suit the target]")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Engine whose own operators may be used. [default: any engine]")
    ] = None,
    opset: Annotated[int | None, typer.Option(help="Convert to this opset first.")] = None,
    check: Annotated[
        bool,
        typer.Option(help="Compare the outputs for random inputs after each pass that changed something."),
    ] = True,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure what each pass saves on each engine.")
    ] = False,
    backends: BackendsOption = None,
    batch: Annotated[int, typer.Option(help="Rows a call.", min=1)] = 1,
    size: SizeOption = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 leaves them to the engine.", min=0)] = 0,
    rounds: Annotated[int | None, typer.Option(help="Rounds, one sample each. [default: 30]", min=1)] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the passes and leave.")] = False,
    json: JsonOption = False,
) -> None:
    """Fold, fuse and clean up a graph, each pass checked, and tell what each changed.

    Without a target the result suits every engine. With --measure, each row is one pass after those above it: it is
    compared with the row before, on the same engine, in interleaved rounds.
    """
    if listing:
        _list(json)
        return
    if model is None or (out is None and not measure):
        raise ConfigError(
            "nothing to do", hint="burnish fuse MODEL --out fused.onnx, or --measure, or --list"
        )
    graph = ComputeGraph(model) if opset is None else ComputeGraph(model).convert(opset)
    names = passes.split(",") if passes else None
    inputs = _inputs(graph, batch, size or []) if check or measure else {}
    fused = fuse(graph, names, target=target, check=Check(inputs, _checking_run()) if check else None)
    if out is not None:
        fused.graph.save(out)
    gain = _measured(graph, inputs, names, target, backends, threads, rounds) if measure else None
    if json:
        emit_json(_facts(fused.report, gain) | {"path": out})
        return
    _show(fused.report)
    if gain is not None:
        _show_gain(gain)
    if out is not None:
        err.print(f"written to {out} ({fused.graph.digest})", soft_wrap=True, highlight=False)


def _checking_run() -> Run:
    run = engine_run()

    def checking(model: ir.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return run(model, inputs)
        except (BackendError, UnsupportedOpError) as error:
            raise UnsupportedOpError(
                f"the passes cannot be checked, for no engine runs the graph: {error.message}",
                hint="--no-check leaves the comparison out",
            ) from error

    return checking


def _inputs(graph: ComputeGraph, batch: int, size: list[str]) -> dict[str, Array]:
    return random_inputs(graph.signature, batch=batch, sizes=parse_sizes(size))


def _measured(
    graph: ComputeGraph,
    inputs: dict[str, Array],
    names: list[str] | None,
    target: str | None,
    backends: str | None,
    threads: int,
    rounds: int | None,
) -> FusionGain:
    config = load_config(BenchConfig, flags={"rounds": rounds})
    with progress() as bars:
        tasks: dict[str, Any] = {}

        def told(engine: str, done: int, total: int) -> None:
            if engine not in tasks:
                tasks[engine] = bars.add_task(engine, total=total)
            bars.update(tasks[engine], completed=done)

        return measure_passes(
            graph,
            inputs,
            engines=usual_engines(chosen_backends(backends)),
            passes=names,
            target=target,
            threads=threads,
            config=config,
            on_round=told,
        )


def _list(json: bool) -> None:
    if json:
        emit_json(
            {
                one.name: {"about": one.about, "opset": one.opset, "engines": one.engines}
                for one in PASSES.values()
            }
        )
        return
    rows = [(one.name, one.about, one.opset, ", ".join(one.engines) or "all") for one in PASSES.values()]
    table(
        "passes, in their order",
        ["pass", "what it does", "from opset", "engines"],
        rows,
        numeric=["from opset"],
    )


def _show(report: FusionReport) -> None:
    rows = [
        (
            one.name,
            ", ".join(f"{count} x {rule}" for rule, count in one.matched.items()),
            f"{one.nodes[0]} -> {one.nodes[1]}",
            _change(one.before, one.after),
            "not compared" if one.error is None else f"{one.error:.1e}",
        )
        for one in report.changed
    ]
    columns = ["pass", "what matched", "nodes", "operators", "difference"]
    table("what changed" if rows else "nothing to change", columns, rows, numeric=["nodes", "difference"])
    for name, reason in report.skipped.items():
        err.print(f"skipped {name}: {reason}", highlight=False, soft_wrap=True, markup=False)


def _change(before: dict[str, int], after: dict[str, int]) -> str:
    """Write the change of each operator's count, such as ``-4 Add, +2 Gemm``."""
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in before | after}
    return ", ".join(
        f"{count:+d} {name}" for name, count in sorted(changes.items(), key=lambda c: c[1]) if count
    )


def _show_gain(gain: FusionGain) -> None:
    rows = [
        (
            engine,
            step.name,
            format_ms(step.latency.median_ms),
            f"{step.gain.value:.3f} [{step.gain.low:.3f}, {step.gain.high:.3f}]",
            format_ms(step.saved_ms),
            step.verdict,
            f"{step.total.value:.3f} [{step.total.low:.3f}, {step.total.high:.3f}]",
        )
        for engine, steps in gain.engines.items()
        for step in steps
    ]
    columns = [
        "engine",
        "after pass",
        "median",
        "times faster by it",
        "saved",
        "so it is",
        "times faster in all",
    ]
    table("what each pass saves", columns, rows, numeric=columns[2:5] + columns[6:])
    for engine, reason in gain.refused.items():
        err.print(f"skipped {engine}, {reason}", highlight=False, soft_wrap=True, markup=False)
    err.print(str(fingerprint()), highlight=False, soft_wrap=True, markup=False)


def _facts(report: FusionReport, gain: FusionGain | None) -> dict[str, Any]:
    facts: dict[str, Any] = plain(report)
    if gain is None:
        return facts
    engines = {
        engine: [
            {
                "pass": step.name,
                "median_ms": plain(step.latency.median),
                "times_faster": plain(step.gain),
                "times_faster_in_all": plain(step.total),
                "verdict": step.verdict,
            }
            for step in steps
        ]
        for engine, steps in gain.engines.items()
    }
    return facts | {"engines": engines, "refused": gain.refused, "machine": plain(fingerprint())}
