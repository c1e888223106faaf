"""Batch normalisation is taken into the product before it, as engines do: rounding must see the folded weights."""

from typing import Any, cast

import torch
from torch.fx import GraphModule, Node
from torch.nn.utils import fusion

from burnish.compress.qat.constants import attribute, store
from burnish.compress.qat.operators import CONVOLUTIONS, aten, operand

_TRANSPOSED = frozenset(
    {aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input}
)
_FOLDABLE = CONVOLUTIONS | _TRANSPOSED | {aten.linear.default}


def fold_batch_norm(traced: GraphModule) -> GraphModule:
    """Fold every batch normalisation that directly follows a convolution or linear layer.

    A weight that several layers share is copied for the layer that is folded. A normalisation that follows something
    else, such as a concatenation, stays.

    Args:
        traced: Is changed; go on with what is returned.

    Returns:
        The network, without the parameters that are no longer used.
    """
    for norm in list(traced.graph.nodes):
        if norm.target is aten.batch_norm.default and isinstance(norm.args[0], Node):
            product = norm.args[0]
            if product.target in _FOLDABLE and len(product.users) == 1 and _is_constant(product, norm):
                _fold(traced, product, norm)
    traced.graph.eliminate_dead_code()
    return GraphModule(traced, traced.graph)


def _is_constant(product: Node, norm: Node) -> bool:
    """Tell whether weights and statistics are stored tensors: computed ones cannot be replaced."""
    operands = [*product.args[1:3], *norm.args[1:5]]
    statistics = norm.args[3:5]
    return all(isinstance(s, Node) for s in statistics) and all(
        operand is None or (isinstance(operand, Node) and operand.op == "get_attr") for operand in operands
    )


def _fold(traced: GraphModule, product: Node, norm: Node) -> None:
    weight_node = operand(product, 1)
    weight = attribute(traced, str(weight_node.target))
    bias = _stored(traced, product.args[2] if len(product.args) > 2 else None)
    scale, shift, mean, variance = (_stored(traced, node) for node in norm.args[1:5])
    epsilon = cast("float", norm.args[7])
    with torch.no_grad():
        if product.target is aten.linear.default:
            ones, zeros = torch.ones_like(mean), torch.zeros_like(mean)
            affine = (ones if scale is None else scale, zeros if shift is None else shift)
            fused = fusion.fuse_linear_bn_weights(weight, bias, mean, variance, epsilon, *affine)
        else:
            transpose = product.target in _TRANSPOSED
            fused = fusion.fuse_conv_bn_weights(
                weight, bias, mean, variance, epsilon, scale, shift, transpose=transpose
            )
    owner, _, name = str(weight_node.target).rpartition(".")
    stored = _places(traced, owner, name, is_shared=len(weight_node.users) > 1)
    nodes = []
    for path, tensor in zip(stored, fused, strict=True):
        store(traced, path, tensor)
        with traced.graph.inserting_before(product):
            node = traced.graph.get_attr(path)
        node.meta = dict(weight_node.meta)
        nodes.append(node)
    rest = product.args[3:]
    product.args = (product.args[0], *nodes, *rest)
    norm.replace_all_uses_with(product)
    traced.graph.erase_node(norm)


def _stored(traced: GraphModule, node: object) -> Any:
    return attribute(traced, str(node.target)) if isinstance(node, Node) else None


def _places(traced: GraphModule, owner: str, name: str, *, is_shared: bool) -> tuple[str, str]:
    """Return where the folded weight and bias are kept."""
    prefix = f"{owner}." if owner else ""
    base, count = name, 0
    while is_shared and hasattr(traced.get_submodule(owner), base):
        count += 1
        base = f"{name}_{count}"
    bias = base.replace("weight", "bias") if "weight" in base else f"{base}_bias"
    return f"{prefix}{base}", f"{prefix}{bias}"
