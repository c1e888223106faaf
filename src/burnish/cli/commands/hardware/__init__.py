"""Probe this machine, estimate latency, power and cost on any device, and choose."""

import typer

from burnish.cli.commands.hardware.calibrating import calibrate
from burnish.cli.commands.hardware.estimating import estimate
from burnish.cli.commands.hardware.evaluating import evaluate
from burnish.cli.commands.hardware.listing import import_devices, list_devices, show
from burnish.cli.commands.hardware.probing import probe

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

app.command("probe")(probe)
app.command("calibrate")(calibrate)
app.command("list")(list_devices)
app.command("show")(show)
app.command("import")(import_devices)
app.command("estimate")(estimate)
app.command("evaluate")(evaluate)
