"""A graph carried out node by node with torch's functions."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from burnish.errors import UnsupportedOpError
from burnish.graph.signature import Array
from burnish.runtime.torch_ops import TABLE, host, refusal
from burnish.runtime.torch_ops.memory import from_array
from burnish.runtime.torch_ops.node import Node


class Interpreter(torch.nn.Module):
    """The nodes of a graph in order, with its weights on the device; a module, so that torch can trace it.

    Args:
        model: Opset 13 or later.
        device: torch's name of it.

    Raises:
        UnsupportedOpError: Names the operators that have no function here.
    """

    def __init__(self, model: ir.Model, device: str) -> None:
        super().__init__()
        nodes = [_plain(node) for node in model.graph]
        refused = sorted({why for node in nodes if node.op != "Constant" and (why := refusal(node))})
        if refused:
            raise UnsupportedOpError(
                f"the torch back end has no {', '.join(refused)}", hint="try onnxruntime or openvino"
            )
        self.device = device
        self.inputs = [str(v.name) for v in model.graph.inputs if v.name not in model.graph.initializers]
        self.outputs = [str(value.name) for value in model.graph.outputs]
        self.steps = [node for node in nodes if node.op != "Constant"]
        constants = _constants(model, nodes)
        # buffers, by names that torch allows: a tracing compiler may freeze those, but no tensors in a dict
        self._buffer_names = {name: f"weight_{index}" for index, name in enumerate(constants)}
        for name, array in constants.items():
            self.register_buffer(self._buffer_names[name], from_array(array, device))
        self._small = {name: array for name, array in constants.items() if array.size <= host.LARGEST}
        self._integers = {
            name: known
            for name, array in constants.items()
            if (known := host.from_constant(array)) is not None
        }
        self._last_use = {name: index for index, node in enumerate(self.steps) for name in node.inputs}

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run once; inputs and outputs in the graph's order.

        A result may share memory with an input or a weight.
        """
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for index, node in enumerate(self.steps):
            results = self._results(values, node)
            values.update(zip(node.outputs, results, strict=False))
            for name in node.inputs:  # let go of what no later node reads, as an engine's arena would
                if self._last_use[name] == index and name not in self.outputs:
                    values.pop(name, None)
        return tuple(self._tensor(values, name) for name in self.outputs)

    def twin(self) -> "Interpreter":
        """Return another over the same weights, to be traced: that puts stand-ins for them in their place."""
        twin = copy.copy(self)
        twin._buffers = dict(self._buffers)
        return twin

    def constant_outputs(self) -> list[bool]:
        """Tell for every output whether it depends on no input."""
        moving = set(self.inputs)
        for node in self.steps:
            if moving & set(node.inputs):
                moving.update(node.outputs)
        return [name not in moving for name in self.outputs]

    def _results(self, values: Mapping[str, Any], node: Node) -> Sequence[Any]:
        if node.op in host.OF_SIZES:
            return (host.OF_SIZES[node.op](node, tuple(self._value(values, node.inputs[0]).shape)),)
        known = [self._known(values, name) if name else None for name in node.inputs]
        if all(value is not None for value, name in zip(known, node.inputs, strict=True) if name):
            found = host.evaluate(node, known)
            if found is not None:
                return (found,)
        steering = host.STEERING.get(node.op, ())
        arguments = [
            None
            if not name
            else self._number(values, name)
            if index in steering
            else self._tensor(values, name)
            for index, name in enumerate(node.inputs)
        ]
        results = TABLE[node.op](node, *arguments)
        results = results if isinstance(results, tuple) else (results,)
        if self.device == "cpu" or any(isinstance(argument, torch.Tensor) for argument in arguments):
            return results
        return [result.to(self.device) for result in results]  # made from numbers alone

    def _value(self, values: Mapping[str, Any], name: str) -> Any:
        return values[name] if name in values else self._weight(name)

    def _weight(self, name: str) -> torch.Tensor:
        weight: torch.Tensor = getattr(self, self._buffer_names[name])
        return weight

    def _known(self, values: Mapping[str, Any], name: str) -> Array | None:
        """Return a value as host integers, if it is kept as such."""
        if name in values:
            return values[name] if host.is_host(values[name]) else None
        return self._integers.get(name)

    def _number(self, values: Mapping[str, Any], name: str) -> Any:
        """Return a value for a function that reads numbers: from the host wherever it is known there."""
        if name in values:
            return values[name]
        return self._small[name] if name in self._small else self._weight(name)

    def _tensor(self, values: Mapping[str, Any], name: str) -> torch.Tensor:
        value = self._value(values, name)
        return host.to_tensor(value, self.device) if host.is_host(value) else value


def _constants(model: ir.Model, nodes: list[Node]) -> dict[str, Array]:
    stored = {
        str(name): value.const_value.numpy()
        for name, value in model.graph.initializers.items()
        if value.const_value is not None
    }
    for node in nodes:
        if node.op == "Constant":
            ((kind, value),) = node.attributes.items()
            dtype = {"value_float": np.float32, "value_floats": np.float32}.get(kind)
            stored[node.outputs[0]] = np.asarray(value, dtype)
    return stored


def _plain(node: ir.Node) -> Node:
    return Node(
        op=node.op_type,
        domain=node.domain,
        inputs=tuple(value.name or "" if value is not None else "" for value in node.inputs),
        outputs=tuple(value.name or "" for value in node.outputs),
        attributes={name: _attribute(value) for name, value in node.attributes.items()},
    )


def _attribute(attribute: ir.Attr) -> Any:
    value = attribute.value
    if isinstance(value, ir.TensorProtocol):
        return value.numpy()
    return list(value) if isinstance(value, (tuple, list)) else value
