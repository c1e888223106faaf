import numpy as np
import onnx_ir as ir
import pytest

from burnish.graph import ComputeGraph
from burnish.graph.agreement import largest_difference
from burnish.graph.fusion import fuse
from burnish.graph.reference import run_reference
from burnish.graph.samples import random_inputs


def parse(text: str, opset: int = 23) -> ComputeGraph:
    """Build a graph from the text of its body; the outputs' shapes are left to inference."""
    return ComputeGraph(ir.from_onnx_text(f'<ir_version: 10, opset_import: ["" : {opset}]> g {text}'))


@pytest.fixture
def fused():
    """Fuse a graph and check with the reference evaluator that it gives what it gave."""

    def run(text: str | ComputeGraph, passes=None, *, opset: int = 23, target=None):
        graph = parse(text, opset) if isinstance(text, str) else text
        result = fuse(graph, passes, target=target)
        for seed in range(2):
            inputs = random_inputs(graph.signature, batch=2, seed=seed)
            inputs = {k: v * 2 if v.dtype == np.float32 else v for k, v in inputs.items()}
            before, after = (run_reference(g.model, inputs) for g in (graph, result.graph))
            assert largest_difference(before, after) < 1e-5
        return result

    return run
