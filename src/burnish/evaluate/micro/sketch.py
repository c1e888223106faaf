"""Drawing small graphs: inputs, weights and operators, with values to run them on."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from burnish.graph import ComputeGraph
from burnish.graph.signature import Array

_OPSET, _IR = 20, 9


class Sketch:
    """A graph under construction, and one array for each of its inputs."""

    def __init__(self) -> None:
        self.feeds: dict[str, Array] = {}
        """Values of the inputs, by name."""
        self._inputs: list[ir.Value] = []
        self._weights: list[ir.Value] = []
        self._nodes: list[ir.Node] = []

    def input(self, *shape: int, below: int = 0) -> ir.Value:
        """Add an input of standard-normal numbers, or of whole ones from 0 up to but without ``below``."""
        name = f"x{len(self._inputs)}"
        self.feeds[name] = (
            np.random.default_rng(len(self._inputs)).integers(0, below, shape)
            if below
            else _normal(shape, 1.0, len(self._inputs))
        )
        kind = ir.DataType.INT64 if below else ir.DataType.FLOAT
        value = ir.Value(name=name, type=ir.TensorType(kind), shape=ir.Shape(shape))
        self._inputs.append(value)
        return value

    def weight(self, *shape: int, depth: int = 1) -> ir.Value:
        """Add a weight of normal numbers, so scaled that sums of ``depth`` products keep their size."""
        return self.constant(_normal(shape, depth**-0.5, len(self._weights)))

    def constant(self, array: Array | np.floating[Any]) -> ir.Value:
        """Add a weight of given numbers."""
        tensor = ir.tensor(np.asarray(array), name=f"w{len(self._weights)}")
        value = ir.Value(
            name=tensor.name,
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape(array.shape),
            const_value=tensor,
        )
        self._weights.append(value)
        return value

    def add(self, op: str, *inputs: ir.Value | None, outputs: int = 1, **attributes: Any) -> ir.Value:
        """Add an operator and return its first output."""
        node = ir.node(op, inputs, attributes, num_outputs=outputs)
        for position, value in enumerate(node.outputs):
            value.name = f"v{len(self._nodes)}_{position}"
        self._nodes.append(node)
        return node.outputs[0]

    def graph(self, outputs: Sequence[ir.Value]) -> ComputeGraph:
        """Return what was drawn."""
        body = ir.Graph(
            self._inputs,
            outputs,
            nodes=self._nodes,
            initializers=self._weights,
            opset_imports={"": _OPSET},
            name="micro",
        )
        model = ir.Model(body, ir_version=_IR)
        ShapeInferencePass()(model)
        return ComputeGraph(model)


@cache
def _pool() -> Array:
    return np.random.default_rng(7).standard_normal(1 << 20, np.float32)


def _normal(shape: tuple[int, ...], scale: float, position: int) -> Array:
    """Return normal numbers, from another place of a pool each time: to draw new ones takes longer than a product.

    Equal weights would be stored, and computed with, once.
    """
    numbers: Array = np.resize(np.roll(_pool(), 97 * position), shape) * np.float32(scale)
    return numbers
