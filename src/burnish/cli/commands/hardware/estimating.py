"""How long a model would take on a device, and what would hold it up."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.progress import Progress, TaskID

from burnish.cli.commands.capture import LARGEST_SIZE, is_size, parse_sizes
from burnish.cli.commands.hardware.estimate_tables import show_estimates
from burnish.cli.options import SizeOption
from burnish.cli.render import JsonOption, emit_json, err, progress
from burnish.errors import ConfigError, UnsupportedDeviceError, nearest
from burnish.evaluate import charts, report
from burnish.evaluate.device_choice import THIS_MACHINE, choose_devices
from burnish.evaluate.devices import cost_model_for
from burnish.evaluate.predicting import PredictOptions, predict
from burnish.evaluate.roofline_chart import roofline
from burnish.files import check_writable, write_atomic
from burnish.graph import ComputeGraph
from burnish.hardware.device import Dtype
from burnish.hardware.estimate import CostModel, Estimate, WorkTime
from burnish.runtime.resolve import backend_names

_PICTURES = (".html", ".svg")


def estimate(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    device: Annotated[
        str, typer.Option(help="A name of `burnish hardware list`, or this-machine.")
    ] = THIS_MACHINE,
    batch: Annotated[str, typer.Option(help="Rows a call; several sizes separated by commas.")] = "1",
    size: SizeOption = None,
    dtype: Annotated[
        str | None, typer.Option(help="What if its products were int8, float16, ... [default: its own]")
    ] = None,
    prune: Annotated[
        float, typer.Option(help="What if this share of the parameters were pruned, such as 0.4.")
    ] = 0.0,
    keep_ends: Annotated[
        bool, typer.Option("--keep-ends", help="With --dtype: the first and the last layer keep theirs.")
    ] = False,
    round_to: Annotated[
        int, typer.Option(help="With --prune: channels are left in multiples of this.", min=1)
    ] = 1,
    engine: Annotated[
        str | None, typer.Option(help="That this machine runs it with. [default: onnxruntime]")
    ] = None,
    user_devices: Annotated[Path | None, typer.Option(help="TOML file with devices of your own.")] = None,
    top: Annotated[int, typer.Option(help="How many of the slowest operators to show.", min=0)] = 10,
    chart: Annotated[Path | None, typer.Option(help="Draw a roofline into this .html or .svg file.")] = None,
    json: JsonOption = False,
) -> None:
    """Estimate the latency of a model on a device, with a 90% interval and what holds up its operators.

    This machine is judged by operators that were measured on it, any other device by its data sheet and what
    published results reach of it. Nothing of the model is run.
    """
    batches = _batches(batch)
    _check_needed(device, engine, dtype, prune, keep_ends=keep_ends, round_to=round_to)
    if chart is not None and (chart.suffix not in _PICTURES or (chart.suffix == ".svg" and len(batches) > 1)):
        raise ConfigError(
            f"--chart {chart}: cannot be drawn", hint="end its name with .html, or for one batch with .svg"
        )
    if chart is not None:
        check_writable(chart)  # before this machine is measured for it
    options = PredictOptions(
        name=model.stem,
        sizes=parse_sizes(size or []),
        dtype=cast("Dtype | None", dtype),  # an unknown one is an error that names the nearest
        prune=prune,
        keep_ends=keep_ends,
        round_to=round_to,
    )
    graph = ComputeGraph(model)
    costs = _cost_model(device, engine or "onnxruntime", user_devices)
    found = {rows: predict(graph, costs, batch=rows, options=options) for rows in batches}
    as_it_is = _as_it_is(graph, costs, batches, options) if options.changes else {}
    if chart is not None:
        _draw(found, chart)
        err.print(f"drawn to {chart}", soft_wrap=True, highlight=False, markup=False)
    if json:
        emit_json(_facts(found, as_it_is, options, top))
    else:
        show_estimates(found, as_it_is, top=top, assumed=_assumed(options))


def _batches(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and any(map(int, part)) for part in parts):
        raise ConfigError(f"--batch {text}: expected numbers of at least 1, such as 1,8")
    if not all(map(is_size, parts)):
        raise ConfigError(f"--batch {text}: expected numbers of at most {LARGEST_SIZE}")
    return list(dict.fromkeys(map(int, parts)))


def _check_needed(
    device: str, engine: str | None, dtype: str | None, prune: float, *, keep_ends: bool, round_to: int
) -> None:
    """Refuse options that nothing would come of."""
    if engine is not None and engine not in (known := backend_names()):
        raise ConfigError(f"--engine {engine}: is not known", hint=nearest(engine, known))
    if engine is not None and device.strip() != THIS_MACHINE:
        raise ConfigError(
            f"--engine {engine}: only {THIS_MACHINE} is estimated for an engine, not {device}",
            hint="leave it out",
        )
    if keep_ends and dtype is None:
        raise ConfigError("--keep-ends: no layer changes its type", hint="give --dtype, too")
    if round_to > 1 and not prune:
        raise ConfigError(f"--round-to {round_to}: nothing is pruned", hint="give --prune, too")


def _cost_model(name: str, engine: str, user: Path | None) -> CostModel:
    """Return what prices the operators of a device; this machine is measured where it was not yet, and told so."""
    with err.status("looking up the device; this machine is probed the first time, in less than a minute"):
        found = choose_devices([name], user=user)
    if len(found) != 1:
        raise ConfigError(
            f"--device {name}: names {len(found)} devices",
            hint="name one of them, or compare them with `burnish hardware evaluate`",
        )
    with ExitStack() as stack:
        bars: list[tuple[Progress, TaskID]] = []

        def told(done: int, total: int) -> None:
            if not bars:  # only where there is something to measure
                shown = stack.enter_context(progress())
                bars.append((shown, shown.add_task(f"calibrate {engine}, once", total=total)))
            shown, bar = bars[0]
            shown.update(bar, completed=done)

        return cost_model_for(found[0], engine=engine, on_progress=told)


def _as_it_is(
    graph: ComputeGraph, costs: CostModel, batches: list[int], options: PredictOptions
) -> dict[int, Estimate]:
    """Return the estimates without what is only assumed; none where the device cannot run the model as it is."""
    plain = replace(options, dtype=None, prune=0.0)
    try:
        return {rows: predict(graph, costs, batch=rows, options=plain) for rows in batches}
    except UnsupportedDeviceError:
        return {}


def _assumed(options: PredictOptions) -> str:
    pruned = f"{options.prune * 100:g}% of the parameters pruned" if options.prune else ""
    return ", ".join(filter(None, (f"as {options.dtype}" if options.dtype else "", pruned)))


def _facts(
    found: dict[int, Estimate], as_it_is: dict[int, Estimate], options: PredictOptions, top: int
) -> dict[str, Any]:
    some = next(iter(found.values()))
    return {
        "model": options.name,
        "device": some.device.name,
        "basis": some.basis,
        "assumed": {"dtype": options.dtype, "prune": options.prune},
        "batches": [
            _told(one, top) | {"as_it_is": _told(as_it_is[rows], 0) if rows in as_it_is else None}
            for rows, one in found.items()
        ],
    }


def _told(one: Estimate, top: int) -> dict[str, Any]:
    slowest = sorted(one.times, key=lambda time: -time.seconds)[:top]
    return {
        "batch": one.workload.batch,
        "latency_ms": one.seconds * 1000,
        "low_ms": one.low * 1000,
        "high_ms": one.high * 1000,
        "flops": one.workload.flops,
        "bytes": one.workload.bytes,
        "flops_per_s": one.flops_per_s,
        "bounds": one.by_bound(),
        "uncosted": one.workload.uncosted,
        "slowest": [_operator(time) for time in slowest],
    }


def _operator(time: WorkTime) -> dict[str, Any]:
    work = time.work
    return {
        "name": work.name,
        "operator": work.op,
        "dtype": work.dtype,
        "time_ms": time.seconds * 1000,
        "low_ms": time.low * 1000,
        "high_ms": time.high * 1000,
        "bound": time.bound,
        "flops": work.flops,
        "bytes": work.bytes,
    }


def _draw(found: dict[int, Estimate], path: Path) -> None:
    if path.suffix == ".svg":
        (one,) = found.values()
        write_atomic(path, charts.to_svg(roofline(one)).encode())
        return
    some = next(iter(found.values()))
    sections = [
        report.Section(title=f"Batch {rows}", blocks=[report.Chart(spec=roofline(one))])
        for rows, one in found.items()
    ]
    page = report.Report(
        title=f"{some.workload.name} on {some.device.title}", subtitle=some.basis, sections=sections
    )
    report.save(page, path)
