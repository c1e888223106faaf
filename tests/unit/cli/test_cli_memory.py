"""``burnish memory`` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from burnish.cli.commands.memory import app
from burnish.errors import ShapeError
from burnish.testing.graphs import network, two_inputs


@pytest.fixture
def run(tmp_path):
    network().save(tmp_path / "network.onnx")
    two_inputs().save(tmp_path / "pair.onnx")

    def call(model: str, *words: str):
        return CliRunner().invoke(app, [str(tmp_path / model), *words], catch_exceptions=True)

    return call


def test_the_table_shows_the_arena_and_the_naive_sum(run):
    result = run("network.onnx", "--batch", "4")
    assert "naive sum" in result.stdout
    assert "below the naive sum" in result.stdout


def test_json_holds_every_buffer(run):
    result = run("network.onnx", "--batch", "4", "--json")
    facts = json.loads(result.stdout)
    assert facts["batch"] == 4
    assert facts["arena_bytes"] <= facts["naive_bytes"]
    assert {buffer["name"] for buffer in facts["buffers"]} >= {"c", "r", "p"}


def test_a_size_that_is_missing_is_named(run):
    result = run("pair.onnx")
    assert isinstance(result.exception, ShapeError)
    assert "(n)" in str(result.exception)
    assert run("pair.onnx", "--size", "n=4", "--json").exit_code == 0
