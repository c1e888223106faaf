"""Make docs/reference/cli.md from the command line's own help.

Run without arguments to write the page; the tests check that it is current.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from burnish.cli.main import app

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"
_PLAIN = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}


def render() -> str:
    """Return the page's text."""
    parts = ["# Command line\n\nMade by `scripts/cli_page.py` from `--help`.\n"]
    for words in _commands(typer.main.get_command(app), ()):
        title = " ".join(("burnish", *words))
        parts.append(f"## `{title}`\n\n```text\n{_help(words)}\n```\n")
    return "\n".join(parts)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, TyperGroup):
        context = typer.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands(inner, (*words, name))


def _help(words: tuple[str, ...]) -> str:
    done = CliRunner().invoke(
        app, [*words, "--help"], env=_PLAIN, prog_name="burnish", catch_exceptions=False
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
