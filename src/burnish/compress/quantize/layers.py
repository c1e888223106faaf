"""What in a graph multiplies by weights, and why some of it cannot be made smaller."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.scheme import QuantScheme
from burnish.errors import NotFoundError, nearest
from burnish.graph.fusion.values import attribute, constant
from burnish.graph.signature import Array

MULTIPLYING = frozenset(
    ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN", "Attention")
)
"""Operators that do nearly all of a network's arithmetic."""
ASKED = "stays in floating point as asked"


@dataclass(frozen=True, slots=True)
class Linear:
    """A node that multiplies its first input by a matrix of weights."""

    node: ir.Node
    x: ir.Value
    weight: ir.Value
    transposed: bool
    """The weight is stored as (N, K)."""
    matrix: Array
    """The weight as (K, N), so that ``x @ matrix`` is the product."""

    @property
    def bias(self) -> ir.Value | None:
        """What a Gemm adds."""
        return self.node.inputs[2] if len(self.node.inputs) > 2 else None


def multiplying(graph: ir.Graph) -> list[ir.Node]:
    """Return the nodes that do nearly all of the arithmetic, in order."""
    return [node for node in graph if node.domain == "" and node.op_type in MULTIPLYING]


def kept_float(graph: ir.Graph, scheme: QuantScheme) -> frozenset[str]:
    """Return the names of the nodes that the scheme leaves in floating point.

    Raises:
        NotFoundError: The scheme names a node that the graph does not have.
    """
    names = [node.name or "" for node in graph]
    for name in scheme.keep_float:
        if name not in names:
            raise NotFoundError(f"keep_float names {name!r}, which is no node", hint=nearest(name, names))
    nodes = multiplying(graph)
    ends = [nodes[0].name or "", nodes[-1].name or ""] if scheme.keep_ends_float and nodes else []
    return frozenset((*scheme.keep_float, *ends))


def stored_numbers(value: ir.Value | None) -> Array | None:
    """Return the numbers of a weight, also of one that is read through a Transpose, as a tied table is; else None."""
    array = constant(value)
    maker = value.producer() if value is not None else None
    if array is None and maker is not None and maker.op_type == "Transpose" and maker.domain == "":
        source = constant(maker.inputs[0])
        array = None if source is None else np.ascontiguousarray(source.transpose(attribute(maker, "perm")))
    return array


def linear(node: ir.Node) -> Linear | str:
    """Return a node as a linear layer, or the reason why it is none."""
    if node.op_type not in ("MatMul", "Gemm"):
        return f"is a {node.op_type}, not a linear layer"
    weight = node.inputs[1]
    array = stored_numbers(weight)
    if weight is None or array is None:
        return "both factors are computed at run time"
    if array.ndim != 2 or array.dtype != np.float32:
        return f"its weight is {array.dtype} with {array.ndim} dimensions, not a float32 matrix"
    if not np.isfinite(array).all():
        return "its weights are not all finite"
    x = node.inputs[0]
    if x is None or constant(x) is not None:
        return "both factors are constant"
    if node.op_type == "MatMul":
        return Linear(node, x, weight, False, array)
    if (
        attribute(node, "transA", 0)
        or attribute(node, "alpha", 1.0) != 1
        or attribute(node, "beta", 1.0) != 1
    ):
        return "is a Gemm that transposes its input or scales its terms"
    transposed = bool(attribute(node, "transB", 0))
    return Linear(node, x, weight, transposed, np.ascontiguousarray(array.T) if transposed else array)


def linear_layers(graph: ir.Graph, scheme: QuantScheme) -> tuple[list[Linear], dict[str, str]]:
    """Return the linear layers that a scheme may change, and by name why other multiplying nodes are not among them.

    Raises:
        NotFoundError: The scheme names a node that the graph does not have.
    """
    kept, found, left = kept_float(graph, scheme), [], {}
    for node in multiplying(graph):
        name = node.name or ""
        layer = ASKED if name in kept else linear(node)
        if isinstance(layer, str):
            left[name] = layer
        else:
            found.append(layer)
    return found, left


def listed(left: dict[str, str], limit: int = 5) -> Iterator[str]:
    """Yield a line for each node that was left alone, and one for those beyond the limit."""
    for name, reason in list(left.items())[:limit]:
        yield f"{name}: {reason}"
    if len(left) > limit:
        yield f"and {len(left) - limit} more"
