"""Nodes whose precision is decided together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from burnish.compress.quantize.layers import multiplying
from burnish.errors import UnsupportedOpError
from burnish.graph.fusion.values import constant

Grouping = Literal["role", "node"]
OTHERS = "others"
"""Name of the group that holds what did not get one of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """Multiplying nodes that get the same precision."""

    name: str
    """Name of the first of them."""
    nodes: tuple[str, ...]


def groups_of(graph: ir.Graph, grouping: Grouping, most: int) -> tuple[Group, ...]:
    """Divide the multiplying nodes of a graph.

    Args:
        graph: Every node has a name.
        grouping: ``role``: the same operator, shape of the weight, and neighbours; or ``node``.
        most: Groups; the smallest by weights become one where there are more.

    Raises:
        UnsupportedOpError: Nothing in the graph multiplies.
    """
    nodes = multiplying(graph)
    if not nodes:
        raise UnsupportedOpError("nothing in the graph multiplies: there is no precision to choose")
    found: dict[object, list[ir.Node]] = {}
    for node in nodes:
        found.setdefault(_role(node) if grouping == "role" else node.name, []).append(node)
    if len(found) > most:
        small = sorted(found, key=lambda key: sum(map(_weights, found[key])))[: len(found) - most + 1]
        merged = [node for key in small for node in found.pop(key)]
        found[OTHERS] = sorted(merged, key=nodes.index)
    return tuple(
        Group(OTHERS if key == OTHERS else members[0].name or "", tuple(node.name or "" for node in members))
        for key, members in found.items()
    )


def _role(node: ir.Node) -> tuple[object, ...]:
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    shapes = tuple(array.numpy().shape for array in _stored(node))
    return node.op_type, shapes, before.op_type if before is not None else "input", _reader(node)


def _reader(node: ir.Node) -> str:
    """Return the operator that reads what a node gives, behind its bias."""
    readers = list(node.outputs[0].consumers())
    if len(readers) == 1 and readers[0].op_type == "Add" and any(map(_is_constant, readers[0].inputs)):
        readers = list(readers[0].outputs[0].consumers())
    return ", ".join(sorted({reader.op_type for reader in readers})) or "output"


def _is_constant(value: ir.Value | None) -> bool:
    return constant(value) is not None


def _stored(node: ir.Node) -> Iterator[ir.TensorProtocol]:
    for value in node.inputs:
        if value is not None and value.const_value is not None and len(value.const_value.shape) > 1:
            yield value.const_value


def _weights(node: ir.Node) -> int:
    return sum(array.size for array in _stored(node))
