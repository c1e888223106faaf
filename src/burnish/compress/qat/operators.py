"""What the operators of a traced network mean to integers."""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from burnish.errors import InternalError

aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Weighted:
    """Where a product with a weight has its operands."""

    data: int
    weight: int
    bias: int | None
    axis: int
    """Axis of the weight that counts output channels."""


_CONVOLUTION = Weighted(0, 1, 2, 0)
CONVOLUTIONS = frozenset(
    getattr(getattr(aten, f"conv{rank}d"), form) for rank in (1, 2, 3) for form in ("default", "padding")
)
WEIGHTED: dict[Any, Weighted] = {
    **dict.fromkeys(CONVOLUTIONS, _CONVOLUTION),
    aten.linear.default: Weighted(0, 1, 2, 0),
    aten.addmm.default: Weighted(1, 2, 0, 1),
    aten.mm.default: Weighted(0, 1, None, -1),
    aten.matmul.default: Weighted(0, 1, None, -1),
}
MATMULS = frozenset({aten.matmul.default, aten.bmm.default, aten.mm.default})
"""Products whose operands may both be activations."""
ADD = aten.add.Tensor
JOINS = frozenset({aten.cat.default, aten.stack.default})

NEVER_NEGATIVE = frozenset({aten.softmax.int, aten._softmax.default, aten.relu.default, aten.sigmoid.default})

STAYS_FLOAT: dict[Any, str] = {
    **dict.fromkeys(
        (aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input),
        "ONNX Runtime has no integer kernel of a transposed convolution",
    ),
    **dict.fromkeys(
        (aten.lstm.input, aten.gru.input, aten.rnn_tanh.input, aten.rnn_relu.input),
        "a recurrent layer is one operator, inside which no rounding can be learnt",
    ),
    **dict.fromkeys(
        (aten.embedding.default, aten.embedding_bag.default), "a table is looked up, not multiplied"
    ),
    aten.baddbmm.default: "no engine has an integer kernel that also scales and adds a matrix",
    aten.bilinear.default: "no engine has an integer kernel of a bilinear form",
}
"""Layers with weights, or products, that keep their numbers, and why."""

RELUS = frozenset({aten.relu.default, aten.hardtanh.default, aten.relu6.default})
"""Activations that engines take into the integer kernel before them."""

_RESHAPING = frozenset(
    {
        aten.view.default,
        aten._unsafe_view.default,
        aten.reshape.default,
        aten.transpose.int,
        aten.permute.default,
        aten.t.default,
        aten.flatten.using_ints,
        aten.unflatten.int,
        aten.squeeze.default,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.unsqueeze.default,
        aten.expand.default,
        aten.clone.default,
        aten.contiguous.default,
        aten.alias.default,
        aten.detach.default,
        aten.max_pool1d.default,
        aten.max_pool2d.default,
        aten.max_pool3d.default,
        aten.upsample_nearest1d.vec,
        aten.upsample_nearest2d.vec,
        aten.upsample_nearest3d.vec,
    }
)
_PARTING = frozenset(
    {
        aten.slice.Tensor,
        aten.select.int,
        aten.chunk.default,
        aten.split.Tensor,
        aten.split_with_sizes.default,
        aten.unbind.int,
        aten.narrow.default,
        operator.getitem,
    }
)


def keeps_values(node: Node, *, parts: bool) -> bool:
    """Tell whether a node only moves, repeats or picks values of its first operand, so that their grid serves it too.

    Args:
        node: Of a traced network.
        parts: Whether picking a part counts; the range of a part may be smaller than that of the whole.
    """
    return node.target in _RESHAPING or (parts and node.target in _PARTING)


def operand(node: Node, place: int) -> Node:
    """Return an operand that has to be a value of the graph, not a plain number."""
    found = node.args[place]
    if not isinstance(found, Node):
        raise InternalError(f"{node.name}: operand {place} is {found!r}, not a value of the graph")
    return found


def layer_name(node: Node) -> str:
    """Return the path of the module that a node belongs to; empty for the network itself."""
    stack = [
        path for path, _ in node.meta.get("nn_module_stack", {}).values() if not path.startswith("_empty")
    ]
    return stack[-1] if stack else ""
