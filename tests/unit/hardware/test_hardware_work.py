"""What a graph asks of a device, operator by operator."""

import numpy as np
import onnx_ir as ir
import pytest

from burnish.graph import ComputeGraph
from burnish.graph.cost import cost_of
from burnish.hardware.whatif import changed
from burnish.hardware.work import workload
from burnish.testing import graphs


def _convolution(*, quantized: bool) -> ComputeGraph:
    """Return one 3x3 convolution of 16 channels on 8x8 images, in floats or in the form QDQ."""
    weights = np.ones((16, 16, 3, 3), np.int8 if quantized else np.float32)
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[N, 16, 8, 8] x) => (float[N, 16, 8, 8] y)
        <float s = {0.1}, int8 z = {0}> {
    """
    if quantized:
        text += """
            qx = QuantizeLinear (x, s, z)
            fx = DequantizeLinear (qx, s, z)
            fw = DequantizeLinear (w, s, z)
            c = Conv <pads = [1, 1, 1, 1]> (fx, fw)
            qy = QuantizeLinear (c, s, z)
            y = DequantizeLinear (qy, s, z)
        }"""
    else:
        text += "y = Conv <pads = [1, 1, 1, 1]> (x, w) }"
    model = graphs.from_text(
        text.replace("<float s", f"<{'int8' if quantized else 'float'}[16, 16, 3, 3] w, float s")
    ).model
    stored = ir.tensor(weights, name="w")
    value = next(one for node in model.graph for one in node.inputs if one is not None and one.name == "w")
    value.const_value = stored
    model.graph.initializers["w"] = value
    return ComputeGraph(model)


def test_a_product_of_quantized_values_is_one_of_integers():
    plain, quantized = (workload(_convolution(quantized=one), batch=4) for one in (False, True))
    (conv,) = (work for work in plain.works if work.op == "Conv")
    (integer,) = (work for work in quantized.works if work.op == "Conv")
    assert (conv.dtype, integer.dtype) == ("float32", "int8")
    assert integer.flops == conv.flops
    assert integer.weight_bytes * 4 == conv.weight_bytes
    assert integer.bytes * 4 == conv.bytes
    inner = [work for work in quantized.works if work.op != "Conv" and work.role != "free"]
    assert {work.op for work in inner} == {"QuantizeLinear", "DequantizeLinear"}  # at the ends alone
    assert len(inner) == 2


def test_keys_of_earlier_calls_are_multiplied_too():
    def macs(past: str, more: str) -> int:
        graph = graphs.from_text(f"""
            <ir_version: 10, opset_import: ["" : 23]>
            net (float[1, 8, 1, 64] q, float[1, 8, 1, 64] k, float[1, 8, 1, 64] v{past})
                => (float[1, 8, 1, 64] y) {{ y {more} }}
        """)
        return cost_of(graph.model, batch=1, sizes={}).macs

    alone = macs("", "= Attention (q, k, v)")
    cached = macs(
        ", float[1, 8, 1000, 64] pk, float[1, 8, 1000, 64] pv", ", ok, ov = Attention (q, k, v, , pk, pv)"
    )
    assert cached == 1001 * alone


def test_an_operator_of_another_domain_is_never_taken_for_a_known_one():
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17, "my.ops" : 1]>
        net (float[1, 8] x) => (float[1, 8] y) { y = my.ops.Dropout (x) }
    """)
    assert workload(graph).uncosted == {"Dropout": 1}


@pytest.mark.parametrize("batch", [1, 64])
def test_pruning_an_embedding_does_not_depend_on_the_batch(batch):
    graph = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (int64[N, 4] ids) => (float[N, 4, 8] y) <float[1000, 32] table, float[32, 8] w> {
            x = Gather (table, ids)
            y = MatMul (x, w)
        }
    """)
    for name, shape in (("table", (1000, 32)), ("w", (32, 8))):
        value = next(v for node in graph.model.graph for v in node.inputs if v is not None and v.name == name)
        value.const_value = ir.tensor(np.ones(shape, np.float32), name=name)
        graph.model.graph.initializers[name] = value
    pruned = changed(workload(ComputeGraph(graph.model), batch=batch), prune=0.5)
    (product,) = (work for work in pruned.works if work.op == "MatMul")
    assert product.k == 16
