"""Run the whole road on real digits and leave one report."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.render import JsonOption, emit_json, out, progress
from burnish.config import load_config
from burnish.plugins import require
from burnish.units import format_ms

app = typer.Typer(rich_markup_mode=None)


@app.command()
def demo(
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder of the run; an interrupted run goes on there.")
    ] = Path("demo-out"),
    config: Annotated[
        Path | None, typer.Option(help="TOML file; its table [demo] holds the settings.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train, capture, compress, register, serve, roll out, break, roll back, and report; takes a few minutes."""
    for package in ("torch", "torch_pruning", "sklearn", "altair", "openvino", "tritonclient"):
        require(package, extra="demo", need="the demo")
    from burnish.pipeline.demo import DemoConfig, run_demo
    from burnish.pipeline.demo.run import STEPS

    settings = load_config(DemoConfig, file=config, section="demo")
    with progress() as bars:
        bar = bars.add_task("burnish demo", total=len(STEPS))
        stage = bars.add_task("", total=1, visible=False)

        def on_step(index: int, name: str) -> None:
            bars.update(bar, completed=index, description=name)
            bars.update(stage, visible=False)
            bars.console.rule(f"{index + 1}/{len(STEPS)} {name}", align="left")

        result = run_demo(
            out_dir,
            settings,
            notify=lambda line: bars.console.print(line, highlight=False, markup=False, soft_wrap=True),
            on_step=on_step,
            on_progress=lambda p: bars.update(
                stage, description=p.stage, completed=p.done, total=p.of, visible=True
            ),
        )
        bars.update(stage, visible=False)
        bars.update(bar, completed=len(STEPS), description="done")
    if json:
        emit_json(result)
        return
    value, low, high = result.test_difference_points
    out.print(f"chosen: {result.chosen}", highlight=False)
    out.print(f"accuracy against float: {value:+.2f} points [{low:+.2f}, {high:+.2f}]", highlight=False)
    out.print(f"speed: {result.speedup:.2f}x, size: {result.size_ratio:.1f}x smaller", highlight=False)
    out.print(f"rollback: {format_ms(result.alarm_to_zero_ms)} from the alarm to 0%", highlight=False)
    out.print(f"report: {result.report.resolve()}", highlight=False, soft_wrap=True)
