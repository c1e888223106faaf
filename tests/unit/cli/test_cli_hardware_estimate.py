"""``burnish hardware estimate`` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from burnish.cli.commands.hardware import app
from burnish.errors import ConfigError, InputError, NotFoundError, ShapeError, UnsupportedDeviceError
from burnish.testing import graphs

T4 = ("--device", "nvidia-t4")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    graphs.network().save(tmp_path / "network.onnx")
    graphs.unknown_operator().save(tmp_path / "unknown.onnx")
    graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[batch, tokens, 8] x) => (float[batch, tokens, 8] y) { y = Relu(x) }
    """).save(tmp_path / "tokens.onnx")

    def call(model, *words):
        return CliRunner().invoke(app, ["estimate", str(tmp_path / model), *map(str, words)])

    return call


def test_each_batch_has_a_latency_with_its_interval(run):
    facts = json.loads(run("network.onnx", *T4, "--batch", "1,8", "--json").stdout)
    assert facts["device"] == "nvidia-t4"
    assert facts["basis"]
    assert [row["batch"] for row in facts["batches"]] == [1, 8]
    for row in facts["batches"]:
        assert 0 < row["low_ms"] <= row["latency_ms"] <= row["high_ms"]
        assert sum(row["bounds"].values()) == pytest.approx(1)
        assert row["as_it_is"] is None
        assert row["uncosted"] == {}
        assert sum(time["time_ms"] for time in row["slowest"]) == pytest.approx(row["latency_ms"])
    assert facts["batches"][1]["flops"] == 8 * facts["batches"][0]["flops"]


def test_the_table_tells_what_it_rests_on(run):
    result = run("network.onnx", *T4, "--top", 2)
    assert result.exit_code == 0, result.output
    assert "network on NVIDIA T4" in result.stdout
    assert "the slowest 2 of" in result.stdout
    assert "basis: data sheet" in result.stdout


def test_what_if_is_told_beside_the_model_as_it_is(run):
    words = (*T4, "--dtype", "int8", "--prune", 0.4)
    shown = run("network.onnx", *words)
    assert "as int8, 40% of the parameters pruned" in shown.stdout
    assert "times faster" in shown.stdout
    (row,) = json.loads(run("network.onnx", *words, "--json").stdout)["batches"]
    assert row["bytes"] < row["as_it_is"]["bytes"]
    assert row["latency_ms"] <= row["as_it_is"]["latency_ms"]


def test_operators_without_a_rule_are_named_apart_from_the_result(run):
    result = run("unknown.onnx", *T4)
    assert result.exit_code == 0, result.output
    assert "want of a cost rule" in result.stderr
    assert "want of a cost rule" not in result.stdout


@pytest.mark.parametrize("ending", [".svg", ".html"])
def test_the_roofline_is_drawn(run, tmp_path, ending):
    path = tmp_path / f"chart{ending}"
    result = run("network.onnx", *T4, "--chart", path)
    assert result.exit_code == 0, result.output
    assert "held up by" in path.read_text()


def test_sizes_of_other_dimensions(run):
    (row,) = json.loads(run("tokens.onnx", *T4, "--size", "tokens=5", "--json").stdout)["batches"]
    assert row["flops"] == 5 * 8


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (("nothing.onnx", *T4), NotFoundError, "nothing.onnx"),
        (("network.onnx", "--device", "nvidia-t5"), UnsupportedDeviceError, "nvidia-t4"),
        (("network.onnx", "--device", "gpu"), ConfigError, "names"),
        (("network.onnx", *T4, "--dtype", "float8"), UnsupportedDeviceError, "float8"),
        (("network.onnx", *T4, "--dtype", "int9"), ConfigError, "int8"),
        (("network.onnx", *T4, "--prune", 1), ConfigError, "prune"),
        (("network.onnx", *T4, "--batch", "1,zero"), ConfigError, "--batch"),
        (("network.onnx", *T4, "--batch", "9" * 20), ConfigError, "at most"),
        (("network.onnx", *T4, "--batch", "9" * 5000), ConfigError, "at most"),
        (("network.onnx", *T4, "--batch", 2**31), ConfigError, "at most"),
        (("tokens.onnx", *T4, "--size", f"tokens={2**31}"), ConfigError, "--size"),
        (("network.onnx", *T4, "--engine", "nonsense"), ConfigError, "nonsense"),
        (("network.onnx", "--engine", "onnxruntme"), ConfigError, "did you mean 'onnxruntime'"),
        (("network.onnx", *T4, "--engine", "onnxruntime"), ConfigError, "this-machine"),
        (("network.onnx", *T4, "--keep-ends"), ConfigError, "--dtype"),
        (("network.onnx", *T4, "--round-to", 8), ConfigError, "--prune"),
        (("network.onnx", *T4, "--chart", "/dev/null/chart.svg"), InputError, "/dev/null/chart.svg"),
        (("network.onnx", *T4, "--chart", "chart.txt"), ConfigError, "--chart"),
        (("network.onnx", *T4, "--chart", "chart.svg", "--batch", "1,8"), ConfigError, "--chart"),
        (("network.onnx", *T4, "--size", "tokens=5"), ShapeError, "tokens"),
        (("tokens.onnx", *T4), ShapeError, "tokens"),
    ],
)
def test_what_cannot_be_is_an_error_that_helps(run, words, error, text):
    found = run(*words).exception
    assert isinstance(found, error)
    assert text in str(found)


def test_the_largest_batch_is_estimated(run):
    assert run("network.onnx", *T4, "--batch", 2**31 - 1).exit_code == 0


def test_the_missing_size_is_asked_for_by_its_option(run):
    assert "--size tokens=N" in str(run("tokens.onnx", *T4).exception)
