"""Linear layers as products of integers, whose activations are quantized anew at every call."""

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.building import Editor
from burnish.compress.quantize.coding import BLOCK, by_channel, four_bits
from burnish.compress.quantize.layers import Linear, linear_layers, listed
from burnish.compress.quantize.nibbles import pack, unpack
from burnish.compress.quantize.report import Quantized, QuantReport
from burnish.compress.quantize.scheme import QuantScheme
from burnish.errors import UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.runtime.machine import fingerprint

_LARGEST = {True: 63, False: 127}
"""Code of a weight, by whether its range is reduced to 7 bits."""


def quantize_dynamic(graph: ComputeGraph, scheme: QuantScheme) -> Quantized:
    """Quantize linear layers to 8 bits; no samples are needed.

    The graph is one of the standard's operators (DynamicQuantizeLinear, MatMulInteger), so every engine reads it.
    ONNX Runtime fuses them to its integer kernel. OpenVINO 2026.4 computes the same, slower than in floating
    point.

    With ``weight_bits=4`` the file holds 4 bits in blocks of 32; engines unpack them to 8 bits when they load it, so
    that a call costs the same. A layer whose rows are no multiple of 32 keeps 8.

    Args:
        graph: Float graph; not changed.
        scheme: ``per_channel``, ``reduce_range``, ``weight_bits`` and the nodes that stay float.

    Returns:
        The quantized graph, and in its report why other multiplying nodes stay in floating point.

    Raises:
        UnsupportedOpError: There is no linear layer; the text says why each multiplying node is none.
        NotFoundError: The scheme names a node that the graph does not have.
    """
    editor = Editor(graph)
    layers, left = linear_layers(editor.graph, scheme)
    if not layers:
        raise UnsupportedOpError(
            "dynamic quantization needs a linear layer, and none may be quantized",
            hint="; ".join(listed(left)) or "take the method static or weight-only",
        )
    reduce_range = not fingerprint().has_int8_dot if scheme.reduce_range is None else scheme.reduce_range
    rewriting = _Rewriting(editor, scheme, _LARGEST[reduce_range])
    for layer in layers:
        rewriting.rewrite(layer)
    return Quantized(editor.finish(), QuantReport(left, reduce_range=reduce_range))


class _Rewriting:
    """Layers one after the other; what two of them share is quantized once."""

    def __init__(self, editor: Editor, scheme: QuantScheme, largest: int) -> None:
        self._editor, self._scheme, self._largest = editor, scheme, largest
        self._inputs: dict[ir.Value, tuple[ir.Value, ...]] = {}
        self._weights: dict[tuple[ir.Value, bool], tuple[ir.Value, ir.Value]] = {}

    def rewrite(self, layer: Linear) -> None:
        node, edit = layer.node, self._editor
        key = layer.weight, layer.transposed
        if key not in self._weights:
            self._weights[key] = self._stored(layer)
        codes, scales = self._weights[key]
        x, x_scale, x_zero = self._input(layer)
        product = edit.before(node, "MatMulInteger", x, codes, x_zero)
        scale = edit.before(node, "Mul", x_scale, scales)
        real = edit.before(node, "Cast", product, to=int(ir.DataType.FLOAT))
        result = edit.before(node, "Mul", real, scale)
        if layer.bias is not None:
            result = edit.before(node, "Add", result, layer.bias)
        edit.replace(node, result)

    def _input(self, layer: Linear) -> tuple[ir.Value, ...]:
        x = layer.x
        if x not in self._inputs:
            self._inputs[x] = self._editor.several(layer.node, "DynamicQuantizeLinear", x, outputs=3)
        return self._inputs[x]

    def _stored(self, layer: Linear) -> tuple[ir.Value, ir.Value]:
        """Store a weight; return its codes of 8 bits, (K, N), and the scales of its columns."""
        matrix, name = layer.matrix, layer.weight.name or "weight"
        if self._scheme.weight_bits == 4 and matrix.shape[0] % BLOCK == 0:
            return self._packed(layer.node, matrix, name)
        coded = by_channel(matrix, 1 if self._scheme.per_channel else None, largest=self._largest)
        scales = self._editor.weight(np.squeeze(coded.scales), f"{name}_scale")
        return self._editor.weight(coded.codes, f"{name}_int8"), scales

    def _packed(self, node: ir.Node, matrix: Array, name: str) -> tuple[ir.Value, ir.Value]:
        """Store 4-bit codes of blocks, and nodes that put them on the 8-bit grid of their column."""
        edit, (rows, columns) = self._editor, matrix.shape
        coded = four_bits(matrix.T.reshape(columns, rows // BLOCK, BLOCK))
        scales = by_channel(coded.weights().reshape(columns, rows), 0, largest=self._largest).scales
        ratios = (coded.scales / scales[..., None]).astype(np.float16)
        stored = edit.weight(pack(coded.codes), f"{name}_int4")
        ratio = edit.before(
            node, "Cast", edit.weight(ratios, f"{name}_block_scale"), to=int(ir.DataType.FLOAT)
        )
        fine = edit.before(node, "Mul", unpack(edit, node, stored), ratio)
        whole = edit.before(node, "Cast", edit.before(node, "Round", fine), to=int(ir.DataType.INT8))
        shape = edit.weight(np.array([columns, rows], np.int64), f"{name}_shape")
        codes = edit.before(node, "Transpose", edit.before(node, "Reshape", whole, shape), perm=[1, 0])
        return codes, edit.weight(scales.reshape(-1), f"{name}_scale")
