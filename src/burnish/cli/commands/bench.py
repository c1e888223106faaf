"""Measure a graph on several back ends, interleaved."""

import json as jsonlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from burnish.cli.commands.capture import parse_sizes
from burnish.cli.exit_codes import INTERRUPTED
from burnish.cli.options import BackendsOption, SizeOption
from burnish.cli.render import JsonOption, emit_json, err, out, plain, progress, table
from burnish.config import load_config
from burnish.errors import BackendError, ConfigError, InputError
from burnish.evaluate import charts, report
from burnish.evaluate.contenders import Contender, EngineChoice, contenders, parse_engine, with_options
from burnish.evaluate.latency import BenchConfig, Rounds, ratio, verdict
from burnish.evaluate.peak import machine_peak
from burnish.evaluate.speed import Speed, speeds, sweep_rows
from burnish.files import write_atomic
from burnish.hardware.probe import ComputePeak
from burnish.runtime import CheckedSession, fingerprint, open_session
from burnish.runtime.choice import chosen_backends, quick_backends
from burnish.units import format_count, format_ms

app = typer.Typer(rich_markup_mode=None)


class PeakSource(StrEnum):
    """Where the peak comes from."""

    CACHED = "cached"
    MEASURE = "measure"
    NONE = "none"


@dataclass
class Outcome:
    """What a benchmark found."""

    speeds: dict[str, Speed]
    contenders: list[Contender]
    skipped: dict[str, str]
    peaks: dict[int, ComputePeak]
    rounds: int
    asked: int
    pairs: list[tuple[str, str]] = field(default_factory=list)
    """Labels of contenders that are compared with each other."""

    @property
    def partial(self) -> bool:
        """Whether it was interrupted."""
        return self.rounds < self.asked


@app.command()
def bench(
    models: Annotated[list[Path] | None, typer.Argument(help="ONNX files.")] = None,
    backends: BackendsOption = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="Two ONNX files, or two engines with options such as openvino:KEY=VALUE."
        ),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Engine's own option, as ENGINE:KEY=VALUE; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to run; see `burnish doctor`.")] = "cpu",
    batch: Annotated[str, typer.Option(help="Rows a call; several sizes separated by commas.")] = "1",
    size: SizeOption = None,
    threads: Annotated[
        str, typer.Option(help="Threads; 0 leaves them to the engine; several separated by commas.")
    ] = "0",
    rounds: Annotated[int | None, typer.Option(help="Rounds, one sample each. [default: 30]")] = None,
    warmup: Annotated[int | None, typer.Option(help="Calls before the first round. [default: 5]")] = None,
    peak: Annotated[
        PeakSource, typer.Option(help="The machine's peak: from the cache, measured again, or left out.")
    ] = PeakSource.CACHED,
    results: Annotated[
        Path | None, typer.Option("--out", help="Write the results to this JSON file.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Draw a batch sweep into this .html or .svg file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure every model on every engine in interleaved rounds; medians come with 95% intervals.

    The first contender of a batch size is the one that the others are compared with. An operation count takes a
    multiply-add for two. The peak is the fastest float32 matrix product of any engine here, and "of the peak" the
    share of it that a model reaches: operations over time over peak. Ctrl-C ends the measurement early and keeps
    the finished rounds.
    """
    config = load_config(BenchConfig, flags={"rounds": rounds, "warmup": warmup})
    batches, counts = _numbers(batch, "--batch", least=1), _numbers(threads, "--threads", least=0)
    if chart is not None and (chart.suffix not in (".html", ".svg") or len(batches) < 2):
        raise ConfigError("--chart draws a batch sweep", hint="give --batch 1,2,4,8 and a .html or .svg file")
    paths, engines = _what(models or [], backends, compare)
    engines = with_options(engines, [parse_engine(text) for text in option or []])
    candidates = list(
        contenders(paths, engines, batches=batches, threads=counts, sizes=parse_sizes(size or []))
    )
    _check_distinct([contender.label for contender in candidates])
    outcome = _measure(
        candidates, device, config, peak, strict=bool(compare or backends not in (None, "all"))
    )
    if compare is not None:
        outcome.pairs = _pairs([c.label for c in candidates], by_model=len(paths) == 2)
    facts = _facts(outcome, config)
    if results is not None:
        write_atomic(results, (jsonlib.dumps(plain(facts), indent=2) + "\n").encode())
    if chart is not None:
        _draw(outcome, chart)
    if json:
        emit_json(facts)
    else:
        _show(outcome)
    if outcome.partial:
        err.print(f"interrupted: {outcome.rounds} of {outcome.asked} rounds are in the result")
        raise typer.Exit(INTERRUPTED)


def _what(
    models: Sequence[Path], backends: str | None, compare: tuple[str, str] | None
) -> tuple[list[Path], list[EngineChoice]]:
    """Return the models and engines that the command line means."""
    named = [EngineChoice(name) for name in chosen_backends(backends)] if backends else []
    if compare is None:
        if not models:
            raise ConfigError("bench needs a model", hint="give an ONNX file")
        return list(models), named or [EngineChoice(name) for name in quick_backends()]
    files = [text.endswith(".onnx") or Path(text).is_file() for text in compare]
    if all(files):
        if models or len(named) > 1:
            raise ConfigError(
                "--compare of two models takes no third, and one engine", hint="name it in --backends"
            )
        return [Path(text) for text in compare], named or [EngineChoice(quick_backends()[0])]
    if any(files) or named or len(models) != 1:
        raise ConfigError(
            "--compare takes two ONNX files, or two engines and one model",
            hint="burnish bench MODEL --compare onnxruntime openvino",
        )
    return list(models), [parse_engine(text) for text in compare]


def _measure(
    candidates: Sequence[Contender], device: str, config: BenchConfig, source: PeakSource, *, strict: bool
) -> Outcome:
    skipped: dict[str, str] = {}
    calls: dict[str, Callable[[], object]] = {}
    with ExitStack() as stack:
        for contender in candidates:
            try:
                session = open_session(
                    contender.graph,
                    device=device,
                    backend=contender.engine.name,
                    options=contender.options,
                )
            except (BackendError, InputError) as error:
                if strict:  # asked for by name: not to have it is an error
                    raise
                skipped[contender.label] = str(error)
                continue
            stack.enter_context(session)
            calls[contender.label] = partial(CheckedSession.run, session, contender.inputs)
        if not calls:
            raise BackendError(f"no engine could run on {device!r}: {'; '.join(skipped.values())}")
        running = Rounds(calls, config)
        try:
            with progress() as bars:
                bar = bars.add_task("measure", total=config.rounds)
                running.run(on_round=lambda done, _: bars.update(bar, completed=done))
        except KeyboardInterrupt:
            if not running.done:
                raise
    peaks: dict[int, ComputePeak] = {}
    if source != PeakSource.NONE and device == "cpu" and running.done == config.rounds:
        for count in {c.options.threads for c in candidates if c.label in calls}:
            peaks[count] = machine_peak(count, refresh=source == PeakSource.MEASURE)
    found = speeds(candidates, running.results(), peaks)
    return Outcome(found, list(candidates), skipped, peaks, running.done, config.rounds)


def _pairs(labels: list[str], *, by_model: bool) -> list[tuple[str, str]]:
    """Pair what differs in one thing: two models that follow each other whole, or engines that take turns."""
    half = len(labels) // 2
    first, second = (labels[:half], labels[half:]) if by_model else (labels[::2], labels[1::2])
    return list(zip(first, second, strict=True))


def _check_distinct(labels: Sequence[str]) -> None:
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ConfigError(f"named twice: {', '.join(twice)}", hint="name every model and engine once")


def _numbers(text: str, flag: str, *, least: int) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise ConfigError(f"{flag} {text}: expected numbers of at least {least}, such as 1,2,4")
    return list(dict.fromkeys(map(int, parts)))


def _facts(outcome: Outcome, config: BenchConfig) -> dict[str, Any]:
    return {
        "config": config,
        "machine": fingerprint(),
        "rounds": outcome.rounds,
        "partial": outcome.partial,
        "peaks": outcome.peaks,
        "contenders": {
            contender.label: {
                "model": contender.model,
                "backend": contender.engine.name,
                "options": contender.engine.options,
                "batch": contender.batch,
                "threads": contender.threads,
                "flops": contender.flops,
                "median_ms": speed.latency.median,
                "times_faster": speed.times_faster,
                "rows_per_s": speed.rows_per_s,
                "flops_per_s": speed.flops_per_s,
                "peak_share": speed.peak_share,
                "samples_ms": speed.latency.samples_ms,
            }
            for contender in outcome.contenders
            if (speed := outcome.speeds.get(contender.label)) is not None
        },
        "comparisons": [
            {"a": a, "b": b, "times_faster": times, "b_is": verdict(times)}
            for a, b, times in _comparisons(outcome)
        ],
        "skipped": outcome.skipped,
    }


def _comparisons(outcome: Outcome) -> list[tuple[str, str, Any]]:
    return [(a, b, ratio(outcome.speeds[a].latency, outcome.speeds[b].latency)) for a, b in outcome.pairs]


def _show(outcome: Outcome) -> None:
    columns = ["contender", "median", "95% interval", "slow rounds (p95)", "rows/s", "FLOP/s", "of the peak"]
    columns.append("times faster")
    rows = [_row(label, speed) for label, speed in outcome.speeds.items()]
    table(f"latency over {outcome.rounds} rounds", columns, rows, numeric=columns[1:])
    for a, b, times in _comparisons(outcome):
        out.print(
            f"{verdict(times)}: {b} is {times.value:.3f} [{times.low:.3f}, {times.high:.3f}] times as fast as {a}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    notes = [f"skipped {label}: {reason}" for label, reason in outcome.skipped.items()]
    notes += [_peak_note(count, peak) for count, peak in outcome.peaks.items()]
    if any(speed.peak_share is not None and speed.peak_share.low > 1 for speed in outcome.speeds.values()):
        notes.append("more than the peak was reached: measure it again, undisturbed, with --peak measure")
    for note in (*notes, str(fingerprint())):
        err.print(note, highlight=False, soft_wrap=True, markup=False)


def _row(label: str, speed: Speed) -> tuple[str, ...]:
    median, times, share = speed.latency.median, speed.times_faster, speed.peak_share
    return (
        label,
        format_ms(median.value),
        f"[{format_ms(median.low)}, {format_ms(median.high)}]",
        format_ms(float(np.quantile(speed.latency.samples_ms, 0.95))),
        f"{speed.rows_per_s.value:,.1f}",
        format_count(speed.flops_per_s.value),
        "-" if share is None else f"{share.value:.1%}",
        f"{times.value:.2f} [{times.low:.2f}, {times.high:.2f}]",
    )


def _peak_note(threads: int, peak: ComputePeak) -> str:
    used = f"{threads} threads" if threads else "default threads"
    return (
        f"peak with {used}: {format_count(peak.flops.value)}FLOP/s (median {format_count(peak.flops.median)}), "
        f"float32 product of size {peak.size} on {peak.engine}"
    )


def _draw(outcome: Outcome, path: Path) -> None:
    spec = charts.sweep(sweep_rows(outcome.contenders, outcome.speeds))
    if path.suffix == ".svg":
        write_atomic(path, charts.to_svg(spec).encode())
        return
    section = report.Section(title="Rows a second by batch size", blocks=[report.Chart(spec=spec)])
    report.save(report.Report(title="Batch sweep", subtitle=str(fingerprint()), sections=[section]), path)
