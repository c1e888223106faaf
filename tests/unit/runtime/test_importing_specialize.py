"""Models with fixed shapes compute what they did with free ones."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from burnish.errors import UnsupportedOpError
from burnish.runtime.importing import raised, specialized


def model(text):
    return ir.serde.serialize_model(ir.from_onnx_text(text))


def operators(proto):
    return [node.op_type for node in proto.graph.node]


SHAPES = model("""
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[batch, tokens, 6] x) => (float[batch, tokens, 2, 3] y)
    <int64 zero = {0}, int64 one = {1}, int64[1] first = {0}, int64[2] tail = {2, 3}> {
        shape = Shape(x)
        b = Gather(shape, zero)
        t = Gather(shape, one)
        b1 = Unsqueeze(b, first)
        t1 = Unsqueeze(t, first)
        wanted = Concat <axis = 0> (b1, t1, tail)
        y = Reshape(x, wanted)
    }
""")


def test_arithmetic_on_shapes_disappears():
    fixed = specialized(SHAPES, {"x": (2, 5, 6)})
    assert operators(fixed) == ["Reshape"]
    x = np.arange(60, dtype=np.float32).reshape(2, 5, 6)
    expected = ReferenceEvaluator(SHAPES).run(None, {"x": x})
    np.testing.assert_array_equal(ReferenceEvaluator(fixed).run(None, {"x": x})[0], expected[0])


def test_the_given_model_is_left_alone():
    before = SHAPES.SerializeToString(deterministic=True)
    specialized(SHAPES, {"x": (2, 5, 6)})
    assert SHAPES.SerializeToString(deterministic=True) == before


def test_without_shapes_only_constants_are_folded():
    proto = model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[n, 2] x) => (float[n, 2] y, int64[2] s) <float[2] a = {1, 2}> {
            twice = Add(a, a)
            y = Mul(x, twice)
            s = Shape(x)
        }
    """)
    fixed = specialized(proto, {})
    assert operators(fixed) == ["Mul", "Shape"]
    assert fixed.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "n"


def test_what_would_grow_large_or_is_random_stays():
    proto = model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1] x) => (float[1000000] y, float[3] z) <int64[1] n = {1000000}> {
            large = ConstantOfShape(n)
            y = Add(large, x)
            z = RandomNormal <shape = [3]> ()
        }
    """)
    assert operators(specialized(proto, {"x": (1,)})) == ["ConstantOfShape", "Add", "RandomNormal"]


def test_names_that_only_a_branch_reads_are_kept():
    proto = model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (bool c, float[2] x) => (float[2] y) <float[2] k = {1, 2}> {
            double = Add(x, x)
            y = If (c) <
                then_branch = yes () => (float[2] t) { t = Add(double, k) },
                else_branch = no () => (float[2] e) { e = Identity(double) }
            >
        }
    """)
    fixed = specialized(proto, {"c": (), "x": (2,)})
    assert operators(fixed) == ["Add", "If"]
    assert [tensor.name for tensor in fixed.graph.initializer] == ["k"]
    x = np.ones(2, np.float32)
    y = ReferenceEvaluator(fixed).run(None, {"c": np.array(True), "x": x})[0]
    np.testing.assert_array_equal(y, [3, 4])


def test_recent_opsets_are_not_touched():
    assert raised(SHAPES, oldest=17, to=17, engine="mine") is SHAPES
    newer = raised(SHAPES, oldest=18, to=18, engine="mine")
    assert newer.opset_import[0].version == 18


def test_an_opset_that_cannot_be_raised_names_the_engine():
    broken = onnx.ModelProto()
    broken.CopyFrom(SHAPES)
    broken.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(UnsupportedOpError, match="the mine back end cannot raise opset 17 to 18"):
        raised(broken, oldest=18, to=18, engine="mine")
