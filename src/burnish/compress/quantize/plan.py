"""Which nodes compute in integers, and why the others do not."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.layers import ASKED, kept_float, multiplying
from burnish.compress.quantize.scheme import QuantScheme
from burnish.graph.fusion.values import attribute, constant

_CARRYING = frozenset(
    "Relu Clip MaxPool AveragePool GlobalAveragePool Reshape Transpose Squeeze Unsqueeze Flatten Slice Split".split()
)
"""Operators that engines run on integers when their one input has them."""
_JOINING = frozenset(("Add", "Concat"))
"""Operators that engines run on integers when all of their inputs have them."""
_NO_KERNEL = "has no integer kernel that takes fixed ranges"


@dataclass(frozen=True, slots=True)
class Selection:
    """The nodes of a graph that are quantized."""

    nodes: tuple[str, ...]
    """Names of those that compute in integers, in order."""
    tensors: tuple[str, ...]
    """Names of the activations that need a range."""
    kept: dict[str, str]
    """Multiplying nodes that stay in floating point, each with the reason."""

    def without(self, graph: ir.Graph, ruined: dict[str, str], scheme: QuantScheme) -> "Selection":
        """Return the plan without the nodes that read or give some tensors.

        Args:
            graph: What was planned.
            ruined: Tensors that cannot have a range, each with the reason.
            scheme: How it was planned.
        """
        return _planned(graph, scheme, ruined) if set(ruined) & set(self.tensors) else self


def plan(graph: ir.Graph, scheme: QuantScheme) -> Selection:
    """Choose what to quantize.

    Multiplying nodes with stored weights are, and products of two activations; what stands between them (activation
    functions, pooling, reshaping, sums and joins) is where everything that it reads is in integers already, so that
    no number goes to integers and back for nothing.

    Args:
        graph: Prepared float graph.
        scheme: Which nodes must stay float.

    Raises:
        NotFoundError: The scheme names a node that the graph does not have.
    """
    return _planned(graph, scheme, {})


def _planned(graph: ir.Graph, scheme: QuantScheme, ruined: dict[str, str]) -> Selection:
    asked = kept_float(graph, scheme)
    kept: dict[str, str] = {}
    multiply = {node.name or "" for node in multiplying(graph)}
    nodes: list[str] = []
    tensors: dict[str, None] = {}
    integer: set[ir.Value] = set()
    for node in graph:
        name = node.name or ""
        reason = ASKED if name in asked else _why_not(node, integer, ruined, name in multiply)
        if reason:
            if name in multiply:
                kept[name] = reason
            continue
        nodes.append(name)
        gives = node.op_type not in (
            "MatMul",
            "Gemm",
        )  # their results stay float unless a reader wants integers
        integer.update(node.outputs if gives else ())
        for value in (*_activations(node), *(node.outputs if gives else ())):
            tensors.setdefault(value.name or "")
    return Selection(tuple(nodes), tuple(tensors), kept)


def _why_not(node: ir.Node, integer: set[ir.Value], ruined: dict[str, str], multiplies: bool) -> str:
    """Return why a node stays in floating point; nothing when it does not."""
    reason = _why_not_by_kind(node, integer, multiplies)
    for value in (*_activations(node), *node.outputs):
        if not reason and (value.name or "") in ruined:
            reason = f"{value.name!r} {ruined[value.name or '']}"
    return reason


def _why_not_by_kind(node: ir.Node, integer: set[ir.Value], multiplies: bool) -> str:
    if node.domain != "":
        return "is an operator of one engine alone"
    if node.op_type == "Conv":
        return _stored(node.inputs[1], "weights", at_least=3) or _bias(node)
    if node.op_type == "Gemm":
        return _gemm(node)
    if node.op_type == "MatMul":
        return _matmul(node)
    if multiplies:
        return _NO_KERNEL
    if node.op_type == "Clip" and not _clips_about_zero(node):
        return "clips zero away, which every grid of integers holds"
    if node.op_type in _CARRYING:
        return "" if node.inputs[0] in integer else "reads no integers"
    if node.op_type in _JOINING:
        return "" if all(value in integer for value in node.inputs) else "does not read integers alone"
    return _NO_KERNEL


def _gemm(node: ir.Node) -> str:
    if (
        attribute(node, "transA", 0)
        or attribute(node, "alpha", 1.0) != 1
        or attribute(node, "beta", 1.0) != 1
    ):
        return "is a Gemm that transposes its input or scales its terms"
    return _stored(node.inputs[1], "weights", at_least=2) or _bias(node)


def _matmul(node: ir.Node) -> str:
    left, right = (constant(value) for value in node.inputs)
    if left is not None:
        return "its weights are the left factor"
    if right is not None:
        return _stored(node.inputs[1], "weights", at_least=2)
    plain = all(value is not None and value.dtype == ir.DataType.FLOAT for value in node.inputs)
    return "" if plain else "does not multiply float32"


def _bias(node: ir.Node) -> str:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        return ""
    stored = constant(bias)
    weight = constant(node.inputs[1])
    if stored is None or weight is None:
        return "its bias is computed at run time"
    channels = weight.shape[0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1]
    return (
        ""
        if stored.shape == (channels,)
        else f"its bias has the shape {stored.shape}, not one number a channel"
    )


def _stored(value: ir.Value | None, what: str, *, at_least: int) -> str:
    array = constant(value)
    if array is None:
        return f"its {what} are computed at run time"
    if array.dtype != np.float32:
        return f"its {what} are {array.dtype}, not float32"
    if not np.isfinite(array).all():
        return f"its {what} are not all finite"
    return "" if array.ndim >= at_least else f"its {what} have {array.ndim} dimensions only"


def _clips_about_zero(node: ir.Node) -> bool:
    """Tell whether a Clip keeps zero, so that the range of what it gives does its work."""
    low, high = (constant(value) for value in (*node.inputs[1:], None, None)[:2])
    given = [value for value in node.inputs[1:] if value is not None]
    if len(given) != sum(bound is not None for bound in (low, high)):
        return False
    return (low is None or float(low.reshape(())) <= 0) and (high is None or float(high.reshape(())) >= 0)


def _activations(node: ir.Node) -> list[ir.Value]:
    """Return what a node computes with: its first input, both of a product or sum, all of a join."""
    count = len(node.inputs) if node.op_type == "Concat" else 2 if node.op_type in ("MatMul", "Add") else 1
    return [value for value in node.inputs[:count] if value is not None and constant(value) is None]
