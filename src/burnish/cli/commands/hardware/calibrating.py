"""The calibration on the command line: how fast an engine's operators are on this machine."""

from typing import Annotated, Any

import typer

from burnish.cli.exit_codes import INTERRUPTED
from burnish.cli.render import JsonOption, emit_json, err, progress, table
from burnish.evaluate.calibration import calibrated_model
from burnish.hardware.calibrated import CalibratedModel
from burnish.runtime.choice import chosen_backends

_DOUBTFUL = 0.1
"""Share of uncertain measurements that is worth a word."""


def calibrate(
    engine: Annotated[str, typer.Option(help="Engines, separated by commas.")] = "onnxruntime",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Measure a few of each kind only, for a look at the engine; no estimate uses it."
        ),
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Forget what was measured and measure it again.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Measure single operators of an engine, from which the latency of any model is estimated.

    It takes some minutes an engine, once: later runs know it. After Ctrl-C the same command goes on.
    """
    found = {name: _calibrated(name, quick, refresh) for name in chosen_backends(engine)}
    if json:
        emit_json({name: _facts(model) for name, model in found.items()})
        return
    for name, model in found.items():
        _show(name, model)


def _calibrated(engine: str, quick: bool, refresh: bool) -> CalibratedModel:
    done = total = 0
    try:
        with progress() as bars:
            bar = bars.add_task(f"calibrate {engine}", total=None)

            def told(now: int, everything: int) -> None:
                nonlocal done, total
                done, total = now, everything
                bars.update(bar, completed=now, total=everything)

            return calibrated_model(engine, quick=quick, refresh=refresh, on_progress=told)
    except KeyboardInterrupt:
        how = "the same command without --refresh" if refresh else "the same command"
        err.print(f"interrupted: {done} of {total} measurements of {engine} are kept; {how} goes on")
        raise typer.Exit(INTERRUPTED) from None


def _facts(model: CalibratedModel) -> list[dict[str, Any]]:
    return [
        {
            "dtype": dtype,
            "operators": role,
            "samples": fit.samples,
            "error": fit.error,
            "slowest": fit.slowest,
            "fastest": fit.fastest,
        }
        for (dtype, role), fit in sorted(model.roles.items())
    ]


def _show(engine: str, model: CalibratedModel) -> None:
    if model.doubtful > _DOUBTFUL:
        err.print(
            f"{model.doubtful:.0%} of the measurements of {engine} are too uncertain to learn from, as on a busy "
            "machine: measure again with --refresh when nothing else runs",
            highlight=False,
            soft_wrap=True,
        )
    columns = ["operators", "dtype", "measured", "median error", "slowest", "fastest"]
    rows = [
        (role, dtype, fit.samples, f"{fit.error:.0%}", f"{fit.slowest:.0%}", f"{fit.fastest:.0%}")
        for (dtype, role), fit in sorted(model.roles.items())
    ]
    table(f"operators of {engine}", columns, rows, numeric=columns[2:])
    err.print(
        "error: of predicting a measurement by the others; slowest and fastest: share of the roofline that "
        "95% and 5% of the operators reach",
        highlight=False,
        soft_wrap=True,
    )
