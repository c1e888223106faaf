"""Operators that an engine is known to get wrong, refused before it can."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import onnx_ir as ir

from burnish.errors import UnsupportedOpError

_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, slots=True)
class Use:
    """One node, as a refusal looks at it."""

    node: onnx.NodeProto
    dtypes: Mapping[str, str]
    """The dtypes of values, such as ``FLOAT``, as far as they are known."""
    constants: Container[str] = ()
    """Names of values that are the same for every input, as far as they are known."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of an attribute, text as text."""
        for entry in self.node.attribute:
            if entry.name == name:
                value = onnx.helper.get_attribute_value(entry)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def has_input(self, index: int) -> bool:
        """Tell whether an optional input is given."""
        return len(self.node.input) > index and bool(self.node.input[index])

    def has_output(self, index: int) -> bool:
        """Tell whether an optional output is asked for."""
        return len(self.node.output) > index and bool(self.node.output[index])

    def is_constant(self, index: int) -> bool:
        """Tell whether an input is known to be the same every time."""
        return self.node.input[index] in self.constants

    @property
    def is_float(self) -> bool:
        """Whether the first input holds floating-point numbers."""
        return self.dtypes.get(self.node.input[0], "") in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")


def _always(_: Use) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Refusal:
    """One operator, or some uses of it, that an engine gets wrong."""

    operator: str
    reason: str
    """What goes wrong, and the node case of the ONNX standard that shows it."""
    applies: Callable[[Use], bool] = _always
    """Which of its uses; every one by default."""


def refuse(model: onnx.ModelProto, table: Sequence[Refusal], *, engine: str) -> None:
    """Check a model against what an engine is known to get wrong.

    Raises:
        UnsupportedOpError: Names every operator of a foreign domain and every refused one, with the reason.
    """
    dtypes = _dtypes(model)
    found = {reason for node in nodes_of(model.graph) for reason in _reasons(Use(node, dtypes), table)}
    _raise(found, engine)


def refuse_known(model: ir.Model, table: Sequence[Refusal], *, engine: str) -> None:
    """Check a model that its engine reads as it is: only nodes that the table names are looked at.

    Raises:
        UnsupportedOpError: Names every refused operator, with the reason.
    """
    named = {refusal.operator for refusal in table}
    nodes = [node for node in model.graph.all_nodes() if node.op_type in named and node.domain in _DOMAINS]
    values = [value for node in nodes for value in node.inputs if value is not None]
    dtypes = {value.name or "": value.dtype.name for value in values if value.dtype is not None}
    constants = {value.name or "" for value in values if ir.convenience.get_const_tensor(value) is not None}
    uses = [Use(ir.to_proto(node), dtypes, constants) for node in nodes]
    _raise({reason for use in uses for reason in _reasons(use, table)}, engine)


def _raise(found: set[str], engine: str) -> None:
    if found:
        raise UnsupportedOpError(
            f"the {engine} back end refuses {'; '.join(sorted(found))}",
            hint="try another back end, such as onnxruntime or torch",
        )


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes_of(inner)


def _dtypes(model: onnx.ModelProto) -> dict[str, str]:
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        graph = model.graph
    name_of = onnx.TensorProto.DataType.Name
    values = (*graph.input, *graph.value_info, *graph.output)
    known = {value.name: name_of(value.type.tensor_type.elem_type) for value in values}
    return known | {tensor.name: name_of(tensor.data_type) for tensor in graph.initializer}


def _reasons(use: Use, table: Sequence[Refusal]) -> Iterator[str]:
    node = use.node
    if node.domain not in _DOMAINS:
        yield f"{node.domain}::{node.op_type} (of a domain that it does not know)"
        return
    for refusal in table:
        if refusal.operator == node.op_type and refusal.applies(use):
            yield f"{node.op_type} ({refusal.reason})"
