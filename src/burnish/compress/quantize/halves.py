"""Arithmetic in 16 bits: float16 or bfloat16 instead of float32, inputs and outputs as they were."""

from typing import Literal

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from burnish.compress.quantize.building import Editor
from burnish.compress.quantize.layers import ASKED, kept_float, listed
from burnish.compress.quantize.report import Quantized, QuantReport
from burnish.compress.quantize.scheme import QuantScheme
from burnish.errors import UnsupportedOpError
from burnish.graph import ComputeGraph
from burnish.graph.fusion.values import constant
from burnish.graph.signature import Array

Half = Literal["float16", "bfloat16"]
_DTYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
_TOPS = {"float16": 65504.0, "bfloat16": (2 - 2**-7) * 2.0**127}
"""The largest finite numbers."""
_SIZES = frozenset(("Shape", "Size"))
"""Operators that read no number, so that a cast before them would be for nothing."""
_VALUE_IN = {"Constant": "value", "ConstantOfShape": "value"}
_OPSETS = {"float16": 13, "bfloat16": 22}
"""The first opset in which convolutions and pooling take the format, as far as they do."""


def to_halves(graph: ComputeGraph, scheme: QuantScheme) -> Quantized:
    """Let every node that may compute in 16 bits do so.

    The file halves. Whether a call becomes faster is the engine's affair, which also refuses the graph where it has
    no kernel: ONNX Runtime on a processor computes float16 by way of float32 and has no bfloat16; GPUs have both.

    Args:
        graph: Float graph; not changed.
        scheme: ``method`` names the format; nodes of ``keep_float`` stay in 32 bits.

    Returns:
        The graph with casts at its borders, and in its report why nodes stay in 32 bits.

    Raises:
        UnsupportedOpError: No node can compute in this format.
        NotFoundError: The scheme names a node that the graph does not have.
    """
    half: Half = "bfloat16" if scheme.method == "bfloat16" else "float16"
    if graph.model.opset_imports.get("", 0) < _OPSETS[half]:
        graph = graph.convert(_OPSETS[half])
    editor = Editor(graph)
    ShapeInferencePass()(editor.model)
    kept, left, halved = kept_float(editor.graph, scheme), {}, []
    for node in editor.graph:
        if node.op_type not in _SIZES and any(value.dtype == ir.DataType.FLOAT for value in _tensors(node)):
            reason = ASKED if node.name in kept else _why_not(node, half, editor.model)
            if reason:
                left[node.name or ""] = reason
            else:
                halved.append(node)
    if not halved:
        raise UnsupportedOpError(f"no node can compute in {half}", hint="; ".join(listed(left)))
    _Casting(editor, half, halved).rewrite()
    return Quantized(editor.finish(), QuantReport(left))


def _tensors(node: ir.Node) -> list[ir.Value]:
    return [value for value in (*node.inputs, *node.outputs) if value is not None]


def _with_inner(node: ir.Node) -> list[ir.Node]:
    """Return a node and those of the graphs inside it."""
    found = [node]
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found += attribute.as_graph().all_nodes()
        elif attribute.type == ir.AttributeType.GRAPHS:
            found += (inner for graph in attribute.as_graphs() for inner in graph.all_nodes())
    return found


def _why_not(node: ir.Node, half: Half, model: ir.Model) -> str:
    """Return why a node must stay in 32 bits, or nothing."""
    if node.domain != "":
        return f"{node.op_type} is not one of the standard's operators"
    if len(_with_inner(node)) > 1:
        return f"{node.op_type} holds graphs of its own"
    if "dtype" in node.attributes:
        return f"{node.op_type} names the dtype that it gives"
    if node.op_type == "Transpose" and _crashes(node):
        return "ONNX Runtime 1.32 crashes on it in front of a product (microsoft/onnxruntime#28392)"
    version = model.opset_imports.get("", 1)
    schema = onnx.defs.get_schema(node.op_type, version, "")
    for values, formals in ((node.inputs, schema.inputs), (node.outputs, schema.outputs)):
        for number, value in enumerate(values):
            formal = formals[min(number, len(formals) - 1)]
            if (
                value is not None
                and value.dtype == ir.DataType.FLOAT
                and f"tensor({half})" not in formal.types
            ):
                return f"{node.op_type} of opset {version} does not take {half} as {formal.name}"
    for value in node.inputs:
        array = constant(value)
        if array is not None and array.dtype == np.float32 and array.size > 1 and not _fits(array, half):
            return f"{value.name!r} holds numbers beyond {half}" if value is not None else ""
    return ""


def _crashes(node: ir.Node) -> bool:
    """Tell whether a Transpose leaves the last axis where it is and a product with a weight reads it."""
    moved = node.attributes["perm"].value if "perm" in node.attributes else ()
    if not moved or moved[-1] != len(moved) - 1:
        return False
    return any(
        reader.op_type == "MatMul" and constant(reader.inputs[1]) is not None
        for reader in node.outputs[0].consumers()
    )


def _fits(array: Array, half: Half) -> bool:
    finite = array[np.isfinite(array)]
    return not finite.size or float(np.abs(finite).max()) <= _TOPS[half]


class _Casting:
    """Values in both formats, each cast at most once."""

    def __init__(self, editor: Editor, half: Half, halved: list[ir.Node]) -> None:
        self._editor, self._halved = editor, halved
        self._dtype, self._top, self._half = _DTYPES[half], _TOPS[half], ir.DataType[half.upper()]
        self._cast: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
        self._made = {value for node in halved for value in node.outputs if value.dtype == ir.DataType.FLOAT}

    def rewrite(self) -> None:
        """Change the formats of nodes and put casts where two formats meet."""
        wanted = set(self._halved)
        for node in list(self._editor.graph):
            if node in wanted:
                self._read_halves(node)
            elif node.op_type not in _SIZES:
                self._read_floats(node)
        for node in self._halved:
            self._give_halves(node)
        self._give_floats_outside()

    def _read_halves(self, node: ir.Node) -> None:
        for place, value in enumerate(node.inputs):
            if value is not None and value.dtype == ir.DataType.FLOAT and value not in self._made:
                node.replace_input_with(place, self._as(value, self._half, node))

    def _read_floats(self, node: ir.Node) -> None:
        for reader in _with_inner(node):
            for place, value in enumerate(reader.inputs):
                if value is not None and value in self._made:
                    reader.replace_input_with(place, self._as(value, ir.DataType.FLOAT, node))

    def _give_halves(self, node: ir.Node) -> None:
        if node.op_type == "Cast" and node.attributes["to"].value == int(ir.DataType.FLOAT):
            node.attributes["to"] = ir.AttrInt64("to", int(self._half))
        key = _VALUE_IN.get(node.op_type, "")
        if key in node.attributes:
            array = node.attributes[key].value.numpy()
            node.attributes[key] = ir.AttrTensor(key, ir.tensor(self._short(array)))
        for value in node.outputs:
            if value in self._made:
                value.type = ir.TensorType(self._half)

    def _give_floats_outside(self) -> None:
        outputs = self._editor.graph.outputs
        for number, value in enumerate(outputs):
            if value not in self._made:
                continue
            cast = ir.node("Cast", [value], {"to": int(ir.DataType.FLOAT)})
            result = cast.outputs[0]
            name, value.name = value.name, f"{value.name}_half"
            result.name, result.shape, result.type = name, value.shape, ir.TensorType(ir.DataType.FLOAT)
            self._editor.graph.append(cast)
            outputs[number] = result

    def _as(self, value: ir.Value, dtype: ir.DataType, node: ir.Node) -> ir.Value:
        """Return a value in another format."""
        key = value, dtype
        if key not in self._cast:
            array = constant(value) if value.is_initializer() else None
            if array is not None and dtype == self._half:
                self._cast[key] = self._editor.weight(self._short(array), f"{value.name}_half")
            else:
                self._cast[key] = self._editor.before(node, "Cast", value, to=int(dtype))
        return self._cast[key]

    def _short(self, array: Array) -> Array:
        """Round to 16 bits; a number beyond them, such as that which masks, becomes the last one before infinity."""
        kept: Array = np.where(np.isfinite(array), np.clip(array, -self._top, self._top), array)
        return kept.astype(self._dtype)
