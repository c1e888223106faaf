"""Random graphs run inside one arena, at the planned offsets, and give what they give without a plan."""

import math
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from burnish.errors import InternalError
from burnish.graph import ComputeGraph
from burnish.graph.memory import PlanConfig, lower, plan_memory, verify_plan
from burnish.graph.memory.arena import live_bytes, place
from burnish.graph.shapes import sized_model

UNARY = ["Relu", "Neg", "Sigmoid", "Identity", "Abs"]
BINARY = ["Add", "Mul", "Sub", "Max"]
# What passes bytes on under another shape: where it shares memory it must find its result there already.
MOVES_NOTHING = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Split", "Slice"}


class Growing:
    """A graph that grows node by node; the shape of every value is known."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shapes = {"x": shape}
        self.nodes, self.stored = [], []

    def node(self, op, inputs, shapes, **attributes):
        names = [f"v{len(self.shapes) + i}" for i in range(len(shapes))]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"n{len(self.nodes)}", **attributes))
        self.shapes |= dict(zip(names, shapes, strict=True))

    def const(self, values) -> str:
        name = f"c{len(self.stored)}"
        array = np.asarray(values, np.int64)
        self.stored.append(helper.make_tensor(name, TensorProto.INT64, array.shape, array.ravel()))
        return name

    def graph(self, outputs) -> ComputeGraph:
        info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, self.shapes[n]) for n in ["x", *outputs]]
        graph = helper.make_graph(self.nodes, "random", info[:1], info[1:], self.stored)
        opsets = [helper.make_opsetid("", 18)]
        return ComputeGraph(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


@st.composite
def graphs(draw) -> ComputeGraph:
    dims = st.sampled_from([1, 2, 4, 16])
    grown = Growing(tuple(draw(st.lists(dims, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(1, 12))):
        _grow(draw, grown)
    computed = [name for name in grown.shapes if name != "x"]
    outputs = draw(st.lists(st.sampled_from(computed), min_size=1, max_size=3, unique=True))
    return grown.graph(outputs)


def _grow(draw, grown: Growing) -> None:
    name = draw(st.sampled_from(sorted(grown.shapes)))
    shape = grown.shapes[name]
    kind = draw(
        st.sampled_from(
            ["unary", "binary", "reshape", "flatten", "stretch", "split", "concat", "slice", "sum"]
        )
    )
    axis = draw(st.integers(0, len(shape) - 1)) if shape else 0
    if kind == "unary" or not shape:
        grown.node(draw(st.sampled_from(UNARY)), [name], [shape])
    elif kind == "binary":
        peers = [n for n, s in grown.shapes.items() if s == shape or s in ((1,), shape[-1:])]
        pair = [name, draw(st.sampled_from(peers))]
        grown.node(draw(st.sampled_from(BINARY)), draw(st.permutations(pair)), [shape])
    elif kind == "reshape":
        target = draw(st.permutations(shape)) + [1] * draw(st.integers(0, 1))
        grown.node("Reshape", [name, grown.const(target)], [tuple(target)])
    elif kind == "flatten":
        flat = (math.prod(shape[:axis]), math.prod(shape[axis:]))
        grown.node("Flatten", [name], [flat], axis=axis)
    elif kind == "stretch" and len(shape) < 4:
        grown.node("Unsqueeze", [name, grown.const([0])], [(1, *shape)])
    elif kind == "split" and shape[axis] > 1:
        half = shape[axis] // 2
        parts = [(*shape[:axis], size, *shape[axis + 1 :]) for size in (half, shape[axis] - half)]
        sizes = grown.const([half, shape[axis] - half])
        grown.node("Split", [name, sizes], parts, axis=axis)
    elif kind == "concat":
        peers = [n for n, s in grown.shapes.items() if s == shape]
        others = draw(st.lists(st.sampled_from(peers), min_size=1, max_size=2))
        width = shape[axis] * (1 + len(others))
        grown.node("Concat", [name, *others], [(*shape[:axis], width, *shape[axis + 1 :])], axis=axis)
    elif kind == "slice" and shape[axis] > 1:
        start = draw(st.integers(-shape[axis] + 1, shape[axis] - 1))
        kept = len(range(shape[axis])[start:])
        bounds = [grown.const([start]), grown.const([1 << 30]), grown.const([axis])]
        grown.node("Slice", [name, *bounds], [(*shape[:axis], kept, *shape[axis + 1 :])])
    else:
        grown.node("ReduceSum", [name, grown.const([axis])], [(*shape[:axis], 1, *shape[axis + 1 :])])


def run_in_arena(graph: ComputeGraph, plan, x: np.ndarray) -> dict[str, np.ndarray]:
    """Run node by node; a value with a buffer lives in the arena alone."""
    arena = np.full(plan.arena_bytes, 0xA5, np.uint8)
    outside = {"x": x} | {
        i.name: onnx.numpy_helper.to_array(ir.to_proto(i.const_value)) for i in weights(graph)
    }
    shapes = {}

    def read(name: str) -> np.ndarray:
        if name not in plan.by_name:
            return outside[name]
        buffer = plan.by_name[name]
        return arena[buffer.offset : buffer.offset + buffer.size_bytes].view(np.float32).reshape(shapes[name])

    nodes = {node.name: node for node in graph.model.graph}
    for node in (nodes[name] for name in plan.steps):
        inputs = {value.name: read(value.name).copy() for value in node.inputs}
        results = ReferenceEvaluator(ir.to_proto(node), opsets={"": 18}).run(None, inputs)
        for value, result in zip(node.outputs, results, strict=True):
            shapes[value.name] = result.shape
            if value.name not in plan.by_name:
                outside[value.name] = result
                continue
            first = plan.by_name.get(node.inputs[0].name)
            if node.op_type in MOVES_NOTHING and first and first.root == plan.by_name[value.name].root:
                np.testing.assert_array_equal(read(value.name), result)
            else:
                read(value.name)[...] = result
    return {name: outside[name] for name in graph.signature.output_names}


def weights(graph: ComputeGraph):
    return list(graph.model.graph.initializers.values())


@settings(max_examples=120, deadline=None)
@given(
    graph=graphs(),
    in_place=st.booleans(),
    joins=st.booleans(),
    reorder=st.booleans(),
    alignment=st.sampled_from([4, 64]),
)
def test_running_in_the_arena_changes_nothing(graph, in_place, joins, reorder, alignment):
    config = PlanConfig(in_place=in_place, joins=joins, reorder=reorder, alignment=alignment)
    plan = plan_memory(graph, config=config)
    x = np.random.default_rng(0).standard_normal(graph.signature.inputs[0].shape).astype(np.float32)
    expected = ReferenceEvaluator(graph.to_bytes()).run(None, {"x": x})
    planned = run_in_arena(graph, plan, x)
    for name, value in zip(graph.signature.output_names, expected, strict=True):
        np.testing.assert_array_equal(planned[name], value)


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), data=st.data())
def test_the_proof_refuses_a_plan_with_two_live_buffers_in_one_place(graph, data):
    config = PlanConfig(in_place=False, joins=False)
    plan = plan_memory(graph, config=config)
    roots = [b for b in plan.buffers if b.name == b.root and b.size_bytes]
    # b is written while a is still to be read; a Concat may rightly lie over its own input
    clashes = [
        (a, b)
        for a in roots
        for b in roots
        if a.first < b.first < a.last and plan.operators[b.first] != "Concat"
    ]
    if not clashes:
        return
    a, b = data.draw(st.sampled_from(clashes))
    moved = tuple(
        replace(x, offset=x.offset - b.offset + a.offset) if x.root == b.name else x for x in plan.buffers
    )
    broken = replace(plan, buffers=moved, arena_bytes=2 * plan.naive_bytes + 4096)
    with pytest.raises(InternalError, match="plan: "):
        verify_plan(broken, lower(sized_model(graph.model, batch=1, sizes={})))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(0, 5)), min_size=0, max_size=20))
def test_buffers_alive_together_never_overlap(pieces):
    sizes = [64 * size for size, _, _ in pieces]
    first = [begin for _, begin, _ in pieces]
    last = [begin + length for _, begin, length in pieces]
    placed = place(sizes, first, last)
    spans = [(o, o + s, a, b) for o, s, a, b in zip(placed.offsets, sizes, first, last, strict=True)]
    for i, (start, end, a, b) in enumerate(spans):
        assert start >= 0
        assert end <= placed.arena_bytes
        for other_start, other_end, c, d in spans[:i]:
            together = a <= d and c <= b
            assert not together or end <= other_start or other_end <= start
    assert max(live_bytes(sizes, first, last), default=0) <= placed.arena_bytes <= sum(sizes)
