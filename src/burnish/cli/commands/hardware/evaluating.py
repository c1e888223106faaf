"""Which device for a model, a traffic and a latency objective: one matrix of compute, power and cost."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.commands.hardware.evaluate_options import per_device, read_cost, read_options
from burnish.cli.commands.hardware.matrix_table import show_matrix
from burnish.cli.options import SizeOption
from burnish.cli.render import JsonOption, emit_json, err, plain, progress
from burnish.evaluate.device_choice import choose_devices
from burnish.evaluate.devices import ModelFor, cost_model_for, evaluate_devices
from burnish.evaluate.hardware_report import hardware_report
from burnish.evaluate.matrix_facts import facts
from burnish.evaluate.report import save
from burnish.files import write_atomic
from burnish.graph import ComputeGraph
from burnish.hardware.weights import parse_weights


class Way(StrEnum):
    """How a device is paid for."""

    CHEAPER = "cheaper"
    BUY = "buy"
    RENT = "rent"


def evaluate(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    slo_ms: Annotated[float, typer.Option(help="A request must be answered within this, milliseconds.")],
    traffic_rps: Annotated[float, typer.Option(help="Requests a second, one example each.")],
    devices: Annotated[
        str,
        typer.Option(
            help="Names separated by commas; this-machine; a kind: gpu, edge, cpu, accelerator; or all."
        ),
    ] = "all",
    weights: Annotated[
        str | None,
        typer.Option(help="What counts how much. [default: compute=0.4,power=0.3,cost=0.3]"),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="What if it were int8, float16, ...; best for each device's fastest. [default: the graph's]"
        ),
    ] = None,
    prune: Annotated[
        float | None, typer.Option(help="What if this share of the parameters were pruned.")
    ] = None,
    size: SizeOption = None,
    percentile: Annotated[
        float | None, typer.Option(help="Share of the requests that must be in time. [default: 0.99]")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Engine that this machine is calibrated for. [default: onnxruntime]")
    ] = None,
    way: Annotated[Way | None, typer.Option(help="Buy, rent, or the cheaper. [default: cheaper]")] = None,
    offer: Annotated[
        str | None, typer.Option(help="Only rents whose offer holds this text, such as aws.")
    ] = None,
    spot: Annotated[
        bool, typer.Option("--spot", help="Count rents that may be withdrawn at any time.")
    ] = False,
    years: Annotated[
        float | None, typer.Option(help="Until a purchase is paid off, and the total's time. [default: 3]")
    ] = None,
    utilisation: Annotated[
        float | None, typer.Option(help="Share of the time at work, at most. [default: 0.6]")
    ] = None,
    electricity: Annotated[float | None, typer.Option(help="USD for a kWh. [default: 0.12]")] = None,
    pue: Annotated[
        float | None, typer.Option(help="Watts of the site for each of a device. [default: 1.5]")
    ] = None,
    operations: Annotated[
        float | None, typer.Option(help="Work of people, USD a year and device. [default: 0]")
    ] = None,
    rack: Annotated[
        float | None, typer.Option(help="Room and network, USD a year and bought device. [default: 0]")
    ] = None,
    host: Annotated[
        float | None, typer.Option(help="Share of the server around a bought device, USD. [default: 0]")
    ] = None,
    discount_rate: Annotated[float | None, typer.Option(help="Yearly, such as 0.05. [default: 0]")] = None,
    carbon_g_per_kwh: Annotated[float | None, typer.Option(help="CO2 equivalent of a kWh, grams.")] = None,
    price: Annotated[
        list[str] | None, typer.Option(help="Price of a device, as NAME=USD; may be repeated.")
    ] = None,
    rent: Annotated[
        list[str] | None, typer.Option(help="Rent of a device for an hour, as NAME=USD; may be repeated.")
    ] = None,
    power: Annotated[
        list[str] | None, typer.Option(help="Draw of a device at work, as NAME=W; may be repeated.")
    ] = None,
    idle_power: Annotated[
        list[str] | None, typer.Option(help="Draw of a device at rest, as NAME=W; may be repeated.")
    ] = None,
    user_devices: Annotated[Path | None, typer.Option(help="TOML file with devices of your own.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with the tables [hardware], [hardware.cost], [hardware.weights]."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write everything to this JSON file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with charts to this HTML file.")] = None,
    json: JsonOption = False,
) -> None:
    """Estimate a model on devices, size a fleet of each for a traffic, and rank them by compute, power and cost.

    Latencies are estimates with a 90% interval: of this machine by measurement, of others by data sheets and
    published results. What nobody gave is assumed; a device without a price is not ranked by cost.
    """
    flags = {
        "name": model.stem,
        "dtype": dtype,
        "prune": prune,
        "sizes": parse_sizes(size or []),
        "percentile": percentile,
        "engine": engine,
        "weights": plain(parse_weights(weights)) if weights is not None else None,
    }
    options = read_options(config, flags)  # what is wrong with it comes before this machine is measured
    chosen = choose_devices(devices.split(","), user=user_devices)
    tables = {"prices": price, "rents": rent, "power_w": power, "idle_w": idle_power}
    costs = {
        "way": way.value if way is not None else None,
        "offer": offer,
        "spot": spot or None,
        "years": years,
        "utilisation": utilisation,
        "electricity_usd_per_kwh": electricity,
        "pue": pue,
        "operations_usd_per_year": operations,
        "rack_usd_per_year": rack,
        "host_usd": host,
        "discount_rate": discount_rate,
        "carbon_g_per_kwh": carbon_g_per_kwh,
    } | {name: per_device(name, pairs or [], chosen) for name, pairs in tables.items()}
    options = replace(options, cost=read_cost(config, costs, chosen, user=user_devices))
    graph = ComputeGraph(model)
    with _model_for(options.engine) as model_for:
        ask = partial(
            evaluate_devices, graph, chosen, slo_ms=slo_ms, traffic_rps=traffic_rps, model_for=model_for
        )
        found, base = ask(options=options), None
        if options.dtype is not None or options.prune:
            base = ask(options=replace(options, dtype=None, prune=0.0))
    told = facts(found) | ({"before": facts(base)} if base is not None else {})
    if out is not None:
        write_atomic(out, (dumps(plain(told), indent=2) + "\n").encode())
    if report is not None:
        save(hardware_report(found, base), report)
        err.print(f"written to {report}", soft_wrap=True, highlight=False, markup=False)
    if json:
        emit_json(told)
    else:
        show_matrix(found, base)


@contextmanager
def _model_for(engine: str) -> Iterator[ModelFor]:
    """Show how far the calibration of this machine is while the block runs, if it must be made."""
    with ExitStack() as stack:
        bars: list[Progress] = []

        def told(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(progress()))
                bars[0].add_task(f"calibrate {engine}", total=total)
            bars[0].update(bars[0].task_ids[0], completed=done)

        yield partial(cost_model_for, engine=engine, on_progress=told)
