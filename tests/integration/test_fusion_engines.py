"""Fused graphs on real engines: captured networks, and operators that one engine has of its own."""

import io

import numpy as np
import pytest
import torch

from burnish.evaluate.contenders import EngineChoice
from burnish.evaluate.fusing import ORIGINAL, engine_run, measure_passes
from burnish.evaluate.latency import BenchConfig
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.fusion import Check, fuse
from burnish.testing import networks

ENGINES = ("onnxruntime", "openvino", "torch")
TOKENS = {"tokens": np.arange(32).reshape(2, 16) % 100, "mask": np.ones((2, 16), np.int64)}
TOKENS["mask"][1, 5:] = 0
PIXELS = {"pixels": np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)}


def exported(module: torch.nn.Module, inputs: dict[str, np.ndarray], opset: int) -> ComputeGraph:
    """Export as the network is written: normalization not folded, GELU and layer norm in primitives."""
    stream = io.BytesIO()
    axes = {name: {0: "batch"} for name in (*inputs, "result")}
    torch.onnx.export(
        module,
        tuple(map(torch.tensor, inputs.values())),
        stream,
        dynamo=False,
        opset_version=opset,
        input_names=list(inputs),
        output_names=["result"],
        dynamic_axes=axes,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    return ComputeGraph(stream.getvalue())


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    torch.manual_seed(0)
    return networks.Encoder(layers=1, hidden=48, heads=4, vocabulary=100).eval()


@pytest.fixture(scope="module")
def resnet() -> torch.nn.Module:
    torch.manual_seed(0)
    module = networks.ResNet((1, 1, 1, 1), bottleneck=True).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(part.running_var, 0.8, 1.2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.0)
    return module


def same_on(graph: ComputeGraph, fused: ComputeGraph, inputs, engines=ENGINES) -> None:
    for engine in engines:
        before, after = (one.infer(inputs, backend=engine) for one in (graph, fused))
        for name, array in before.items():
            np.testing.assert_allclose(after[name], array, atol=1e-4, rtol=1e-4)
    graph.close()
    fused.close()


def test_a_captured_encoder(encoder):
    graph = capture(encoder, TOKENS, output_names=["embedding"])
    same_on(graph, fuse(graph, check=Check(TOKENS)).graph, TOKENS)


def test_an_encoder_in_primitives(encoder):
    graph = exported(encoder, TOKENS, 16).convert(20)
    fused = fuse(graph, check=Check(TOKENS))
    operators = fused.graph.operators()
    assert operators["LayerNormalization"] == 3
    assert operators["Gelu"] == 1
    assert "ReduceMean" not in operators
    same_on(graph, fused.graph, TOKENS)


def test_a_captured_resnet(resnet):
    graph = capture(resnet, PIXELS, output_names=["scores"])
    fused = fuse(graph, target="onnxruntime", check=Check(PIXELS, engine_run())).graph
    assert fused.operators()["FusedConv"] == 13
    same_on(graph, fused, PIXELS, ["onnxruntime"])
    same_on(graph, fuse(graph).graph, PIXELS)


def test_a_resnet_whose_normalization_is_not_folded_yet(resnet):
    graph = exported(resnet, PIXELS, 17)
    assert graph.operators()["BatchNormalization"] == 17
    fused = fuse(graph, check=Check(PIXELS, engine_run()))
    assert "BatchNormalization" not in fused.graph.operators()
    same_on(graph, fused.graph, PIXELS)


def test_operators_of_onnx_runtime(encoder):
    graph = exported(encoder, TOKENS, 17).convert(23)
    fused = fuse(graph, target="onnxruntime", check=Check(TOKENS, engine_run()))
    assert {"Attention", "BiasGelu", "SkipLayerNormalization"} <= set(fused.graph.operators())
    same_on(graph, fused.graph, TOKENS, ["onnxruntime"])


def test_an_older_encoder_on_onnx_runtime(encoder):
    graph = exported(encoder, TOKENS, 14)
    fused = fuse(graph, target="onnxruntime", check=Check(TOKENS, engine_run()))
    assert "BiasGelu" in fused.graph.operators()
    assert "gelu" in fused.report.skipped
    same_on(graph, fused.graph, TOKENS, ["onnxruntime"])


def test_each_pass_is_measured_on_each_engine(encoder):
    graph = exported(encoder, TOKENS, 17)
    told = []
    gain = measure_passes(
        graph,
        TOKENS,
        engines=[EngineChoice("onnxruntime", {"optimization": "none"}), EngineChoice("torch")],
        passes=["constants", "layernorm"],
        config=BenchConfig(rounds=3, warmup=1, min_sample_ms=0.1),
        on_round=lambda *facts: told.append(facts),
    )
    assert set(gain.engines) == {"onnxruntime:optimization=none", "torch"}
    for steps in gain.engines.values():
        assert [step.name for step in steps] == [ORIGINAL, *gain.changes]
        assert steps[0].gain.value == steps[0].total.value == 1
        assert all(step.latency.median_ms > 0 for step in steps)
    assert ("torch", 3, 3) in told


def test_an_engine_that_cannot_load_a_step_is_listed(encoder):
    graph = exported(encoder, TOKENS, 17)
    gain = measure_passes(
        graph,
        TOKENS,
        engines=[EngineChoice("torch"), EngineChoice("onnxruntime")],
        passes=["contrib-gelu"],
        target="onnxruntime",
        config=BenchConfig(rounds=2, warmup=1, min_sample_ms=0.1),
    )
    assert "contrib-gelu" in gain.refused["torch"]
    assert [step.name for step in gain.engines["torch"]] == [ORIGINAL]
    assert [step.name for step in gain.engines["onnxruntime"]] == [ORIGINAL, "contrib-gelu"]
