"""The digest tells what is computed, not what it is called or in which order it is written."""

import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.graph import ComputeGraph
from burnish.graph.diff import diff
from burnish.testing import graphs

_OPS = ("Relu", "Tanh", "Abs", "Add", "Mul", "RandomNormalLike")


@st.composite
def models(draw):
    """Draw a tangle of nodes, one of them a choice between two graphs that reach into it."""
    lines, names = [], ["x", "w"]
    for index in range(draw(st.integers(1, 8))):
        op, pick = draw(st.sampled_from((*_OPS, "If"))), st.sampled_from(names)
        name = f"v{index}"
        if op == "If":
            a, b = draw(pick), draw(pick)
            lines.append(
                f"{name} = If(c) <then_branch = t{index} () => (float[2] p{index}) {{ p{index} = Neg({a}) }}, "
                f"else_branch = e{index} () => (float[2] q{index}) {{ q{index} = Add({a}, {b}) }}>"
            )
        else:
            arguments = f"{draw(pick)}, {draw(pick)}" if op in ("Add", "Mul") else draw(pick)
            lines.append(f"{name} = {op}({arguments})")
        names.append(name)
    lines.append(f"y = Identity({draw(st.sampled_from(names))})")
    return graphs.from_text(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (bool c, float[2] x) => (float[2] y) <float[2] w = {{1, {draw(st.integers(2, 5))}}}> {{ {" ".join(lines)} }}
    """)


def renamed(graph, prefix):
    """Give every inner value, node and weight another name."""
    proto = onnx.ModelProto.FromString(graph.to_bytes())
    outside = {"c", "x", "y", ""}

    def new(name):
        return name if name in outside else prefix + name

    def walk(part):
        for node in part.node:
            node.name = prefix + node.name
            node.input[:] = map(new, node.input)
            node.output[:] = map(new, node.output)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    walk(attribute.g)
        for item in (*part.initializer, *part.output, *part.value_info):
            item.name = new(item.name)

    walk(proto.graph)
    del proto.graph.value_info[:]
    return ComputeGraph(proto.SerializeToString())


@settings(max_examples=60, deadline=None)
@given(models(), st.sampled_from(("a_", "zz.")))
def test_other_names_are_the_same_graph(graph, prefix):
    other = renamed(graph, prefix)
    assert other.digest == graph.digest


@settings(max_examples=60, deadline=None)
@given(models(), models())
def test_equal_digests_mean_equal_programs(first, second):
    """Equal digests: each graph is the other's renaming, so each gives the other's text under canonical names."""
    assert (first.digest == second.digest) == (canonical(first) == canonical(second))


@settings(max_examples=60, deadline=None)
@given(models())
def test_a_graph_does_not_differ_from_itself(graph):
    assert diff(graph, ComputeGraph(graph.to_bytes())) == ()


@settings(max_examples=60, deadline=None)
@given(models(), st.data())
def test_another_operator_is_another_graph(graph, data):
    proto = onnx.ModelProto.FromString(graph.to_bytes())
    plain = [node for node in proto.graph.node if node.op_type in ("Relu", "Tanh", "Abs", "Identity")]
    data.draw(st.sampled_from(plain)).op_type = "Softsign"
    other = ComputeGraph(proto.SerializeToString())
    assert other.digest != graph.digest
    assert diff(graph, other) != ()


def canonical(graph):
    """Spell out every node as a tree, with random draws told apart by their place: slow and obviously right."""
    proto = onnx.ModelProto.FromString(graph.to_bytes())
    weights = {item.name: str(onnx.numpy_helper.to_array(item).tolist()) for item in proto.graph.initializer}
    trees = {"c": "<c>", "x": "<x>"} | weights
    drawn = 0
    every = []
    for node in proto.graph.node:
        inner = ""
        for attribute in node.attribute:
            (body,) = attribute.g.node
            inner += f"{attribute.name}:{body.op_type}({','.join(trees[name] for name in body.input)});"
        if node.op_type == "RandomNormalLike":
            drawn += 1
            inner = f"draw {drawn}"
        tree = f"{node.op_type}[{inner}]({','.join(trees[name] for name in node.input)})"
        trees[node.output[0]] = tree
        every.append(tree)
    return trees["y"], sorted(every)
