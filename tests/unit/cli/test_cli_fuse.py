import json

import pytest
from typer.testing import CliRunner

from burnish.cli.main import app
from burnish.errors import ConfigError, NotFoundError, ShapeError, UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.testing import graphs


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, width] x) => (float[batch, width] y) { a = Relu(x) b = Relu(a) y = Identity(b) }
    """).save(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["fuse", *map(str, arguments)], catch_exceptions=False)


def test_it_writes_a_checked_graph(model, tmp_path):
    result = run(model, "--out", tmp_path / "fused.onnx", "--size", "width=3", "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    changed = {one["name"]: one for one in facts["passes"] if one["matched"]}
    assert list(changed) == ["no-ops", "bounds"]
    assert changed["bounds"]["error"] == 0
    assert "opset 20" in facts["skipped"]["gelu"]
    assert ComputeGraph(tmp_path / "fused.onnx").operators() == {"Relu": 1}


def test_it_tells_people_what_changed(model, tmp_path):
    result = run(model, "--out", tmp_path / "fused.onnx", "--no-check", "--passes", "bounds")
    assert "1 x Relu of a Relu" in result.stdout
    assert "-1 Relu" in result.stdout
    assert "not compared" in result.stdout


def test_it_converts_first(model, tmp_path):
    result = run(
        model, "--out", tmp_path / "fused.onnx", "--no-check", "--opset", 23, "--passes", "gelu", "--json"
    )
    assert json.loads(result.stdout)["skipped"] == {}


def test_it_measures_each_pass(model):
    result = run(
        model,
        "--measure",
        "--size",
        "width=3",
        "--rounds",
        2,
        "--backends",
        "onnxruntime",
        "--passes",
        "bounds",
        "--json",
    )
    engines = json.loads(result.stdout)["engines"]
    assert [step["pass"] for step in engines["onnxruntime"]] == ["original", "bounds"]
    assert set(engines) == {"onnxruntime", "onnxruntime:optimization=none"}
    shown = run(
        model,
        "--measure",
        "--size",
        "width=3",
        "--rounds",
        2,
        "--backends",
        "onnxruntime",
        "--passes",
        "bounds",
    ).stdout
    assert "what each pass saves" in shown


def test_it_lists_the_passes():
    assert "layernorm" in run("--list").stdout
    assert json.loads(run("--list", "--json").stdout)["fused-conv"]["engines"] == ["onnxruntime"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (["--passes", "bound", "--no-check"], NotFoundError, "did you mean 'bounds'"),
        (["--target", "tensor", "--no-check"], NotFoundError, "no pass is made for an engine 'tensor'"),
        (["--passes", "gelu", "--no-check"], UnsupportedOpError, "--opset 20"),
        ([], ShapeError, "width"),
    ],
)
def test_what_cannot_be_done_says_why(model, tmp_path, arguments, error, text):
    with pytest.raises(error, match=text):
        run(model, "--out", tmp_path / "fused.onnx", *arguments)
    assert not (tmp_path / "fused.onnx").exists()


def test_without_anything_to_do_it_says_so(model):
    with pytest.raises(ConfigError, match="--out"):
        run(model)
