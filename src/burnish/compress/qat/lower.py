"""From rounding in floating point to stored integers with the nodes that engines fuse into integer kernels."""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from burnish.compress.qat.constants import value_of
from burnish.compress.qat.fake_quant import ActivationQuantizer, WeightQuantizer
from burnish.compress.qat.insert import quantizers
from burnish.compress.qat.operators import CONVOLUTIONS, WEIGHTED, aten, operand
from burnish.compress.qat.trace import quiet
from burnish.graph.capture import OPSET

_LARGEST_BIAS = 2.0**30
"""Leaves room for the sum of products beside it in 32 bits."""


def lower(traced: GraphModule, *, integer_biases: bool) -> GraphModule:
    """Return the network with QuantizeLinear and DequantizeLinear in place of its fake quantizers, for export.

    Args:
        traced: Trained; not changed.
        integer_biases: Store biases as integers of 32 bits where a kernel adds such; TensorRT takes none.
    """
    with quiet():
        lowered = copy.deepcopy(traced).eval()
    for node in list(lowered.graph.nodes):
        spec = WEIGHTED.get(node.target)
        if spec is not None and isinstance(_quantizer(lowered, node.args[spec.weight]), WeightQuantizer):
            _lower_product(lowered, node, integer_bias=integer_biases)
    for node, quantizer in list(quantizers(lowered)):
        if isinstance(quantizer, ActivationQuantizer):
            name = f"grids.{str(node.target).rpartition('.')[2]}"
            lowered.add_submodule(name, _Grid(quantizer))
            node.target = name
    lowered.graph.eliminate_dead_code()  # with what counted the steps
    lowered.graph.lint()
    return GraphModule(lowered, lowered.graph)  # takes over only what the graph still uses


def _quantizer(network: nn.Module, node: object) -> nn.Module | None:
    is_call = isinstance(node, Node) and node.op == "call_module"
    return network.get_submodule(str(node.target)) if is_call and isinstance(node, Node) else None


def _lower_product(network: GraphModule, node: Node, *, integer_bias: bool) -> None:
    """Store the weight of a layer as integers, and its bias too where the kernel adds integers."""
    spec = WEIGHTED[node.target]
    data, weight = operand(node, spec.data), operand(node, spec.weight)
    bias = node.args[spec.bias] if spec.bias is not None and len(node.args) > spec.bias else None
    grid = cast("ActivationQuantizer", _quantizer(network, data))
    quantizer = cast("WeightQuantizer", _quantizer(network, weight))
    numbers, scale = value_of(network, operand(weight, 0)).float(), quantizer.current_scale().detach().clone()
    # an engine has no integer addition behind a product of more than two dimensions: the bias stays as it is
    is_wide = node.target not in CONVOLUTIONS and data.meta["val"].ndim != 2
    sums_integers = integer_bias and not is_wide
    offsets = value_of(network, bias).float() if isinstance(bias, Node) and sums_integers else None
    step = grid.current_scale().detach()[0]
    if offsets is not None:
        # a channel that is all but zero has so fine a grid that its bias would leave 32 bits
        needed = offsets.abs() / (_LARGEST_BIAS * step)
        scale = torch.maximum(scale, needed if quantizer.axis is not None else needed.max().reshape(1))
    integers, axis = quantizer.integers(numbers, scale), quantizer.axis
    graph = network.graph
    with graph.inserting_before(node):
        if node.target is aten.linear.default and is_wide:
            axis = None if axis is None else 1 - axis
            call = _stored(network, node, "weight", _Stored(integers.t().contiguous(), scale, axis))
            product = graph.call_function(aten.matmul.default, (data, call))
            result = graph.call_function(aten.add.Tensor, (product, bias)) if bias is not None else product
            node.replace_all_uses_with(result)
            graph.erase_node(node)
            return
        node.update_arg(spec.weight, _stored(network, node, "weight", _Stored(integers, scale, axis)))
        if offsets is not None and spec.bias is not None:
            steps = (step * scale).expand(offsets.shape).contiguous()
            sums = torch.round(offsets.double() / steps.double()).to(torch.int32)
            node.update_arg(spec.bias, _stored(network, node, "bias", _Stored(sums, steps, 0)))


def _stored(network: GraphModule, node: Node, what: str, module: nn.Module) -> Node:
    name = f"stored.{node.name}_{what}"
    network.add_submodule(name, module)
    return network.graph.call_module(name)


class _Grid(nn.Module):
    """An activation becomes integers and comes back."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, quantizer: ActivationQuantizer) -> None:
        super().__init__()
        self.dtype = torch.int8 if quantizer.symmetric else torch.uint8
        self.register_buffer("scale", quantizer.current_scale().detach()[0].clone())
        self.register_buffer("zero_point", quantizer.zero_point[0].to(self.dtype))

    def forward(self, x: Tensor) -> Tensor:
        operands = (x, self.scale, self.zero_point)
        integers = torch.onnx.ops.symbolic(
            "QuantizeLinear", operands, dtype=self.dtype, shape=x.shape, version=OPSET
        )
        return _floats(integers, self.scale, self.zero_point, axis=None)


class _Stored(nn.Module):
    """Integers in the file, read as the numbers that they stand for."""

    integers: Tensor
    scale: Tensor
    zero_point: Tensor

    def __init__(self, integers: Tensor, scale: Tensor, axis: int | None) -> None:
        super().__init__()
        self.axis = axis
        scale = scale.reshape(()) if axis is None else scale
        self.register_buffer("integers", integers)
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", torch.zeros_like(scale, dtype=integers.dtype))

    def forward(self) -> Tensor:
        return _floats(self.integers, self.scale, self.zero_point, self.axis)


def _floats(integers: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None) -> Tensor:
    floats: Tensor = torch.onnx.ops.symbolic(
        "DequantizeLinear",
        (integers, scale, zero_point),
        {"axis": axis} if axis is not None else {},
        dtype=torch.float32,
        shape=integers.shape,
        version=OPSET,
    )
    return floats
