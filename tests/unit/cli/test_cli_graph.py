"""The verb graph, and what capture accepts."""

import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import transformers
from typer.testing import CliRunner

from burnish.cli.main import app
from burnish.errors import BurnishError
from burnish.graph import load
from burnish.testing import graphs


@pytest.fixture
def burnish():
    """Return a function that runs the command line in this process and returns exit code and standard output."""

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "network.onnx"
    graphs.network().save(path)
    return path


def test_show_says_what_each_operator_and_node_costs(burnish, model, tmp_path):
    code, out = burnish("graph", "show", model, "--batch", 2, "--out", tmp_path / "n.svg", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (tmp_path / "n.svg").read_text(encoding="utf-8").startswith("<svg")
    assert facts["flops"] == sum(item["flops"] for item in facts["operators"])
    assert sum(item["share"] for item in facts["operators"]) == pytest.approx(1.0)
    conv = facts["operators"][0]
    assert (conv["op"], conv["count"], conv["macs"]) == ("Conv", 1, 2 * 4 * 8 * 8 * 9)
    assert conv["intensity"] == pytest.approx(conv["flops"] / conv["bytes"])
    assert facts["nodes"][0]["op"] == "Conv"
    assert facts["uncosted"] == {}


@pytest.mark.parametrize(("sort", "first"), [("flops", "Conv"), ("bytes", "Relu"), ("order", "Conv")])
def test_show_sorts_and_cuts(burnish, model, sort, first):
    code, out = burnish("graph", "show", model, "--sort", sort, "--top", 2, "--json")
    nodes = json.loads(out)["nodes"]
    assert code == 0
    assert len(nodes) == 2
    assert nodes[0]["op"] == first
    key = {"flops": "flops", "bytes": "bytes", "order": "index"}[sort]
    values = [node[key] for node in nodes]
    assert values == sorted(values, reverse=sort != "order")


def test_show_is_a_table_too(burnish, model):
    code, out = burnish("graph", "show", model, "--top", 0)
    assert code == 0
    assert "6 of 6 nodes, by flops" in out
    assert "GlobalAveragePool" in out


def test_dump_is_one_line_a_node(burnish, model):
    code, out = burnish("graph", "dump", model)
    assert code == 0
    assert "  scores = Gemm(f, w, b)" in out.splitlines()
    code, again = burnish("graph", "dump", model, "--json")
    assert json.loads(again)["lines"] == out.splitlines()


def test_diff_leaves_with_one_when_anything_differs(burnish, model, tmp_path):
    code, out = burnish("graph", "diff", model, model)
    assert (code, out) == (0, "the same\n")
    proto = onnx.load(model)
    proto.graph.node[1].op_type = "Tanh"
    onnx.save(proto, tmp_path / "other.onnx")
    code, out = burnish("graph", "diff", model, tmp_path / "other.onnx")
    assert code == 1
    assert "- r = Relu(c)" in out
    assert "+ r = Tanh(c)" in out
    code, out = burnish("graph", "diff", model, tmp_path / "other.onnx", "--json")
    facts = json.loads(out)
    assert code == 1
    assert facts["same"] is False
    assert {change["kind"] for change in facts["changes"]} <= {"changed", "added", "removed"}


def test_convert_writes_what_gives_the_same_answers(burnish, model, tmp_path):
    code, out = burnish("graph", "convert", model, "--opset", 19, "--out", tmp_path / "new.onnx", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["difference"] <= 1e-5
    assert load(tmp_path / "new.onnx").model.opset_imports[""] == 19


def test_convert_refuses_other_answers(burnish, model, tmp_path, monkeypatch):
    other = graphs.network()
    other.model.graph.initializers["b"].const_value = ir.Tensor(np.full(4, 9, np.float32), name="b")
    monkeypatch.setattr("burnish.graph.ComputeGraph.convert", lambda self, opset: other)
    with pytest.raises(BurnishError, match="other answers"):
        burnish("graph", "convert", model, "--opset", 19, "--out", tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()


def test_capture_takes_a_hugging_face_folder(burnish, tmp_path):
    torch.manual_seed(0)
    config = transformers.DistilBertConfig(
        vocab_size=40, max_position_embeddings=16, dim=8, n_layers=1, n_heads=2, hidden_dim=16
    )
    transformers.DistilBertModel(config).save_pretrained(tmp_path / "model")
    out = tmp_path / "m.onnx"
    code, text = burnish("capture", tmp_path / "model", "--out", out, "--size", "length=8", "--json")
    facts = json.loads(text)
    assert code == 0
    assert facts["signature"]["inputs"][0] == {
        "name": "input_ids",
        "dtype": "int64",
        "shape": ["batch", "length"],
        "ragged": [1],
        "layout": "BL",
    }
    assert facts["macs"] > 0
    assert load(out).digest == facts["digest"]


def test_capture_without_a_size_leaves_the_cost_out(burnish, tmp_path):
    graphs.two_inputs().save(tmp_path / "pair.onnx")
    code, text = burnish("capture", tmp_path / "pair.onnx", "--out", tmp_path / "out.onnx", "--json")
    assert code == 0
    assert json.loads(text)["macs"] is None
    assert (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing.tflite", "no such file"),
        ("folder/nothing", "no such file"),
        ("EMPTY", "holds no config.json"),
        ("nothing.onnx", "no such file"),
    ],
)
def test_capture_says_what_is_wrong_with_a_source(burnish, tmp_path, source, words):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BurnishError, match=words):
        burnish("capture", empty if source == "EMPTY" else tmp_path / source, "--out", tmp_path / "x.onnx")
