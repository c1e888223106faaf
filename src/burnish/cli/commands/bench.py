"""Measure a graph on several back ends, interleaved."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.render import JsonOption, emit_json, err, plain, progress, table
from burnish.config import load_config
from burnish.errors import BackendError, InputError
from burnish.evaluate.latency import BenchConfig, Latency, benchmark, ratio
from burnish.graph import ComputeGraph
from burnish.graph.samples import random_inputs
from burnish.runtime import CheckedSession, SessionOptions, backend_names, fingerprint, open_session
from burnish.units import format_ms

app = typer.Typer()


@app.command()
def bench(
    models: Annotated[list[Path], typer.Argument(help="ONNX files.")],
    backends: Annotated[
        str | None, typer.Option(help="Engines, separated by commas. [default: all that are installed]")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to run; see `burnish doctor`.")] = "cpu",
    batch: Annotated[int, typer.Option(help="Rows a call.", min=1)] = 1,
    size: Annotated[
        list[str] | None, typer.Option(help="Size of another symbolic dimension, as SYMBOL=SIZE.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 leaves them to the engine.", min=0)] = 0,
    rounds: Annotated[int | None, typer.Option(help="Rounds, one sample each. [default: 30]")] = None,
    warmup: Annotated[int | None, typer.Option(help="Calls before the first round. [default: 5]")] = None,
    json: JsonOption = False,
) -> None:
    """Measure every model on every engine in interleaved rounds; medians come with 95% intervals.

    The first contender that runs is the one that the others are compared with.
    """
    config = load_config(BenchConfig, flags={"rounds": rounds, "warmup": warmup})
    names = backends.split(",") if backends else backend_names()
    sizes, options = parse_sizes(size or []), SessionOptions(threads=threads)
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        contenders: dict[str, partial[Any]] = {}
        for path in models:
            graph = ComputeGraph(path)
            inputs = random_inputs(graph.signature, batch=batch, sizes=sizes)
            for name in names:
                label = f"{path} on {name}"
                try:
                    session = open_session(graph, device=device, backend=name, options=options)
                except (BackendError, InputError) as error:
                    if backends:  # asked for by name: not to have it is an error
                        raise
                    skipped[label] = str(error)
                    continue
                stack.enter_context(session)
                contenders[label] = partial(CheckedSession.run, session, inputs)
        if not contenders:
            raise BackendError(f"no engine could run on {device!r}: {'; '.join(skipped.values())}")
        with progress() as bars:
            bar = bars.add_task("measure", total=config.rounds)
            measured = benchmark(
                contenders, config, on_round=lambda done, _: bars.update(bar, completed=done)
            )
    if json:
        emit_json(_facts(measured, skipped, config, batch))
    else:
        _show(measured, skipped, batch)


def _show(measured: dict[str, Latency], skipped: dict[str, str], batch: int) -> None:
    first = next(iter(measured.values()))
    rows = []
    for name, latency in measured.items():
        median, times = latency.median, ratio(first, latency)
        rows.append(
            (
                name,
                format_ms(median.value),
                f"[{format_ms(median.low)}, {format_ms(median.high)}]",
                format_ms(float(np.quantile(latency.samples_ms, 0.95))),
                f"{batch / median.value * 1000:,.0f}",
                f"{times.value:.2f} [{times.low:.2f}, {times.high:.2f}]",
            )
        )
    columns = ["contender", "median", "95% interval", "slow rounds (p95)", "rows/s", "times faster"]
    table(f"latency, batch {batch}", columns, rows, numeric=columns[1:])
    for name, reason in skipped.items():
        err.print(f"skipped {name}: {reason}", highlight=False, soft_wrap=True, markup=False)
    err.print(str(fingerprint()), highlight=False, soft_wrap=True, markup=False)


def _facts(
    measured: dict[str, Latency], skipped: dict[str, str], config: BenchConfig, batch: int
) -> dict[str, Any]:
    first = next(iter(measured.values()))
    return {
        "batch": batch,
        "config": plain(config),
        "machine": plain(fingerprint()),
        "contenders": {
            name: {
                "median_ms": plain(latency.median),
                "times_faster": plain(ratio(first, latency)),
                "samples_ms": list(latency.samples_ms),
            }
            for name, latency in measured.items()
        },
        "skipped": skipped,
    }
