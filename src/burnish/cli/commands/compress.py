"""Prune and quantize under an accuracy floor; measure every candidate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress as Bars
from rich.progress import TaskID

from burnish.cli.render import JsonOption, emit_json, err, progress, table
from burnish.compress import (
    CompressConfig,
    CompressResult,
    Option,
    Progress,
    TrainConfig,
    compress,
    train_task,
)
from burnish.compress.run import BEST, RESULT, check_engines
from burnish.config import load_config
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.task import load_task
from burnish.units import format_bytes, format_count, format_ms

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a configuration file of this verb may hold: the tables ``train`` and ``compress``."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """Training of the float model."""
    compress: CompressConfig = field(default_factory=CompressConfig)
    """What is tried, and how good it must stay."""


@app.command("compress")
def compress_task(
    task: Annotated[str, typer.Argument(help="A task's name, such as digits, or the path of a task.py.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on there.")],
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights; without them the task is trained.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the training. [default: 12]")] = None,
    target_ratio: Annotated[
        float | None, typer.Option(help="Share of channels to remove. [default: 0.5]")
    ] = None,
    step: Annotated[float | None, typer.Option(help="Share removed a step. [default: 0.1]")] = None,
    floor: Annotated[
        float | None,
        typer.Option(help="Points that may be lost, by the lower end of the interval. [default: 1]"),
    ] = None,
    importance: Annotated[str | None, typer.Option(help="l1, l2, variance or random. [default: l1]")] = None,
    round_to: Annotated[int | None, typer.Option(help="Keep widths a multiple of this. [default: 8]")] = None,
    tune_epochs: Annotated[int | None, typer.Option(help="Epochs after each cut. [default: 5]")] = None,
    backends: Annotated[
        str | None, typer.Option(help="Engines to measure. [default: onnxruntime,openvino]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything drawn at random. [default: 0]")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with the tables [train] and [compress].")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prune and quantize a task's model, measure every candidate, and keep the fastest that is good enough.

    The folder ends with best.onnx, the chosen candidate, and result.json, every number behind the choice.
    """
    loaded = load_task(task)
    flags = {
        "train": {"epochs": epochs, "seed": seed},
        "compress": {
            "prune": {
                "target": target_ratio,
                "step": step,
                "floor_points": floor,
                "importance": importance,
                "round_to": round_to,
                "fine_tune": {"epochs": tune_epochs, "seed": seed},
            },
            "floor_points": floor,
            "backends": backends.split(",") if backends else None,
        },
    }
    settings = load_config(Settings, file=config, flags=flags)
    check_engines(settings.compress)
    with progress() as bars:
        show_progress = _progress_on(bars)
        model = train_task(
            loaded,
            settings.train,
            out / "train",
            weights=weights,
            on_epoch=lambda epoch: show_progress(Progress("train", epoch.number, epoch.of)),
        )
        result = compress(
            model,
            loaded,
            settings.compress,
            out,
            notify=lambda line: bars.console.print(line, markup=False, highlight=False, soft_wrap=True),
            on_progress=show_progress,
        )
    if json:
        emit_json(loads((out / RESULT).read_bytes()))
    else:
        show(result)
        err.print(
            f"chosen: {result.chosen.candidate} on {result.chosen.backend}, written to {out / BEST}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _progress_on(bars: Bars) -> Callable[[Progress], None]:
    """Return a listener that shows one bar for each stage while it lasts."""
    shown: dict[str, TaskID] = {}

    def show_one(state: Progress) -> None:
        if state.stage not in shown:
            shown[state.stage] = bars.add_task(state.stage, total=state.of)
        bars.update(shown[state.stage], completed=state.done)
        if state.done == state.of:
            bars.remove_task(shown.pop(state.stage))

    return show_one


def show(result: CompressResult) -> None:
    """Print every option; those of the Pareto front are marked, and the chosen one."""
    numeric = ["test score, %", "difference, points", "latency", "times faster", "size", "MACs"]
    table(
        "candidates (* on the Pareto front, > chosen)",
        ["", "candidate", "engine", *numeric],
        [_row(option, result) for option in result.options],
        numeric=numeric,
    )


def _row(option: Option, result: CompressResult) -> tuple[str, ...]:
    mark = ">" if option is result.chosen else "*" if option in result.front else ""
    return (
        mark,
        option.candidate,
        option.backend,
        _percent(option.test),
        f"{option.test_difference.value * 100:+.2f} [{option.test_difference.low * 100:+.2f}, "
        f"{option.test_difference.high * 100:+.2f}]",
        format_ms(option.latency.median_ms),
        f"{option.speedup.value:.2f} [{option.speedup.low:.2f}, {option.speedup.high:.2f}]",
        format_bytes(option.size_bytes),
        format_count(option.macs),
    )


def _percent(interval: Interval) -> str:
    scaled = interval.scaled(100)
    return f"{scaled.value:.2f} [{scaled.low:.2f}, {scaled.high:.2f}]"
