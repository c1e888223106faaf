"""Back ends that are wrong on purpose."""

import numpy as np
import onnx_ir as ir

from burnish.graph import ComputeGraph
from burnish.runtime import BackendSpec, DeviceStatus
from burnish.runtime.resolve import get_backend


class Scaling:
    """ONNX Runtime, but every output of one operator is a little too large.

    Args:
        op: The operator.
        factor: What its output is multiplied by.
        only_fused: Whether it is wrong only where its input is made by a node whose output nobody else sees.
    """

    spec = BackendSpec(
        name="scaling", package="onnxruntime", extra="", devices=("cpu",), dtypes=("float32", "int64")
    )

    def __init__(self, op, factor=1.01, *, only_fused=False):
        self.op, self.factor, self.only_fused = op, factor, only_fused
        self.opened = 0

    def devices(self):
        return [DeviceStatus("cpu", True)]

    def open(self, graph, *, device, options):
        self.opened += 1
        model = graph.model.clone()
        for node in list(model.graph):
            if node.op_type == self.op and (not self.only_fused or fuses(node)):
                scale(model.graph, node, self.factor)
        return get_backend("onnxruntime").open(ComputeGraph(model), device=device, options=options)


def fuses(node):
    maker = node.inputs[0]
    return maker.producer() is not None and not maker.is_graph_output() and len(maker.uses()) == 1


def scale(graph, node, factor):
    """Multiply the first output of a node, under the name that it had."""
    value, name = node.outputs[0], node.outputs[0].name
    tensor = ir.tensor(np.float32(factor))
    by = ir.Value(name=f"{name}_by", type=ir.TensorType(tensor.dtype), shape=ir.Shape([]), const_value=tensor)
    graph.register_initializer(by)
    product = ir.Node("", "Mul", [value, by])
    result = product.outputs[0]
    ir.convenience.replace_all_uses_with(value, result, replace_graph_outputs=True)
    product.replace_input_with(0, value)
    result.type, result.shape = value.type, value.shape
    value.name, result.name = f"{name}_raw", name
    graph.insert_after(node, product)
