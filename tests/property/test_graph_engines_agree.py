"""Random graphs give the same answers on every engine, and cost what they should."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.graph.samples import random_inputs
from burnish.runtime import SessionOptions, open_session
from burnish.testing import graphs

_UNARY = ("Relu", "Tanh", "Sigmoid", "Abs", "Neg", "Erf", "Softplus", "Softmax <axis = -1>")
_BINARY = ("Add", "Mul", "Sub", "Max")


@st.composite
def programs(draw):
    """Draw a small graph over [batch, width]: a tangle of element-wise nodes and matrix products."""
    width = draw(st.integers(1, 6))
    lines, names = [], ["x"]
    weights = []
    for index in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(("unary", "binary", "product")))
        pick = st.sampled_from(names)
        if kind == "unary":
            lines.append(f"v{index} = {draw(st.sampled_from(_UNARY))} ({draw(pick)})")
        elif kind == "binary":
            lines.append(f"v{index} = {draw(st.sampled_from(_BINARY))} ({draw(pick)}, {draw(pick)})")
        else:
            values = draw(st.lists(st.integers(-4, 4), min_size=width**2, max_size=width**2))
            weights.append(f"float[{width}, {width}] w{index} = {{{', '.join(str(v / 8) for v in values)}}}")
            lines.append(f"v{index} = MatMul ({draw(pick)}, w{index})")
        names.append(f"v{index}")
    lines.append(f"y = Identity ({names[-1]})")
    stored = f"<{', '.join(weights)}>" if weights else ""
    text = f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, {width}] x) => (float[batch, {width}] y) {stored} {{ {" ".join(lines)} }}
    """
    return text, width, len(weights)


@settings(max_examples=25, deadline=None)
@given(programs(), st.integers(0, 5))
def test_engines_agree(program, batch):
    text, _, _ = program
    graph = graphs.from_text(text)
    inputs = random_inputs(graph.signature, batch=batch)
    results = {}
    for backend in ("onnxruntime", "openvino", "torch"):
        with open_session(graph, backend=backend, options=SessionOptions(threads=1)) as session:
            results[backend] = session.run(inputs)["y"]
    for result in results.values():
        np.testing.assert_allclose(result, results["onnxruntime"], rtol=1e-4, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(programs(), st.integers(1, 9))
def test_cost_counts_every_product_and_names_every_node(program, batch):
    text, width, products = program
    graph = graphs.from_text(text)
    cost = graph.cost(batch)
    assert cost.macs == products * batch * math.pow(width, 2)
    assert cost.uncosted == {}
    assert len(cost.nodes) == sum(graph.operators().values())


@settings(max_examples=50, deadline=None)
@given(programs())
def test_digest_survives_serialization(program):
    graph = graphs.from_text(program[0])
    again = type(graph)(graph.to_bytes())
    assert again.digest == graph.digest
    assert again.to_bytes() == graph.to_bytes()
