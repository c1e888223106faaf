"""Make docs/reference/cli.md from the command line's own help.

Run without arguments to write the page; the tests check that it is current.
"""

import os
import subprocess
import sys
from pathlib import Path

from burnish.cli.main import VERBS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"
SUBCOMMANDS = {
    "bundle": ("pack", "show", "verify"),
    "registry": ("push", "pull", "list", "show", "alias", "verify", "audit"),
    "rollout": ("start", "status", "history", "abort", "rollback"),
}


def render() -> str:
    """Return the page's text."""
    commands = [
        (verb, *rest) for verb in VERBS for rest in ((), *((sub,) for sub in SUBCOMMANDS.get(verb, ())))
    ]
    parts = ["# Command line\n\nMade by `scripts/cli_page.py` from `--help`.\n"]
    for command in ((), *commands):
        title = " ".join(("burnish", *command))
        parts.append(f"## `{title}`\n\n```text\n{_help(command)}\n```\n")
    return "\n".join(parts)


def _help(command: tuple[str, ...]) -> str:
    environment = os.environ | {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "burnish", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
