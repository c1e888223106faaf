"""The command line. A verb's module is imported only when the verb is chosen."""

import signal
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from burnish.cli.exit_codes import INTERRUPTED, exit_code_of
from burnish.errors import BurnishError, NotFoundError, nearest

VERBS = {
    "capture": "Capture a PyTorch task, a Hugging Face folder, TFLite or ONNX into one graph.",
    "graph": "Show a graph and its cost, draw it, dump it, compare two, convert its opset.",
    "fuse": "Fold and fuse a graph by checked passes; measure what each saves.",
    "memory": "Plan where every value of a graph lies; measure what engines take.",
    "infer": "Run a graph once on a device of your choice.",
    "parity": "Tell whether the engines agree, and at which operator they part.",
    "bench": "Measure a graph on several back ends, interleaved.",
    "hardware": "Probe this machine, estimate latency, power and cost on any device, and choose.",
    "compress": "Prune and quantize under an accuracy floor; measure every candidate.",
    "bundle": "Pack, show and verify what ships.",
    "registry": "Push, list and verify immutable versions; move aliases.",
    "serve": "Serve models over the Open Inference Protocol v2.",
    "rollout": "Shadow, promote step by step on valid evidence, roll back.",
    "demo": "Run the whole road on real digits and leave one report.",
    "doctor": "Tell which back ends, devices and dtypes work here, and why the others do not.",
}


class LazyGroup(TyperGroup):
    """A group that knows its verbs' names and help without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class decides
        """Return the verbs in the order of the road."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class decides
        """Import one verb; an unknown one is an error that names the nearest."""
        if cmd_name not in VERBS:
            raise NotFoundError(f"unknown verb {cmd_name!r}", hint=nearest(cmd_name, VERBS))
        module = import_module(f"burnish.cli.commands.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class decides
        """Write the list of verbs from the table alone."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


app = typer.Typer(
    cls=LazyGroup,
    name="burnish",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"burnish {version('burnish')}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(  # noqa: ARG001 - handled by its callback
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
    log_level: str = typer.Option(
        "warning", help="debug, info, warning or error.", envvar="BURNISH_LOG_LEVEL"
    ),
    log_format: str = typer.Option("text", help="text or json.", envvar="BURNISH_LOG_FORMAT"),
) -> None:
    """Take a trained network to a fast, small, versioned, safely rolled-out service."""
    from burnish import logs

    logs.configure(level=log_level, format=log_format)


class _Interrupt:
    """Remembers Ctrl-C: a library may turn the KeyboardInterrupt that it meets into an error of its own."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: Any) -> None:
        self.came = True
        signal.default_int_handler(number, frame)


def main() -> None:
    """Run the command line and leave with the exit code that belongs to the outcome."""
    interrupt = _Interrupt()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if interrupt.came:
            sys.exit(INTERRUPTED)
        if not isinstance(error, BurnishError):
            raise
        from burnish.cli.render import show_error

        show_error(error)
        sys.exit(exit_code_of(error))
