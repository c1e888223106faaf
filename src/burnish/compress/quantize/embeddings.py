"""Embedding tables in 8 or 4 bits, of which a call unpacks only the rows that it reads.

The standard's Gather does not take 4-bit numbers, and DequantizeLinear before it would unpack the whole table at
every call. So the packed bytes are gathered and unpacked by plain arithmetic afterwards: as fast as ONNX Runtime's
own GatherBlockQuantized, and every engine runs it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.building import Editor
from burnish.compress.quantize.coding import BLOCK, Coded, by_channel, four_bits, halved
from burnish.compress.quantize.nibbles import pack, unpack
from burnish.errors import InputError
from burnish.graph import ComputeGraph
from burnish.graph.fusion.values import attribute, constant
from burnish.graph.signature import Array

_SMALLEST = 4096
"""Numbers in a table that is worth the nodes which unpack it."""


@dataclass(frozen=True, slots=True)
class _Table:
    value: ir.Value
    rows: Array
    """(rows, numbers of a row)"""
    readers: tuple[ir.Node, ...]


def quantize_embeddings(
    graph: ComputeGraph, bits: Literal[4, 8], kept: frozenset[str] = frozenset()
) -> tuple[ComputeGraph, dict[str, str]]:
    """Store the tables that Gather or Slice nodes read in fewer bits.

    Args:
        graph: Not changed; it may be quantized otherwise already.
        bits: 8 with a scale for each row, or 4 with a scale for each block of 32 numbers of a row.
        kept: Names of nodes that go on reading floating point.

    Returns:
        The graph, which is the same when it has no table, and by name of a table why it stays as it is.

    Raises:
        InputError: A number in a table is not finite.
    """
    editor = Editor(graph)
    tables, left = _tables(editor.graph, bits, kept)
    for table in tables:
        if not np.isfinite(table.rows).all():
            raise InputError(f"the table {table.value.name!r} holds numbers that are not finite")
        packed = _Packed(editor, table, bits)
        for node in table.readers:
            packed.read(node)
    return (editor.finish() if tables else graph), left


def _tables(graph: ir.Graph, bits: int, kept: frozenset[str]) -> tuple[list[_Table], dict[str, str]]:
    found, left = [], {}
    for value in list(graph.initializers.values()):
        array = constant(value)
        if array is None or array.ndim != 2 or array.dtype != np.float32 or array.size < _SMALLEST:
            continue
        readers = tuple(dict.fromkeys(value.consumers()))
        if not any(_reads_rows(node, value) for node in readers):
            continue
        others = [node for node in readers if not _reads_rows(node, value) or node.name in kept]
        name = value.name or ""
        if others:
            left[name] = f"{others[0].op_type} {others[0].name!r} reads it in floating point too"
        elif value.is_graph_output():
            left[name] = "is an output of the graph"
        elif bits == 4 and array.shape[1] % 2:
            left[name] = f"its rows have an odd length, {array.shape[1]}"
        else:
            found.append(_Table(value, array, readers))
    return found, left


def _reads_rows(node: ir.Node, table: ir.Value) -> bool:
    if node.domain != "" or node.inputs[0] is not table or list(node.inputs).count(table) > 1:
        return False
    if node.op_type == "Gather":
        indices = node.inputs[1]
        return attribute(node, "axis", 0) == 0 and indices is not None and indices.shape is not None
    return node.op_type == "Slice"


class _Packed:
    """One table in its small form, and the nodes that read from it."""

    def __init__(self, editor: Editor, table: _Table, bits: int) -> None:
        self._editor, self._width = editor, table.rows.shape[1]
        coded = _four(table.rows) if bits == 4 else _eight(table.rows)
        name = table.value.name or "table"
        self._is_packed = bits == 4
        self._codes = editor.weight(pack(coded.codes) if bits == 4 else coded.codes, f"{name}_int{bits}")
        self._has_short_scales = coded.scales.dtype == np.float16
        self._scales = editor.weight(coded.scales, f"{name}_scale")

    def read(self, node: ir.Node) -> None:
        """Let a node's readers get their numbers from the small table."""
        indices = node.inputs[1] if node.op_type == "Gather" else None
        if indices is not None and indices.shape is not None:
            codes = self._editor.before(node, "Gather", self._codes, indices, axis=0)
            scales = self._editor.before(node, "Gather", self._scales, indices, axis=0)
            self._editor.replace(node, self._unpacked(node, codes, scales, len(indices.shape)))
        else:  # a part known when the engine loads the graph, which folds what follows into one weight
            node.replace_input_with(0, self._unpacked(node, self._codes, self._scales, 1))

    def _unpacked(self, node: ir.Node, codes: ir.Value, scales: ir.Value, leading: int) -> ir.Value:
        """Return floating point numbers with ``leading`` dimensions before that of a row."""
        edit, to_float = self._editor, int(ir.DataType.FLOAT)
        if self._has_short_scales:
            scales = edit.before(node, "Cast", scales, to=to_float)
        if not self._is_packed:
            return edit.before(node, "Mul", edit.before(node, "Cast", codes, to=to_float), scales)
        numbers = edit.before(node, "Mul", unpack(edit, node, codes), scales)
        shape = edit.weight(np.array([0] * leading + [self._width], np.int64), f"{node.name}_shape")
        return edit.before(node, "Reshape", numbers, shape)


def _four(rows: Array) -> Coded:
    """Return codes and scales of shape (V, blocks, numbers of a block | 1)."""
    height, width = rows.shape
    block = next((size for size in (BLOCK, BLOCK // 2) if width % size == 0), width)
    blocks = rows.reshape(height, width // block, block)
    return halved(four_bits(blocks), blocks)


def _eight(rows: Array) -> Coded:
    coded = by_channel(rows, 0)
    return halved(coded, rows)
