import json
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from burnish.compress.quantize import QuantScheme, quantize
from burnish.compress.recipe.candidates import FLOAT, Candidate
from burnish.compress.recipe.folder import RunFolder
from burnish.compress.recipe.judge import Judge
from burnish.compress.reporter import Reporter
from burnish.errors import InputError
from burnish.graph import ComputeGraph


class Figured:
    """A task that tells two figures beside its score, one of which is no number."""

    def __init__(self, task):
        self._task = task

    def __getattr__(self, name):
        return getattr(self._task, name)

    def margin(self, logits):
        ordered = np.sort(logits, axis=1)
        return float((ordered[:, -1] - ordered[:, -2]).mean())

    def figures(self, outputs, labels):
        return {"margin": self.margin(outputs["logits"]), "undefined": float("nan")}


@pytest.fixture
def rows():
    return []


@pytest.fixture
def folder(task, tmp_path, rows):
    return RunFolder(task, tmp_path, Reporter(on_row=rows.append))


@pytest.fixture
def base(graph, tmp_path):
    graph.save(tmp_path / "float.onnx")
    return Candidate(FLOAT, tmp_path / "float.onnx", FLOAT, "export")


@pytest.fixture
def int8(graph, task, tmp_path):
    quantize(graph, task.split("train"), QuantScheme()).save(tmp_path / "int8.onnx")
    return Candidate("int8", tmp_path / "int8.onnx", FLOAT, "quantize")


def test_scores_are_those_of_the_files_themselves(folder, base, int8, task, rows):
    judge = Judge(folder, ("onnxruntime",))
    judged = [judge(base), judge(int8)]
    for one in judged:
        test = task.split("test")
        logits = ComputeGraph(one.candidate.graph).infer(test.inputs, backend="onnxruntime")["logits"]
        assert one.engines["onnxruntime"].test.value == (logits.argmax(1) == test.labels).mean()
    first, second = (one.engines["onnxruntime"] for one in judged)
    assert first.valid_difference.value == 0
    assert second.valid_difference.value == pytest.approx(second.valid.value - first.valid.value)
    assert [row.what for row in rows] == ["float on onnxruntime", "int8 on onnxruntime"]


def test_a_quantized_file_weighs_less_and_counts_as_the_same_network(folder, base, int8):
    judge = Judge(folder, ("onnxruntime",))
    float_, small = judge(base), judge(int8)
    assert small.size_bytes < float_.size_bytes
    assert (small.macs, small.parameters) == (float_.macs, float_.parameters)
    kernels = small.engines["onnxruntime"].kernels
    assert kernels.integer > 0
    assert float_.engines["onnxruntime"].kernels is None


def test_what_the_task_tells_beside_its_score_is_kept(folder, base, task, rows):
    told = Figured(task)
    judged = Judge(replace(folder, task=told), ("onnxruntime",))(base)
    test = task.split("test")
    logits = ComputeGraph(base.graph).infer(test.inputs, backend="onnxruntime")["logits"]
    figures = judged.engines["onnxruntime"].figures
    assert figures["test"] == {"margin": pytest.approx(told.margin(logits)), "undefined": None}
    assert f"margin {figures['valid']['margin']:.4g}, undefined -" in rows[0].verdict


def test_scores_of_a_file_are_made_once_and_again_for_another(folder, base, int8, task, tmp_path):
    Judge(folder, ("onnxruntime",))(base)
    place = tmp_path / "score-float" / "scores.npz"
    made = place.stat().st_mtime_ns
    Judge(RunFolder(task, tmp_path, Reporter()), ("onnxruntime",))(base)
    assert place.stat().st_mtime_ns == made
    Judge(RunFolder(task, tmp_path, Reporter()), ("onnxruntime",))(
        Candidate(FLOAT, int8.graph, FLOAT, "export")
    )
    assert place.stat().st_mtime_ns != made


def test_an_engine_that_cannot_run_a_file_is_named_with_its_reason(folder, base, task, graph, tmp_path):
    model = graph.model.clone()
    node = next(node for node in model.graph if node.op_type == "Gemm")
    node.domain = "nowhere.example"  # an operator that no engine has
    model.opset_imports["nowhere.example"] = 1
    ComputeGraph(model).save(tmp_path / "odd.onnx")
    judge = Judge(folder, ("onnxruntime",))
    judge(base)
    judged = judge(Candidate("odd", tmp_path / "odd.onnx", FLOAT, "quantize"))
    assert not judged.engines
    assert "onnxruntime" in judged.refused
    assert judged.lowest == -1.0


def overflowing(graph, path):
    """Save the graph with logits that are infinite."""
    model = graph.model.clone()
    node = next(node for node in model.graph if node.op_type == "Gemm")
    bias = node.inputs[2].const_value.numpy()
    node.inputs[2].const_value = ir.tensor(np.full_like(bias, np.inf))
    ComputeGraph(model).save(path)
    return path


def test_a_file_whose_numbers_overflow_is_refused_with_the_reason(folder, base, graph, tmp_path):
    judge = Judge(folder, ("onnxruntime",))
    judge(base)
    judged = judge(Candidate("fp16", overflowing(graph, tmp_path / "odd.onnx"), FLOAT, "quantize"))
    assert not judged.engines
    assert "'logits' is not finite in" in judged.refused["onnxruntime"]


def test_a_float_model_whose_numbers_overflow_is_an_error(folder, graph, tmp_path):
    odd = Candidate(FLOAT, overflowing(graph, tmp_path / "odd.onnx"), FLOAT, "export")
    with pytest.raises(InputError, match=r"'logits' is not finite in .* first in example 0"):
        Judge(folder, ("onnxruntime",))(odd)


def test_an_engine_that_cannot_run_the_float_model_is_an_error(folder, graph, tmp_path):
    model = graph.model.clone()
    node = next(node for node in model.graph if node.op_type == "Gemm")
    node.domain = "nowhere.example"
    model.opset_imports["nowhere.example"] = 1
    ComputeGraph(model).save(tmp_path / "odd.onnx")
    with pytest.raises(InputError, match="onnxruntime cannot run the float model"):
        Judge(folder, ("onnxruntime",))(Candidate(FLOAT, tmp_path / "odd.onnx", FLOAT, "export"))


def test_the_answers_stay_as_evidence(folder, base, task, tmp_path):
    judged = Judge(folder, ("onnxruntime",))(base)
    with np.load(tmp_path / "score-float" / "scores.npz", allow_pickle=False) as stored:
        assert len(stored["onnxruntime/valid"]) == len(task.split("valid"))
        assert stored["onnxruntime/valid"].mean() == judged.engines["onnxruntime"].valid.value
    record = json.loads((tmp_path / "score-float" / "result.json").read_bytes())
    assert record["facts"]["engines"]["onnxruntime"]["valid"]["n"] == len(task.split("valid"))
    assert folder.evidence[0].seconds >= 0
