"""What is said of ONNX Runtime's layout is what it does: its own optimized graph has the same operators."""

import platform
from collections import Counter

import onnx
import onnxruntime
import pytest

from burnish.evaluate.micro import Micro
from burnish.hardware.as_run import as_run
from burnish.testing import graphs, networks

SMALL = {"batch": 1, "side": 8, "inner": 16, "outer": 32, "kernel": 3}
NAMES = {"Upsample": "Resize", "FusedConv": "Conv", "NhwcFusedConv": "Conv"}

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="the layout is that of x86 processors"
)


def listed(graph):
    found = Counter(NAMES.get(work.op, work.op) for work in as_run(graph, "onnxruntime").works)
    return {op: count for op, count in found.items() if op not in ("Constant", "Identity")}


def optimized(graph, folder):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(folder / "optimized.onnx"), 4
    onnxruntime.InferenceSession(graph.to_bytes(), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(folder / "optimized.onnx").graph.node
    return dict(Counter(NAMES.get(node.op_type, node.op_type) for node in nodes))


@pytest.mark.parametrize("name", ["resnet18", "minilm"])
def test_networks_run_as_listed(name, tmp_path):
    graph = networks.graph(name)
    assert listed(graph) == optimized(graph, tmp_path)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("conv", {}),
        ("conv", {"inner": 18, "outer": 30}),
        ("strided_conv", {"stride": 2}),
        ("strided_conv", {"stride": 2, "inner": 3}),
        ("transposed_conv", {}),
        ("pool", {"op": 1}),
        ("halved", {}),
        ("blocked", {}),
        ("joined", {}),
        ("normalize", {"rows": 4, "columns": 16, "skip": 1}),
        ("bias_gelu", {"rows": 4, "columns": 16}),
    ],
)
def test_small_graphs_run_as_listed(kind, sizes, tmp_path):
    graph, _ = Micro(kind, {**SMALL, **sizes}).build(3)
    assert listed(graph) == optimized(graph, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        "a = Conv(x, w) s = Sigmoid(a) b = Mul(a, s) y = Conv(b, w)",
        "a = Conv(x, w) b = BatchNormalization(a, g, g, g, g) c = Relu(b) d = Conv(c, w) y = Add(a, d)",
        "a = Conv(x, w) t = Transpose<perm=[0, 2, 3, 1]>(a) u = Erf(t) v = Transpose<perm=[0, 3, 1, 2]>(u) "
        "y = Conv(v, w)",
    ],
    ids=["swish", "normalized later", "channels last"],
)
def test_what_stands_between_convolutions(body, tmp_path):
    ones, four = ", ".join(["1"] * 64), ", ".join(["1"] * 8)
    graph = graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 8, 4, 4] x) => (float[1, 8, 4, 4] y)
        <float[8, 8, 1, 1] w = {{{ones}}}, float[8] g = {{{four}}}> {{ {body} }}
    """)
    assert listed(graph) == optimized(graph, tmp_path)


def test_an_engine_that_is_not_known_runs_the_fused_graph():
    graph = networks.graph("resnet18")
    found = {work.op for work in as_run(graph, "some-engine").works}
    assert not found & {"ReorderInput", "ReorderOutput", "FusedConv"}
