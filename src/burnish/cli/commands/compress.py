"""Prune and quantize under an accuracy floor; measure every candidate."""

import dataclasses
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.render import JsonOption, emit_json, err, progress, table
from burnish.compress import CompressConfig, CompressResult, Option, TrainConfig, compress, train_task
from burnish.config import load_config
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.task import load_task
from burnish.files import write_atomic
from burnish.units import format_bytes, format_count, format_ms

app = typer.Typer()


@app.command("compress")
def compress_task(
    task: Annotated[str, typer.Argument(help="A task's name, such as digits, or the path of a task.py.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on there.")],
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights; without them the task is trained.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the training. [default: 12]")] = None,
    target: Annotated[float | None, typer.Option(help="Share of channels to remove. [default: 0.5]")] = None,
    step: Annotated[float | None, typer.Option(help="Share removed a step. [default: 0.05]")] = None,
    floor: Annotated[
        float | None, typer.Option(help="Points that may be lost, by the interval's lower end. [default: 1]")
    ] = None,
    importance: Annotated[str | None, typer.Option(help="l1, l2, variance or random. [default: l1]")] = None,
    round_to: Annotated[int | None, typer.Option(help="Keep widths a multiple of this. [default: 8]")] = None,
    tune_epochs: Annotated[int | None, typer.Option(help="Epochs after each cut. [default: 10]")] = None,
    backends: Annotated[
        str | None, typer.Option(help="Engines to measure. [default: onnxruntime,openvino]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file; its table [compress] holds all settings.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prune and quantize a task's model, measure every candidate, and keep the fastest that is good enough."""
    loaded = load_task(task)
    flags = {
        "prune": {
            "target": target,
            "step": step,
            "floor_points": floor,
            "importance": importance,
            "round_to": round_to,
            "fine_tune": {"epochs": tune_epochs},
        },
        "floor_points": floor,
        "backends": backends.split(",") if backends else None,
    }
    settings = load_config(CompressConfig, file=config, section="compress", flags=flags)
    training = TrainConfig() if epochs is None else TrainConfig(epochs=epochs)
    with progress() as bars:
        bar = bars.add_task("train", total=training.epochs, start=weights is None)
        model = train_task(
            loaded,
            training,
            out / "train",
            weights=weights,
            on_epoch=lambda e: bars.update(bar, completed=e.number),
        )
        bars.remove_task(bar)
        result = compress(model, loaded, settings, out / "work", notify=lambda line: bars.console.print(line))
    best = out / "best.onnx"
    write_atomic(best, result.chosen.graph.read_bytes())
    facts = summary(result) | {"best": str(best)}
    write_atomic(out / "result.json", dumps(facts, indent=2).encode())
    if json:
        emit_json(facts)
    else:
        show(result)
        err.print(
            f"chosen: {result.chosen.candidate} on {result.chosen.backend}, written to {best}", soft_wrap=True
        )


def show(result: CompressResult) -> None:
    """Print every option; the front is marked, and the chosen one."""
    table(
        "candidates (* on the Pareto front, > chosen)",
        [
            "",
            "candidate",
            "engine",
            "test score, %",
            "difference, points",
            "latency",
            "speed-up",
            "size",
            "MACs",
        ],
        [_row(option, result) for option in result.options],
        numeric=["test score, %", "difference, points", "latency", "speed-up", "size", "MACs"],
    )


def summary(result: CompressResult) -> dict[str, Any]:
    """Return the result as plain data."""
    keys = {(option.candidate, option.backend) for option in result.front}
    return {
        "options": [
            {
                "candidate": o.candidate,
                "backend": o.backend,
                "valid": dataclasses.asdict(o.valid),
                "valid_difference": dataclasses.asdict(o.valid_difference),
                "test": dataclasses.asdict(o.test),
                "test_difference": dataclasses.asdict(o.test_difference),
                "latency_ms": dataclasses.asdict(o.latency.median),
                "speedup": dataclasses.asdict(o.speedup),
                "size_bytes": o.size_bytes,
                "parameters": o.parameters,
                "macs": o.macs,
                "on_front": (o.candidate, o.backend) in keys,
            }
            for o in result.options
        ],
        "chosen": {"candidate": result.chosen.candidate, "backend": result.chosen.backend},
    }


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
