"""One graph: what it costs, fused, its memory planned, on every quick engine, and without copies.

Run it with the extras ``compress`` and ``openvino``: ``python examples/one_graph_many_engines.py``.
"""

import numpy as np

import burnish
from burnish.graph.fusion import Check
from burnish.graph.samples import random_inputs
from burnish.testing.graphs import from_text

CLASSIFIER = """
    <ir_version: 8, opset_import: ["" : 20]>
    classifier (float[batch, 4] x) => (float[batch, 3] scores)
    <float[4, 3] w = {0.5, -0.1, 0.2, 0.7, -0.4, 0.6, 0.1, -0.3, 0.9, 0.8, -0.2, 0.3}, float[3] b = {0.1, -0.2, 0.3}>
    {
        dropped = Dropout(x)
        product = MatMul(dropped, w)
        biased = Add(product, b)
        turned = Transpose <perm = [1, 0]> (biased)
        back = Transpose <perm = [1, 0]> (turned)
        scores = Softmax(back)
    }
"""


def main() -> None:
    """Print what each step finds."""
    graph = from_text(CLASSIFIER)
    inputs = random_inputs(graph.signature, batch=8)
    cost = graph.cost(batch=8)
    print(f"{cost.flops:,} operations, {cost.bytes:,} bytes moved")

    fused = burnish.fuse(graph, check=Check(inputs)).graph  # each pass is compared with the graph before it
    print(f"{sum(graph.operators().values())} operators became {', '.join(fused.operators())}")

    plan = burnish.plan_memory(graph, batch=8)
    print(f"arena {plan.arena_bytes:,} bytes instead of {plan.naive_bytes:,}")

    report = burnish.parity(fused, inputs)
    for row in report.rows:
        print(f"{row.backend}: {row.output} differs by {row.max_abs:.1e} at most")
    report.check()

    scores = np.empty((8, 3), np.float32)
    with burnish.open_session(fused, backend="openvino") as session:
        run = session.bind(inputs, {"scores": scores})  # from here on no array is made and none is copied
        run()
    print(f"most likely: {scores.argmax(axis=1)}")


if __name__ == "__main__":
    main()
