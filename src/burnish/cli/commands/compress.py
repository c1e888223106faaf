"""Prune and quantize under an accuracy floor; measure every candidate."""

from collections.abc import Mapping
from json import loads
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli.live import LiveTable
from burnish.cli.render import JsonOption, emit_json, err, table
from burnish.compress import CompressResult, Option, Progress, Recipe, compress, load_recipe, train_task
from burnish.compress.recipe.measure import EAGER
from burnish.compress.recipe.run import BEST, REPORT, RESULT, check_engines
from burnish.compress.reporter import COLUMNS, Reporter, format_figure, format_points
from burnish.errors import ConfigError
from burnish.evaluate.accuracy import Interval
from burnish.evaluate.task import load_task
from burnish.units import format_bytes, format_count, format_ms

app = typer.Typer(rich_markup_mode=None)

_FIGURES = COLUMNS[2:-1]


@app.command("compress")
def compress_task(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run goes on there.")],
    task: Annotated[
        str | None,
        typer.Argument(
            help="A task's name, such as digits, or the path of a task.py; or the recipe names it."
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", "--config", help="TOML file with task, weights, [train] and [compress]."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights; without them the task is trained.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the training. [default: 12]")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Steps, of prune, distil, quantize, mixed, qat and fuse, in this order. [default: prune,quantize]"
        ),
    ] = None,
    target_ratio: Annotated[
        float | None, typer.Option(help="Share of channels to remove. [default: 0.5]")
    ] = None,
    target_params: Annotated[
        float | None, typer.Option(help="Share of parameters to remove, instead of channels.")
    ] = None,
    target_macs: Annotated[
        float | None, typer.Option(help="Share of multiply-adds to remove, instead of channels.")
    ] = None,
    target_speedup: Annotated[
        float | None,
        typer.Option(help="How many times faster to become by pruning, on the first engine and batch size."),
    ] = None,
    step: Annotated[float | None, typer.Option(help="Share of channels a step. [default: 0.05]")] = None,
    floor: Annotated[
        float | None,
        typer.Option(
            help="Points that may be lost, by the lower end of the interval; also in steps without a floor_points of "
            "their own in the recipe. [default: 1]"
        ),
    ] = None,
    importance: Annotated[
        str | None,
        typer.Option(help="l1, l2, bn, variance, taylor, fisher or random. [default: l1]"),
    ] = None,
    round_to: Annotated[int | None, typer.Option(help="Keep widths a multiple of this. [default: 8]")] = None,
    tune_epochs: Annotated[int | None, typer.Option(help="Epochs after each cut. [default: 10]")] = None,
    finalists: Annotated[
        int | None, typer.Option(help="Accepted cuts that go on, the smallest; 0 for all. [default: 4]")
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(help="Kinds to try: static, dynamic, weight-only, float16, bfloat16. [default: static]"),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Ranges of activations: minmax, percentile, mse, kl, and of all steps but qat auto. "
            "[default: minmax, of qat mse]"
        ),
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Calibration examples. [default: 256]")] = None,
    qat_epochs: Annotated[
        int | None, typer.Option(help="Epochs of quantization-aware training. [default: 4]")
    ] = None,
    backends: Annotated[
        str | None, typer.Option(help="Engines to measure. [default: onnxruntime,openvino]")
    ] = None,
    batches: Annotated[
        str | None, typer.Option(help="Batch sizes to time; the first chooses. [default: 1]")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds of the measurement. [default: 30]")] = None,
    prefer: Annotated[
        str | None, typer.Option(help="latency or size: what to choose by, above the floor.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything drawn at random. [default: 0]")] = None,
    json: JsonOption = False,
) -> None:
    """Carry out a recipe on a task's model, measure every candidate, and keep the best that is good enough.

    The folder ends with best.onnx, the chosen candidate; report.html; and result.json, every number behind it.
    """
    targets = {
        "channels": target_ratio,
        "parameters": target_params,
        "macs": target_macs,
        "latency": target_speedup,
    }
    flags: dict[str, Any] = {
        "task": task,
        "weights": None if weights is None else str(weights),
        "train": {"epochs": epochs, "seed": seed},
        "compress": {
            "steps": _words(method),
            "prune": {
                **_target(targets),
                "step": step,
                "importance": importance,
                "round_to": round_to,
                "fine_tune": {"epochs": tune_epochs, "seed": seed},
            },
            "finalists": finalists,
            "distil": {"seed": seed},
            "quantize": {},
            "methods": _words(quantize),
            "mixed": {"scheme": {}},
            "qat": {"train": {"epochs": qat_epochs, "seed": seed}},
            "bench": {"rounds": rounds},
            "floor_points": floor,
            "backends": _words(backends),
            "batches": _words(batches),
            "prefer": prefer,
        },
    }
    steps = load_recipe(recipe, flags).compress.steps
    _check_steps(steps, ctx.params)
    _calibrate(flags["compress"], steps, {"calibration": calibration, "samples": samples})
    settings = load_recipe(recipe, flags)
    result = _run(settings, out)
    if json:
        emit_json(loads((out / RESULT).read_bytes()))
        return
    show(result)
    err.print(
        f"chosen: {result.chosen.candidate} on {result.chosen.backend}, written to {out / BEST}; "
        f"the report is {out / REPORT}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _run(settings: Recipe, out: Path) -> CompressResult:
    if not settings.task:
        raise ConfigError(
            "no task is named", hint="burnish compress TASK --out DIR, or name it in the recipe"
        )
    task = load_task(settings.task)
    check_engines(settings.compress)
    with LiveTable(err, COLUMNS, _FIGURES) as live:

        def show_progress(state: Progress) -> None:
            live.stage(state.stage, state.done, state.of)

        reporter = Reporter(on_progress=show_progress)
        model = train_task(
            task,
            settings.train,
            out / "train",
            weights=Path(settings.weights) if settings.weights else None,
            on_step=reporter.steps("train", settings.train.epochs),
        )
        return compress(
            model,
            task,
            settings.compress,
            out,
            notify=live.say,
            on_progress=show_progress,
            on_row=lambda row: live.row(row.cells(), str(row)),
        )


def _words(text: str | None) -> list[str] | None:
    return [word.strip() for word in text.split(",")] if text is not None else None


def _target(targets: Mapping[str, float | None]) -> dict[str, Any]:
    """Return the settings of the one target that is given; one that is asked for must be reached."""
    given = {measure: target for measure, target in targets.items() if target is not None}
    if len(given) > 1:
        raise ConfigError(
            f"targets for {' and '.join(given)} at once", hint="give one of the --target options"
        )
    if not given:
        return {}
    ((measure, target),) = given.items()
    return {"measure": measure, "target": target, "must_reach": True}


def _calibrate(flags: Mapping[str, Any], steps: tuple[str, ...], given: Mapping[str, Any]) -> None:
    """Give the steps that there are the settings of their calibration: what one takes, another may refuse."""
    places = {"quantize": flags["quantize"], "mixed": flags["mixed"]["scheme"], "qat": flags["qat"]}
    for step, settings in places.items():
        if step in steps:
            settings |= given


_READ_BY: dict[tuple[str, ...], tuple[str, ...]] = {
    ("prune",): (
        *("target_ratio", "target_params", "target_macs", "target_speedup"),
        *("step", "importance", "round_to", "tune_epochs", "finalists"),
    ),
    ("quantize",): ("quantize",),
    ("quantize", "mixed", "qat"): ("calibration", "samples"),
    ("qat",): ("qat_epochs",),
}
"""Options by the steps that read them; one that no step of the recipe reads would be ignored."""


def _check_steps(steps: tuple[str, ...], given: Mapping[str, Any]) -> None:
    for readers, options in _READ_BY.items():
        unused = [name for name in options if given.get(name) is not None]
        if unused and not set(readers) & set(steps):
            names = ", ".join("--" + name.replace("_", "-") for name in unused)
            raise ConfigError(
                f"{names}: the recipe has no step {' or '.join(map(repr, readers))}",
                hint=f"its steps are {', '.join(steps)}; choose them with --method",
            )


def show(result: CompressResult) -> None:
    """Print every option; those of the Pareto front are marked, and the chosen one."""
    further = _further(result)
    numeric = ["test, %", "difference, points", *further]
    numeric += ["latency", "times faster", "than eager", "size", "MACs"]
    table(
        "candidates (* on the Pareto front, > chosen)",
        ["", "candidate", "engine", *numeric],
        [_eager(result), *(_row(option, result) for option in result.options)],
        numeric=numeric,
    )


def _row(option: Option, result: CompressResult) -> tuple[str, ...]:
    mark = ">" if option is result.chosen else "*" if option in result.front else ""
    return (
        mark,
        option.candidate,
        option.backend,
        f"{option.test.value * 100:.2f}",
        format_points(option.test_difference),
        *(format_figure(option.figures.get(name)) for name in _further(result)),
        format_ms(option.latency.median_ms),
        _times(option.speedup),
        f"{option.timings[0].eager_speedup.value:.2f}",
        format_bytes(option.size_bytes),
        format_count(option.macs),
    )


def _eager(result: CompressResult) -> tuple[str, ...]:
    """Return the row of the reference, which is measured and cannot be chosen."""
    latency = next(iter(result.eager.values()))
    unknown = [""] * (2 + len(_further(result)))
    return ("", "the module itself", EAGER, *unknown, format_ms(latency.median_ms), "", "1", "", "")


def _further(result: CompressResult) -> list[str]:
    """Return the names of what the task tells beside its score."""
    return list(dict.fromkeys(name for option in result.options for name in option.figures))


def _times(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
