"""The verbs that compare engines: parity and bench."""

import json
import sys

import numpy as np
import pytest

from burnish.cli.main import main
from burnish.evaluate import latency
from burnish.testing import graphs


@pytest.fixture
def burnish(monkeypatch, capsys, tmp_path):
    """Run the command line in this process; return exit code, standard output and standard error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

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


@pytest.fixture
def bench(burnish):
    def run(*arguments):
        return burnish("bench", *arguments, "--rounds", 3, "--warmup", 1, "--peak", "none")

    return run


def test_parity_of_engines_that_agree(burnish, model, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.ones((3, 1, 8, 8), np.float32))
    code, out, _ = burnish(
        "parity", model, "--inputs", tmp_path / "x.npz", "--backends", "torch,openvino", "--json"
    )
    facts = json.loads(out)
    assert code == 0
    assert facts["ok"]
    assert {(row["backend"], row["output"]) for row in facts["rows"]} == {
        (engine, output) for engine in ("torch", "openvino") for output in ("scores", "probabilities")
    }
    assert all(row["cosine"] > 0.999999 and row["top1_agreement"] == 1.0 for row in facts["rows"])
    assert facts["divergences"] == {}


def test_parity_shows_a_table(burnish, model):
    code, out, _ = burnish("parity", model, "--random", "--batch", 2, "--backends", "torch")
    assert code == 0
    assert "compared with onnxruntime" in out
    assert "agrees" in out


def test_engines_that_differ_leave_with_code_3_and_name_the_operator(burnish, model):
    # without a tolerance the engines' roundings differ already
    arguments = ("parity", model, "--random", "--batch", 32, "--rtol", 0, "--atol", 0, "--backends", "torch")
    code, out, err = burnish(*arguments)
    assert code == 3
    assert "differs" in out
    assert "--bisect" in err
    code, out, err = burnish(*arguments, "--bisect")
    assert code == 3
    assert "where torch parts" in out
    assert "torch parts at node" in err
    code, out, _ = burnish(*arguments, "--bisect", "--json")
    found = json.loads(out)["divergences"]["torch"]
    assert found["suspects"]
    assert found["culprit"]["op"] in graphs.network().operators()


def test_parity_with_nothing_to_compare_is_an_error(burnish, model):
    code, _, err = burnish("parity", model, "--random", "--backends", "onnxruntime")
    assert code == 6
    assert "nothing was compared" in err


def test_sweep_measures_every_combination(bench, model):
    code, out, _ = bench(
        model, "--backends", "onnxruntime,torch", "--batch", "1,4", "--threads", "1,2", "--json"
    )
    facts = json.loads(out)
    assert code == 0
    combinations = {(c["backend"], c["batch"], c["threads"]) for c in facts["contenders"].values()}
    assert len(combinations) == len(facts["contenders"]) == 8
    for contender in facts["contenders"].values():
        seconds = contender["median_ms"]["value"] / 1000
        assert contender["rows_per_s"]["value"] == pytest.approx(contender["batch"] / seconds)
        assert contender["flops_per_s"]["value"] == pytest.approx(contender["flops"] / seconds)
        assert contender["peak_share"] is None
    assert not facts["partial"]


def test_share_of_the_measured_peak(burnish, model, monkeypatch):
    from burnish.evaluate import probing
    from burnish.hardware.probe import ProbeConfig, compute_peak

    quick = ProbeConfig(sizes=(64,), rounds=2, min_sample_s=0.0)
    monkeypatch.setattr(
        probing, "compute_peak", lambda products, _, **record: compute_peak(products, quick, **record)
    )
    code, out, _ = burnish("bench", model, "--backends", "onnxruntime", "--rounds", 2, "--json")
    facts = json.loads(out)
    assert code == 0
    (contender,) = facts["contenders"].values()
    top = facts["peaks"]["0"]["flops"]["value"]
    assert contender["peak_share"]["value"] == pytest.approx(contender["flops_per_s"]["value"] / top)
    code, out, err = burnish("bench", model, "--backends", "onnxruntime", "--rounds", 2)
    assert code == 0
    assert "peak with default threads" in " ".join(err.split())


def test_two_engines_are_compared(bench, model, tmp_path):
    code, out, _ = bench(model, "--compare", "onnxruntime", "torch", "--out", tmp_path / "results.json")
    assert code == 0
    assert "times as fast as" in out
    facts = json.loads((tmp_path / "results.json").read_text())
    (comparison,) = facts["comparisons"]
    assert comparison["a"].endswith("on onnxruntime")
    assert comparison["b"].endswith("on torch")
    times = comparison["times_faster"]
    assert times["low"] <= times["value"] <= times["high"]
    assert comparison["b_is"] in ("faster", "slower", "no difference")


def test_two_models_are_compared_at_every_batch_size(bench, model, tmp_path):
    graphs.network().save(tmp_path / "other.onnx")
    code, out, _ = bench("--compare", model, tmp_path / "other.onnx", "--batch", "1,2", "--json")
    assert code == 0
    comparisons = json.loads(out)["comparisons"]
    assert [(c["a"].split(" on")[0], c["b"].split(" on")[0]) for c in comparisons] == [
        (str(model), str(tmp_path / "other.onnx"))
    ] * 2
    assert [c["a"][-7:] for c in comparisons] == ["batch 1", "batch 2"]


def test_two_option_sets_of_one_engine_are_compared(bench, model):
    code, out, _ = bench(
        model, "--compare", "onnxruntime", "onnxruntime:optimization=none,threads=1", "--json"
    )
    facts = json.loads(out)
    assert code == 0
    assert [c["options"] for c in facts["contenders"].values()] == [
        {},
        {"optimization": "none", "threads": "1"},
    ]
    assert len(facts["comparisons"]) == 1


def test_an_engines_own_option_reaches_it(bench, model):
    code, out, _ = bench(
        model, "--backends", "openvino,torch", "--option", "openvino:NUM_STREAMS=1", "--json"
    )
    assert code == 0
    assert f"{model} on openvino:NUM_STREAMS=1" in json.loads(out)["contenders"]
    code, _, err = bench(model, "--backends", "openvino", "--option", "openvino:NO_SUCH_KEY=1")
    assert code != 0
    assert "NO_SUCH_KEY" in err


@pytest.mark.parametrize("suffix", [".html", ".svg"])
def test_chart_of_a_sweep(bench, model, tmp_path, suffix):
    path = tmp_path / f"sweep{suffix}"
    code, _, _ = bench(model, "--backends", "onnxruntime", "--batch", "1,2", "--chart", path)
    assert code == 0
    text = path.read_text(encoding="utf-8")
    assert "batch size" in text
    assert text.lstrip().startswith("<svg" if suffix == ".svg" else "<!doctype html>")


def test_ctrl_c_keeps_the_finished_rounds(burnish, model, tmp_path, monkeypatch):
    samples = []
    sample = latency._sample_ms

    def stopping(call, repeats):
        samples.append(repeats)
        if len(samples) == 3 + 4 + 1:  # three to time a call, then one a round
            raise KeyboardInterrupt
        return sample(call, repeats)

    monkeypatch.setattr(latency, "_sample_ms", stopping)
    out = tmp_path / "results.json"
    code, shown, err = burnish("bench", model, "--backends", "onnxruntime", "--rounds", 9, "--out", out)
    assert code == 130
    assert "4 of 9 rounds" in " ".join(err.split())
    assert "rows/s" in shown
    facts = json.loads(out.read_text())
    assert facts["partial"]
    (contender,) = facts["contenders"].values()
    assert len(contender["samples_ms"]) == 4


def test_ctrl_c_before_the_first_round_leaves_nothing(burnish, model, tmp_path, monkeypatch):
    def stopping(call, repeats):
        raise KeyboardInterrupt

    monkeypatch.setattr(latency, "_sample_ms", stopping)
    out = tmp_path / "results.json"
    code, shown, _ = burnish("bench", model, "--backends", "onnxruntime", "--out", out)
    assert (code, shown) == (130, "")
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["parity", "MODEL"], "needs inputs"),
        (["parity", "MODEL", "--random", "--inputs", "x.npz"], "needs inputs"),
        (["parity", "MODEL", "--random", "--backends", "torhc"], "did you mean 'torch'"),
        (["bench"], "needs a model"),
        (["bench", "MODEL", "--batch", "1,two"], "expected numbers"),
        (["bench", "MODEL", "--batch", "0"], "at least 1"),
        (["bench", "MODEL", "--threads", ""], "expected numbers"),
        (["bench", "MODEL", "--backends", "torch,torch"], "named twice"),
        (["bench", "MODEL", "--compare", "MODEL", "torch"], "two ONNX files, or two engines"),
        (["bench", "--compare", "onnxruntime", "torch"], "two ONNX files, or two engines"),
        (["bench", "MODEL", "--compare", "a.onnx", "b.onnx"], "takes no third"),
        (["bench", "MODEL", "--option", "torch:mode"], "cannot read the engine"),
        (["bench", "MODEL", "--backends", "torch", "--option", "openvino:A=1"], "is not measured"),
        (["bench", "MODEL", "--chart", "x.svg"], "draws a batch sweep"),
        (["bench", "MODEL", "--chart", "x.pdf", "--batch", "1,2"], "draws a batch sweep"),
        (["bench", "MODEL", "--compare", "torhc", "onnxruntime"], "did you mean 'torch'"),
    ],
)
def test_what_the_caller_can_mend_leaves_with_code_2(burnish, model, arguments, words):
    code, out, err = burnish(*(model if argument == "MODEL" else argument for argument in arguments))
    assert code == 2
    assert words in " ".join(err.split())
    assert out == ""
