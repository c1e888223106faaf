"""Putting QuantizeLinear and DequantizeLinear where engines look for them, with ranges of ours."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx

from burnish.compress.quantize.plan import Selection
from burnish.compress.quantize.ranges import Grid, Range
from burnish.compress.quantize.scheme import QuantScheme
from burnish.graph import ComputeGraph
from burnish.runtime.machine import Machine, fingerprint

_DOT_PRODUCTS_OF_SIGNED = ("asimddp", "i8mm")
"""Instruction sets (ARM's) whose product of signed numbers is the fast one."""
_INFERRED = ("onnx.infer", "onnxruntime.quant")
"""What the quantizer notes in a model whose shapes it knows; it writes it to disk and back without."""


@dataclass(frozen=True, slots=True)
class Integers:
    """The kinds of integers that a scheme comes to on a machine."""

    activation: Literal["uint8", "int8"]
    """``int8`` is symmetric about zero, as TensorRT reads it."""
    reduce_range: bool
    """Weights have 7 bits."""

    @property
    def grid(self) -> Grid:
        """The levels of an activation."""
        return Grid(symmetric=self.activation == "int8")


def integers(scheme: QuantScheme, machine: Machine | None = None) -> Integers:
    """Decide what a scheme leaves to the machine.

    Processors with x86 instructions multiply unsigned activations by signed weights, those of ARM two signed numbers.
    Without a product that sums in 32 bits, pairs of 8-bit products overflow 16 bits: weights get 7.

    Args:
        scheme: What was asked for.
        machine: Where the graph will run; None for this one.
    """
    machine = machine or fingerprint()
    activation = scheme.activation
    if activation == "auto":
        activation = "int8" if set(_DOT_PRODUCTS_OF_SIGNED) & set(machine.flags) else "uint8"
    reduce = not machine.has_int8_dot if scheme.reduce_range is None else scheme.reduce_range
    return Integers(activation, reduce)


def place(
    graph: ComputeGraph, plan: Selection, ranges: Mapping[str, Range], kinds: Integers, *, per_channel: bool
) -> ComputeGraph:
    """Return the graph in integers.

    Args:
        graph: Prepared float graph.
        plan: What is quantized.
        ranges: Of each activation in the plan.
        kinds: The integers.
        per_channel: A scale for each output channel of a weight.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import TensorData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    proto = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(graph.to_bytes()))
    proto.metadata_props.add(key=_INFERRED[0], value=_INFERRED[1])
    symmetric = kinds.grid.symmetric
    data = {
        name: TensorData(lowest=np.float32(kept.low), highest=np.float32(kept.high))
        for name, kept in ranges.items()
    }
    with _quiet():
        quantizer = QDQQuantizer(
            proto,
            per_channel,
            kinds.reduce_range,
            QuantType.QInt8,
            QuantType.QInt8 if symmetric else QuantType.QUInt8,
            data,
            list(plan.nodes),
            [],
            sorted({node.op_type for node in proto.graph.node}),
            {
                "ActivationSymmetric": symmetric,
                "QuantizeBias": not symmetric,  # TensorRT takes no integers of 32 bits
                "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"],
                "QDQOpTypePerChannelSupportToAxis": {"MatMul": -1},
            },
        )
        done = quantizer.quantize_model()
        quantizer.model.topological_sort()
    kept_notes = {item.key: item.value for item in done.metadata_props if item.key != _INFERRED[0]}
    onnx.helper.set_model_props(done, kept_notes)
    return ComputeGraph(done.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizer's advice about its own pre-processing out of the user's terminal."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
