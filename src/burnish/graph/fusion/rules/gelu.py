"""GELU written out in primitives.

    x * 0.5 * (1 + Erf(x / sqrt(2)))
    x * 0.5 * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))     an approximation

The factors may come in any order; exporters differ. The library's rules know one order each.
"""

import itertools
import math
from collections import Counter

import onnx_ir as ir

from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.rewriting import NodeRule, rewrite
from burnish.graph.fusion.values import FLOATS, near, scalar, sole_consumer, standard


def gelu_rule(*, domain: str = "", tanh: str = "Gelu") -> NodeRule:
    """Return the rule.

    Args:
        domain: Of the operators that are written; empty for ONNX's own.
        tanh: Operator for the approximation; Gelu of ONNX takes it as an attribute.
    """

    def edit(graph: ir.Graph, node: ir.Node) -> bool:
        found = _find(graph, node)
        if found is None:
            return False
        x, nodes, exact = found
        attributes = {} if exact or tanh != "Gelu" else {"approximate": "tanh"}
        made = ir.node("Gelu" if exact else tanh, [x], attributes, domain=domain)
        ir.convenience.replace_nodes_and_values(graph, node, nodes, [made], node.outputs, made.outputs)
        return True

    return NodeRule("GELU in primitives", edit)


def _find(graph: ir.Graph, node: ir.Node) -> tuple[ir.Value, list[ir.Node], bool] | None:
    """Return x, the nodes that compute its GELU, and whether it is the exact one."""
    if not standard(node, "Mul"):
        return None
    nodes = [node]
    factors = _operands(graph, node, "Mul", nodes)
    if len(factors) != 3 or len(nodes) != 2:
        return None
    for rest, x, half in itertools.permutations(factors):
        add = _inner(graph, rest, "Add") if near(scalar(half, x), 0.5) and x.dtype in FLOATS else None
        if add is not None:
            for part, one in (add.inputs, add.inputs[::-1]):
                inside = _curve(graph, part, x) if near(scalar(one, x), 1) else None
                if inside is not None:
                    return x, [*nodes, add, *inside], inside[0].op_type == "Erf"
    return None


def _curve(graph: ir.Graph, value: ir.Value | None, x: ir.Value) -> list[ir.Node] | None:
    """Return the nodes of Erf(x / sqrt(2)) or of the Tanh, if that is what gives a value."""
    erf, tanh = _inner(graph, value, "Erf"), _inner(graph, value, "Tanh")
    if erf is not None:
        root = _inner(graph, erf.inputs[0], "Div")
        if root is not None and root.inputs[0] is x and near(scalar(root.inputs[1], x), math.sqrt(2)):
            return [erf, root]
        scaled = _scaled(graph, erf.inputs[0], math.sqrt(0.5), x)
        return [erf, scaled[1]] if scaled is not None and scaled[0] is x else None
    outer = _scaled(graph, tanh.inputs[0], math.sqrt(2 / math.pi), x) if tanh is not None else None
    add = _inner(graph, outer[0], "Add") if outer is not None else None
    if tanh is None or outer is None or add is None or x not in add.inputs:
        return None
    little = _scaled(graph, add.inputs[add.inputs[0] is x], 0.044715, x)
    cube = _cube(graph, little[0], x) if little is not None else None
    return None if little is None or cube is None else [tanh, outer[1], add, little[1], *cube]


def _cube(graph: ir.Graph, value: ir.Value | None, x: ir.Value) -> list[ir.Node] | None:
    power = _inner(graph, value, "Pow")
    if power is not None and power.inputs[0] is x and scalar(power.inputs[1], x) == 3:
        return [power]
    product = _inner(graph, value, "Mul")
    if product is None or x not in product.inputs:
        return None
    square = _inner(graph, product.inputs[product.inputs[0] is x], "Mul")
    return [product, square] if square is not None and all(one is x for one in square.inputs) else None


def _scaled(
    graph: ir.Graph, value: ir.Value | None, number: float, x: ir.Value
) -> tuple[ir.Value | None, ir.Node] | None:
    """Return what a value is ``number`` times of, and the node that multiplies."""
    node = _inner(graph, value, "Mul")
    if node is not None:
        for inner, factor in (node.inputs, node.inputs[::-1]):
            if near(scalar(factor, x), number):
                return inner, node
    return None


def _operands(graph: ir.Graph, node: ir.Node, operator: str, nodes: list[ir.Node]) -> list[ir.Value]:
    """Return the operands of nested products, and add the inner ones to ``nodes``."""
    found: list[ir.Value] = []
    for value in node.inputs:
        inner = _inner(graph, value, operator)
        if inner is not None and len(nodes) < 2:
            nodes.append(inner)
            found += [one for one in inner.inputs if one is not None]
        elif value is not None:
            found.append(value)
    return found


def _inner(graph: ir.Graph, value: ir.Value | None, operator: str) -> ir.Node | None:
    """Return the node of an operator that gives a value to one reader alone."""
    maker = value.producer() if value is not None else None
    if maker is None or value is None or maker.graph is not graph or not standard(maker, operator):
        return None
    return maker if sole_consumer(value) is not None else None


def _gelu(model: ir.Model) -> Counter[str]:
    return rewrite(model, [gelu_rule()])


PASSES = (
    Contract(
        name="gelu",
        about="write GELU as one operator",
        apply=_gelu,
        opset=20,
    ),
)
