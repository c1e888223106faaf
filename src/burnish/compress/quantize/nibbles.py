"""Two 4-bit codes in a byte, unpacked by operators that every engine has."""

import numpy as np
import onnx_ir as ir

from burnish.compress.quantize.building import Editor
from burnish.graph.signature import Array


def pack(codes: Array) -> Array:
    """Return bytes of half the length of the last axis, which must be even.

    Args:
        codes: In [-8, 7]. The first half of the last axis goes to the low bits, the second to the high ones.
    """
    half = codes.shape[-1] // 2
    stored = (codes.astype(np.int16) + 8).astype(np.uint8)
    return stored[..., :half] | stored[..., half:] << 4


def unpack(editor: Editor, place: ir.Node, packed: ir.Value) -> ir.Value:
    """Put nodes in front of ``place`` that give the codes in floating point.

    Bytes are whole numbers below 256, so that the arithmetic is exact; engines lack shifts more often than it.
    """

    def number(value: float) -> ir.Value:
        return editor.weight(np.asarray(value, np.float32), f"number_{value:g}")

    both = editor.before(place, "Cast", packed, to=int(ir.DataType.FLOAT))
    high = editor.before(place, "Floor", editor.before(place, "Mul", both, number(1 / 16)))
    low = editor.before(place, "Sub", both, editor.before(place, "Mul", high, number(16)))
    return editor.before(place, "Sub", editor.before(place, "Concat", low, high, axis=-1), number(8))
