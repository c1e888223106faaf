"""The verbs over one graph: capture, infer, bench, doctor."""

import json
import sys

import numpy as np
import pytest

from burnish.cli.main import main
from burnish.graph import load
from burnish.runtime import device_table
from burnish.testing import graphs
from burnish.testing.probes import PROBED


@pytest.fixture
def burnish(monkeypatch, capsys):
    """Run the command line in this process; return exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["burnish", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return left.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "network.onnx"
    graphs.network().save(path)
    return path


def test_capture_checks_and_describes_an_onnx_file(burnish, model, tmp_path):
    code, out, _ = burnish("capture", model, "--out", tmp_path / "copy.onnx", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["digest"] == load(tmp_path / "copy.onnx").digest == load(model).digest
    assert facts["macs"] == load(model).macs()
    assert facts["signature"]["inputs"][0]["shape"] == ["batch", 1, 8, 8]
    code, out, err = burnish("capture", model, "--out", tmp_path / "copy.onnx")
    assert code == 0
    assert "GlobalAveragePool" in out
    assert facts["digest"] in err.replace("\n", "")


def test_capture_reads_a_task_file_and_its_weights(burnish, tmp_path):
    import torch

    (tmp_path / "task.py").write_text(
        "import numpy as np, torch\n"
        "from burnish.evaluate import Split\n"
        "class Mine:\n"
        "    name = 'mine'\n"
        "    output_names = ('y',)\n"
        "    def build_model(self): return torch.nn.Linear(3, 2)\n"
        "    def split(self, name): return Split({'x': np.ones((4, 3), np.float32)}, np.zeros(4, np.int64))\n"
        "    def loss(self, outputs, labels): return outputs.mean()\n"
        "    def scores(self, outputs, labels): return np.ones(len(labels))\n"
        "TASK = Mine()\n"
    )
    layer = torch.nn.Linear(3, 2)
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    code, _, _ = burnish(
        "capture", tmp_path / "task.py", "--weights", tmp_path / "weights.pt", "--out", tmp_path / "g.onnx"
    )
    assert code == 0
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    expected = layer(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(load(tmp_path / "g.onnx").infer(x)["y"], expected, rtol=1e-5, atol=1e-6)


def test_infer_with_given_inputs_equals_the_python_face(burnish, model, tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    code, out, _ = burnish(
        "infer",
        model,
        "--input",
        tmp_path / "x.npz",
        "--backend",
        "torch",
        "--out",
        tmp_path / "y.npz",
        "--json",
    )
    assert code == 0
    answer = json.loads(out)
    expected = load(model).infer(x, backend="torch")["scores"]
    assert answer["backend"] == "torch"
    assert answer["outputs"][0]["shape"] == [2, 4]
    np.testing.assert_allclose(answer["outputs"][0]["data"], expected.ravel(), rtol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["scores"], expected)


def test_infer_with_made_up_inputs_shows_a_table(burnish, model):
    code, out, _ = burnish("infer", model, "--random", "--batch", 3)
    assert code == 0
    assert "[3, 4]" in out


def test_bench_measures_every_contender(burnish, model):
    code, out, _ = burnish(
        "bench", model, "--backends", "onnxruntime,torch", "--rounds", 3, "--peak", "none", "--json"
    )
    facts = json.loads(out)
    assert code == 0
    assert list(facts["contenders"]) == [f"{model} on onnxruntime", f"{model} on torch"]
    for contender in facts["contenders"].values():
        assert len(contender["samples_ms"]) == 3
        assert (
            contender["median_ms"]["low"] <= contender["median_ms"]["value"] <= contender["median_ms"]["high"]
        )
    assert facts["machine"]["cpu"]


def test_bench_skips_and_names_what_an_engine_lacks(burnish, tmp_path):
    path = tmp_path / "hardmax.onnx"
    graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 2] x) => (float[2, 2] y) { y = Hardmax(x) }
    """).save(path)
    code, out, _ = burnish("bench", path, "--rounds", 2, "--peak", "none", "--json")
    assert code == 0
    assert "Hardmax" in json.loads(out)["skipped"][f"{path} on torch"]
    code, _, err = burnish("bench", path, "--rounds", 2, "--peak", "none", "--backends", "torch")
    assert code == 2
    assert "Hardmax" in err


def test_doctor_tells_what_works_and_why_the_rest_does_not(burnish):
    code, out, _ = burnish("doctor", "--json")
    facts = json.loads(out)
    assert code == 0
    probes = {(probe["backend"], probe["device"]): probe for probe in facts["probes"]}
    assert set(probes) == {(backend.spec.name, status.device) for backend, status in device_table()}
    for engine in ("onnxruntime", "openvino", "torch"):
        assert probes[engine, "cpu"]["works"], probes[engine, "cpu"]
        assert probes[engine, "cpu"]["version"]
    assert all(probe["works"] or probe["reason"] for probe in probes.values())
    for probe in probes.values():
        for dtype, answer in probe["dtypes"].items():
            assert answer["works"] == (answer["first_run_ms"] is not None) == (not answer["reason"]), dtype
    assert {d for d, a in probes["openvino", "cpu"]["dtypes"].items() if a["works"]} == set(PROBED)
    assert "Gemm" in probes["onnxruntime", "cpu"]["dtypes"]["bfloat16"]["reason"]
    code, out, _ = burnish("doctor")
    assert code == 0
    assert "onnxruntime" in out
    assert "bf16" in out


def test_infer_says_where_it_really_ran(burnish, model):
    absent = next(status.device for _, status in device_table() if not status.available)
    arguments = ["infer", model, "--random", "--device", absent]
    code, _, err = burnish(*arguments)
    assert code == 2
    assert absent in err
    code, out, _ = burnish(*arguments, "--fallback", absent, "--fallback", "cpu", "--placement", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["device"] == "cpu"
    assert {one["operator"] for one in facts["placement"]} == set(graphs.network().operators())
    assert {one["where"] for one in facts["placement"]} == {"CPUExecutionProvider"}
    code, out, _ = burnish("infer", model, "--random", "--placement")
    assert code == 0
    assert "CPUExecutionProvider" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["infer", "MODEL"], "needs inputs"),
        (["infer", "MODEL", "--random", "--device", "abacus"], "'abacus' cannot be used here"),
        (["infer", "MODEL", "--random", "--backend", "tensorflow"], "unknown backend"),
        (["infer", "MODEL", "--random", "--size", "tokens"], "SYMBOL=SIZE"),
        (["infer", "nothing.onnx", "--random"], "no such file"),
        (["infer", "MODEL", "--input", "nothing.npz"], "no such file"),
        (["infer", "PROSE", "--random"], "is not an ONNX model"),
        (["capture", "digitz", "--out", "x.onnx"], "unknown task"),
        (["capture", "MODEL", "--weights", "w.pt", "--out", "x.onnx"], "belong to a task"),
        (["bench", "MODEL", "--rounds", "0"], "at least 1"),
    ],
)
def test_what_the_caller_can_mend_leaves_with_code_2(burnish, model, tmp_path, arguments, words):
    prose = tmp_path / "prose.onnx"
    prose.write_text("Call me Ishmael.")
    places = {"MODEL": model, "PROSE": prose}
    code, out, err = burnish(*(places.get(argument, argument) for argument in arguments))
    assert code == 2
    assert words in " ".join(err.split())
    assert out == ""
