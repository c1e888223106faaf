"""Operators of ONNX Runtime's own domain: for that engine alone."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.library import bias_gelu_rules, skip_layer_norm_rules
from burnish.graph.fusion.rewriting import NodeRule, PatternRule, rewrite
from burnish.graph.fusion.rules.gelu import gelu_rule
from burnish.graph.fusion.values import attribute, dims, scalar, sole_consumer, standard

DOMAIN = "com.microsoft"
_ENGINES = ("onnxruntime",)


def fuse_conv(graph: ir.Graph, node: ir.Node) -> bool:
    """Write Conv [+ sum] + activation as FusedConv."""
    activation = _activation(node)
    value = node.inputs[0] if node.inputs else None
    if activation is None or value is None or value.dtype is not ir.DataType.FLOAT:
        return False
    inner = value.producer()
    if inner is None or inner.graph is not graph or sole_consumer(value) is not node:
        return False
    if standard(inner, "Conv"):
        return _write_conv(graph, node, [inner], inner, None, activation)
    if not standard(inner, "Add"):
        return False
    for position, term in enumerate(inner.inputs):
        conv = term.producer() if term is not None else None
        other = inner.inputs[1 - position]
        if conv is None or not standard(conv, "Conv") or conv.graph is not graph or other is None:
            continue
        size = dims(other)
        if (
            sole_consumer(conv.outputs[0]) is inner
            and size == dims(conv.outputs[0])
            and size
            and None not in size
        ):
            return _write_conv(graph, node, [inner, conv], conv, other, activation)
    return False


def _activation(node: ir.Node) -> dict[str, Any] | None:
    """Return FusedConv's attributes for an activation that it knows."""
    if standard(node, "Relu", "Sigmoid", "Tanh"):
        return {"activation": node.op_type}
    if standard(node, "LeakyRelu"):
        return {"activation": "LeakyRelu", "activation_params": [float(attribute(node, "alpha", 0.01))]}
    if standard(node, "Clip") and len(node.inputs) == 3:
        bounds = [scalar(node.inputs[1]), scalar(node.inputs[2])]
        if bounds[0] is not None and bounds[1] is not None and bounds[0] <= bounds[1]:
            return {"activation": "Clip", "activation_params": bounds}
    return None


def _write_conv(
    graph: ir.Graph,
    node: ir.Node,
    old: list[ir.Node],
    conv: ir.Node,
    term: ir.Value | None,
    activation: dict[str, Any],
) -> bool:
    inputs = [*conv.inputs, *[None] * (3 - len(conv.inputs)), *([term] if term is not None else [])]
    made = ir.node("FusedConv", inputs, {**conv.attributes, **activation}, domain=DOMAIN)
    ir.convenience.replace_nodes_and_values(graph, node, [node, *old], [made], node.outputs, made.outputs)
    return True


def _fused_conv(model: ir.Model) -> Counter[str]:
    return _imported(model, rewrite(model, [NodeRule("Conv + activation", fuse_conv)]))


def _contrib_gelu(model: ir.Model) -> Counter[str]:
    return _imported(model, rewrite(model, [gelu_rule(domain=DOMAIN, tanh="FastGelu")]))


def _bias_is_last(nodes: Sequence[ir.Node]) -> bool:
    add = next(node for node in nodes if standard(node, "Add"))
    whole = dims(add.outputs[0])
    sizes = [dims(value) for value in add.inputs]
    return (
        whole is not None
        and add.outputs[0].dtype is ir.DataType.FLOAT
        and any(size is not None and len(size) == 1 and size[0] == whole[-1] for size in sizes)
        and whole in sizes
        and isinstance(whole[-1], int)
    )


def _bias_gelu(model: ir.Model) -> Counter[str]:
    wanted = [PatternRule("bias + GELU", "Gelu", rule, _bias_is_last) for rule in bias_gelu_rules]
    return _imported(model, rewrite(model, wanted))


def _skip_is_whole(nodes: Sequence[ir.Node]) -> bool:
    norm = next(node for node in nodes if standard(node, "LayerNormalization"))
    return norm.outputs[0].dtype is ir.DataType.FLOAT and len(norm.outputs) == 1


def _skip_norm(model: ir.Model) -> Counter[str]:
    wanted = [
        PatternRule("sum + LayerNormalization", "LayerNormalization", rule, _skip_is_whole)
        for rule in skip_layer_norm_rules
    ]
    return _imported(model, rewrite(model, wanted))


def _imported(model: ir.Model, applied: Counter[str]) -> Counter[str]:
    """Let the model import the domain, which its graphs inside nodes share."""
    if applied:
        model.graph.opset_imports.setdefault(DOMAIN, 1)
    return applied


PASSES = (
    Contract(
        name="contrib-gelu",
        about="write GELU as ONNX Runtime's operator, which any opset may use",
        apply=_contrib_gelu,
        engines=_ENGINES,
    ),
    Contract(
        name="bias-gelu",
        about="write a bias and GELU as one operator of ONNX Runtime",
        apply=_bias_gelu,
        engines=_ENGINES,
    ),
    Contract(
        name="skip-layernorm",
        about="write a sum and layer normalization as one operator of ONNX Runtime",
        apply=_skip_norm,
        opset=17,
        engines=_ENGINES,
    ),
    Contract(
        name="fused-conv",
        about="write convolution, sum and activation as one operator of ONNX Runtime",
        apply=_fused_conv,
        opset=11,
        engines=_ENGINES,
    ),
)
