"""The table of verbs, their modules and their help say the same."""

import ast
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import burnish.cli
from burnish.cli.main import VERBS, app

COMMANDS = Path(burnish.cli.__file__).parent / "commands"
# These print nothing of their own: none at present, and each addition needs a reason here.
WITHOUT_RESULT: dict[str, str] = {}


def _leaves():
    """Return every command that can be run, by its words."""
    found = {}

    def walk(words, command):
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                walk((*words, name), child)
        else:
            found[" ".join(words)] = command

    root = typer.main.get_command(app)
    for verb in VERBS:
        walk((verb,), root.get_command(None, verb))
    return found


def test_every_module_is_a_verb():
    modules = {path.stem for path in COMMANDS.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in COMMANDS.glob("*/__init__.py")}  # a verb of several files
    assert modules | packages == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_line_is_the_modules_own(verb):
    package = COMMANDS / verb / "__init__.py"
    source = package if package.exists() else COMMANDS / f"{verb}.py"
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    assert docstring is not None
    assert docstring.splitlines()[0] == VERBS[verb]


@pytest.mark.parametrize("words", _leaves())
def test_every_command_has_help_and_a_summary(words):
    shown = CliRunner().invoke(app, [*words.split(), "--help"])
    assert shown.exit_code == 0
    assert f"burnish {words}" in " ".join(shown.output.split()).replace("root ", "burnish ")
    assert _leaves()[words].help


@pytest.mark.parametrize("words", _leaves())
def test_help_shows_brackets_as_they_are_written(words):
    shown = CliRunner().invoke(
        app, [*words.split(), "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    )
    written = [getattr(parameter, "help", None) or "" for parameter in _leaves()[words].params]
    bracketed = [
        found for text in (*written, _leaves()[words].help) for found in re.findall(r"\[.*?\]", text)
    ]
    shown_words = " ".join(shown.output.split())
    assert [found for found in bracketed if " ".join(found.split()) not in shown_words] == []


def test_every_verb_that_prints_results_speaks_json():
    lacking = {
        words
        for words, command in _leaves().items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert lacking == set(WITHOUT_RESULT)


def test_every_option_is_explained():
    silent = [
        f"{words} {parameter.name}"
        for words, command in _leaves().items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert silent == []
