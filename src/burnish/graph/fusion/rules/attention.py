"""Scaled dot-product attention, written out in primitives, as one operator.

    MatMul(Softmax(MatMul(q, Transpose(k)) * scale + mask), v)  ->  Attention(q, k, v, mask)

The scale may stand at q, at k, at the scores, or at several of them.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import CommonSubexpressionEliminationPass

from burnish.graph.fusion import editing
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.rewriting import NodeRule, rewrite
from burnish.graph.fusion.values import attribute, dims, same_dim, scalar, sole_consumer, standard

_DTYPES = {ir.DataType.FLOAT, ir.DataType.DOUBLE}


@dataclass(frozen=True, slots=True)
class _Found:
    """The parts of an attention; q_BHSD, k and v_BHTD have four dimensions."""

    nodes: tuple[ir.Node, ...]
    q: ir.Value
    k: ir.Value
    v: ir.Value
    k_perm: tuple[int, ...]
    mask: ir.Value | None
    scale: float


def fuse_attention(graph: ir.Graph, node: ir.Node) -> bool:
    """Put an Attention in the place of what ends in ``node``, if it is one."""
    found = _find(graph, node)
    if found is None or not _shapes_fit(found):
        return False
    made: list[ir.Node] = []
    k = found.k
    if found.k_perm == (0, 2, 3, 1):  # k_BTHD to k_BHTD
        made.append(ir.node("Transpose", [k], {"perm": [0, 2, 1, 3]}))
        k = made[-1].outputs[0]
    inputs = [found.q, k, found.v]
    if found.mask is not None:
        inputs.append(_whole_mask(graph, found.mask, found.q, made))
    made.append(ir.node("Attention", inputs, {"scale": found.scale}))
    if len(made) > len(found.nodes):
        return False
    ir.convenience.replace_nodes_and_values(graph, node, found.nodes, made, node.outputs, made[-1].outputs)
    return True


def _find(graph: ir.Graph, node: ir.Node) -> _Found | None:
    weights, v = _operands(node, "MatMul")
    softmax = _inner(graph, weights, "Softmax")
    if softmax is None or v is None or attribute(softmax, "axis", -1) not in (-1, 3):
        return None
    nodes, mask, scores = [node, softmax], None, softmax.inputs[0]
    add = _inner(graph, scores, "Add")
    if add is not None:
        nodes.append(add)
        first, second = add.inputs
        turned = _is_scores(graph, second) and not _is_scores(graph, first)
        scores, mask = (second, first) if turned else (first, second)
    scale, scores, scaling = _unscaled(graph, scores)
    product = _inner(graph, scores, "MatMul")
    if product is None:
        return None
    q_scale, q, q_scaling = _unscaled(graph, product.inputs[0])
    k_scale, k_turned, k_scaling = _unscaled(graph, product.inputs[1])
    turn = _inner(graph, k_turned, "Transpose")
    if turn is None or q is None or turn.inputs[0] is None:
        return None
    nodes += [*scaling, product, *q_scaling, *k_scaling, turn]
    perm = tuple(attribute(turn, "perm") or ())
    if perm not in ((0, 1, 3, 2), (0, 2, 3, 1)):
        return None
    return _Found(tuple(nodes), q, turn.inputs[0], v, perm, mask, scale * q_scale * k_scale)


def _operands(node: ir.Node, operator: str) -> tuple[ir.Value | None, ir.Value | None]:
    if not standard(node, operator) or len(node.inputs) != 2:
        return None, None
    return node.inputs[0], node.inputs[1]


def _inner(graph: ir.Graph, value: ir.Value | None, operator: str) -> ir.Node | None:
    """Return the node of an operator that gives a value, when it may be taken out with its only reader."""
    maker = value.producer() if value is not None else None
    if maker is None or value is None or maker.graph is not graph or sole_consumer(value) is None:
        return None
    return maker if standard(maker, operator) and len(maker.outputs) == 1 else None


def _is_scores(graph: ir.Graph, value: ir.Value | None) -> bool:
    return _inner(graph, _unscaled(graph, value)[1], "MatMul") is not None


def _unscaled(graph: ir.Graph, value: ir.Value | None) -> tuple[float, ir.Value | None, list[ir.Node]]:
    """Return the constant that a value is multiplied by, the value before it, and the nodes in between."""
    for operator in ("Mul", "Div"):
        node = _inner(graph, value, operator)
        if node is None:
            continue
        number = scalar(node.inputs[1], node.inputs[0])
        if number:
            return (number if operator == "Mul" else 1 / number), node.inputs[0], [node]
        number = scalar(node.inputs[0], node.inputs[1])
        if number and operator == "Mul":
            return number, node.inputs[1], [node]
    return 1.0, value, []


def _shapes_fit(found: _Found) -> bool:
    """Tell whether nothing is broadcast but the mask; Attention itself would share keys among heads."""
    q, k, v = dims(found.q), dims(found.k), dims(found.v)
    if q is None or k is None or v is None or not len(q) == len(k) == len(v) == 4:
        return False
    if found.scale <= 0 or any(value.dtype not in _DTYPES for value in (found.q, found.k, found.v)):
        return False
    if found.k_perm == (0, 2, 3, 1):
        k = (k[0], k[2], k[1], k[3])
    equal = [(q[0], k[0]), (q[0], v[0]), (q[1], k[1]), (q[1], v[1]), (q[3], k[3]), (k[2], v[2])]
    if not all(same_dim(a, b) for a, b in equal):
        return False
    return found.mask is None or _mask_fits(found.mask, q, k[2])


def _mask_fits(mask: ir.Value, q: tuple[int | str | None, ...], keys: int | str | None) -> bool:
    size = dims(mask)
    if size is None or len(size) not in (2, 4) or mask.dtype not in _DTYPES:
        return False
    wanted = (q[0], q[1], q[2], keys)[-len(size) :]
    rows_may_be_one = [*[True] * (len(size) - 1), False]
    return all(
        same_dim(have, want) or (may and have == 1)
        for have, want, may in zip(size, wanted, rows_may_be_one, strict=True)
    )


def _whole_mask(graph: ir.Graph, mask: ir.Value, q: ir.Value, made: list[ir.Node]) -> ir.Value:
    """Return a mask with a row for each query; ONNX Runtime's Attention takes no single row for all."""
    size, of = dims(mask) or (), dims(q) or ()
    if same_dim(size[-2], of[2]):
        return mask
    if isinstance(of[2], int):
        shape = editing.weight(graph, np.array([1, 1, of[2], 1], np.int64), "mask_rows")
    else:
        one = editing.weight(graph, np.array([1], np.int64), "one")
        made.append(ir.node("Shape", [q], {"start": 2, "end": 3}))
        made.append(ir.node("Concat", [one, one, made[-1].outputs[0], one], {"axis": 0}))
        shape = made[-1].outputs[0]
    made.append(ir.node("Expand", [mask, shape]))
    return made[-1].outputs[0]


def _attention(model: ir.Model) -> Counter[str]:
    applied = rewrite(model, [NodeRule("attention in primitives", fuse_attention)])
    if applied:  # layers share their mask: it is enough to widen it once
        CommonSubexpressionEliminationPass()(model)
    return applied


PASSES = (
    Contract(
        name="attention",
        about="write scaled dot-product attention as one operator",
        apply=_attention,
        opset=23,
        engines=("onnxruntime", "openvino"),
    ),
)
