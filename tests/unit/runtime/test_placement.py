"""Operators that leave an accelerator are counted; those that compute sizes are not."""

from burnish.runtime import Placed
from burnish.runtime.placement import strays
from burnish.testing import graphs

GRAPH = graphs.from_text("""
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[a, b] x, float[10, 4] table, int64[k] i) => (float[n] y, float[k, 4] z) {
        [shape] s = Shape(x)
        [size] n = ReduceProd <keepdims = 1> (s)
        [flat] y = Reshape(x, n)
        [lookup] z = Gather(table, i)
    }
""")


def places(**where):
    operators = {node.name: node.op_type for node in GRAPH.model.graph}
    return [Placed(operators[name], name, place) for name, place in where.items()]


def test_sizes_may_be_computed_on_the_processor():
    here = places(shape="CPUExecutionProvider", size="CPUExecutionProvider", flat="CUDAExecutionProvider")
    assert strays(GRAPH, here) == {}


def test_real_work_may_not():
    typed = graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[10, 4] table, int64[k] i) => (float[k, 4] z) { [lookup] z = Gather(table, i) }
    """)
    assert strays(typed, [Placed("Gather", "lookup", "CPUExecutionProvider")]) == {"Gather": 1}
    assert strays(typed, [Placed("Conv", "", "CPU"), Placed("Conv", "", "CPU")]) == {"Conv": 2}
    assert strays(typed, [Placed("Conv", "", "CUDAExecutionProvider")]) == {}


def test_a_node_without_a_name_is_judged_by_its_operator():
    assert strays(GRAPH, [Placed("Gather", "", "CPUExecutionProvider")]) == {}
    assert strays(GRAPH, [Placed("Softmax", "", "CPUExecutionProvider")]) == {"Softmax": 1}
