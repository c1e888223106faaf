"""Small graphs of one layer each, as an engine would run the layer inside a network."""

import numpy as np
import onnx_ir as ir

from burnish.compress.pruning.layer_shapes import LayerShape
from burnish.compress.target_engine import Precision
from burnish.evaluate.micro.sketch import Sketch
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array

_SCALE = np.float32(1 / 32)
"""Of quantized numbers: standard-normal ones fit, and how large they are costs an engine nothing."""


def probe(shape: LayerShape, batch: int, precision: Precision) -> tuple[ComputeGraph, dict[str, Array]]:
    """Return a graph of the layer followed by a ReLU, and its inputs.

    An image passes a cheap layer before and is averaged afterwards: so the layer reads the layout that the engine
    keeps images in, as it does in a network.

    Args:
        shape: The layer.
        batch: Examples.
        precision: ``int8`` puts QuantizeLinear and DequantizeLinear where engines look for them.
    """
    sketch = Sketch()
    numbers = _Integers(sketch) if precision == "int8" else _Floats(sketch)
    draw = _linear if shape.kind == "linear" else _convolution
    return sketch.graph([draw(sketch, numbers, shape, batch)]), sketch.feeds


def _linear(sketch: Sketch, numbers: "_Floats", shape: LayerShape, batch: int) -> ir.Value:
    x = numbers.passed(sketch.input(batch, *shape.sizes, shape.inner))
    weight = numbers.weight(shape.inner, shape.outer, depth=shape.inner)
    if shape.sizes:
        y = sketch.add("Add", sketch.add("MatMul", x, weight), sketch.weight(shape.outer))
    else:
        y = sketch.add("Gemm", x, weight, sketch.weight(shape.outer))
    return numbers.passed(sketch.add("Relu", y))


def _convolution(sketch: Sketch, numbers: "_Floats", shape: LayerShape, batch: int) -> ir.Value:
    x = numbers.passed(sketch.input(batch, shape.inner, *shape.sizes))
    one = [1] * len(shape.sizes)
    scaler = numbers.weight(shape.inner, 1, *one)
    x = numbers.passed(sketch.add("Conv", x, scaler, kernel_shape=one, group=shape.inner))
    depth = shape.inner // shape.groups
    ends = (shape.outer, depth) if shape.kind == "conv" else (shape.inner, shape.outer // shape.groups)
    weight = numbers.weight(*ends, *shape.kernel, depth=depth * int(np.prod(shape.kernel)))
    y = sketch.add(
        "Conv" if shape.kind == "conv" else "ConvTranspose",
        x,
        weight,
        kernel_shape=shape.kernel,
        strides=shape.stride,
        pads=[*shape.padding, *shape.padding],
        dilations=shape.dilation,
        group=shape.groups,
    )
    return sketch.add("GlobalAveragePool", numbers.passed(sketch.add("Relu", y)))


class _Floats:
    """Numbers as they are."""

    def __init__(self, sketch: Sketch) -> None:
        self._sketch = sketch

    def passed(self, x: ir.Value) -> ir.Value:
        """Return the activation as the next layer reads it."""
        return x

    def weight(self, *shape: int, depth: int = 1) -> ir.Value:
        """Return a weight as the layer reads it."""
        return self._sketch.weight(*shape, depth=depth)


class _Integers(_Floats):
    """Numbers through 8 bits."""

    def passed(self, x: ir.Value) -> ir.Value:
        zero = self._sketch.constant(np.array(128, np.uint8))
        scale = self._sketch.constant(_SCALE)
        integers = self._sketch.add("QuantizeLinear", x, scale, zero)
        return self._sketch.add("DequantizeLinear", integers, scale, zero)

    def weight(self, *shape: int, depth: int = 1) -> ir.Value:
        drawn = np.random.default_rng(depth).integers(-64, 64, shape, np.int8)  # 7 bits saturate nowhere
        zero = self._sketch.constant(np.array(0, np.int8))
        scale = self._sketch.constant(np.float32(depth**-0.5 / 32))
        return self._sketch.add("DequantizeLinear", self._sketch.constant(drawn), scale, zero)
