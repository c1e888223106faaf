"""Results for machines are JSON, whatever they hold; errors are for people."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from burnish.cli import render
from burnish.errors import InputError


class Colour(StrEnum):
    RED = "red"


@dataclass
class Facts:
    path: Path
    colour: Colour
    values: tuple[float, ...]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Facts(Path("a/b"), Colour.RED, (1.0, 2.0)), {"path": "a/b", "colour": "red", "values": [1.0, 2.0]}),
        ({1: np.float32(0.5), "a": np.array([[1, 2]])}, {"1": 0.5, "a": [[1, 2]]}),
        ([float("nan"), float("inf"), np.array([np.nan, 1.0])], [None, None, [None, 1.0]]),
        ({"flag": np.bool_(True), "none": None}, {"flag": True, "none": None}),
        (frozenset({"x"}), ["x"]),
    ],
)
def test_plain(value, expected):
    assert render.plain(value) == expected


def test_emitted_json_is_strict_and_keeps_letters(capsys):
    render.emit_json({"name": "Grünwald", "x": float("nan")})
    text = capsys.readouterr().out

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse) == {"name": "Grünwald", "x": None}
    assert "Grünwald" in text
    assert text.endswith("}\n")


def test_table_shows_every_cell(monkeypatch):
    console = Console(record=True, width=100)
    monkeypatch.setattr(render, "out", console)
    render.table("things", ["name", "size"], [("a", 1), ("b", 22)], numeric=["size"])
    text = console.export_text()
    for word in ("things", "name", "size", "a", "22"):
        assert word in text


def test_error_text_is_not_read_as_markup(monkeypatch):
    console = Console(record=True, width=200)
    monkeypatch.setattr(render, "err", console)
    render.show_error(InputError("input [bold]x[/]: rank", hint="pip install 'burnish[serve]'"))
    assert console.export_text().splitlines() == [
        "error (invalid_input): input [bold]x[/]: rank",
        "hint: pip install 'burnish[serve]'",
    ]
