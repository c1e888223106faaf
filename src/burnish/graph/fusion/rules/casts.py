"""Chains of casts."""

from collections import Counter

import onnx_ir as ir

from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.rewriting import rewrite, rules

_D = ir.DataType
_INTEGERS = {  # bits of the magnitude, and whether negative numbers have a place
    _D.BOOL: (1, False),
    _D.UINT8: (8, False),
    _D.UINT16: (16, False),
    _D.UINT32: (32, False),
    _D.UINT64: (64, False),
    _D.INT8: (7, True),
    _D.INT16: (15, True),
    _D.INT32: (31, True),
    _D.INT64: (63, True),
}
_FLOATS = {  # bits of the significand, and of the exponent
    _D.FLOAT16: (11, 5),
    _D.BFLOAT16: (8, 8),
    _D.FLOAT: (24, 8),
    _D.DOUBLE: (53, 11),
}


def exact(source: ir.DataType | None, target: ir.DataType | None) -> bool:
    """Tell whether every value of one dtype has a place in another."""
    if source == target:
        return source is not None
    if source in _FLOATS:
        return target in _FLOATS and all(
            a <= b for a, b in zip(_FLOATS[source], _FLOATS[target], strict=True)
        )
    if source not in _INTEGERS:
        return False
    bits, signed = _INTEGERS[source]
    if target in _FLOATS:
        return bits <= _FLOATS[target][0]
    # a cast to bool asks whether a number is zero, which keeps nothing else of it
    return target in _INTEGERS and bits <= _INTEGERS[target][0] and signed <= _INTEGERS[target][1]


def _skips(first: ir.DataType | None, middle: ir.DataType, last: ir.DataType) -> bool:
    """Tell whether the cast to ``middle`` makes no difference; first to middle is known to be exact.

    From a float to an integer that cannot hold it, engines differ: such casts are left as they are.
    """
    if last == first or last in _FLOATS or last is _D.BOOL:
        return True
    return last in _INTEGERS and first in _INTEGERS and middle in _INTEGERS


def _casts(model: ir.Model) -> Counter[str]:
    return rewrite(
        model,
        [
            *rules(
                "Cast to its own dtype",
                "Cast",
                lambda op, x, to: op.Cast(x, to=to),
                lambda op, x, **_: op.Identity(x),
                lambda _, x, to: not to.is_ref() and x.dtype == to.as_int(),
            ),
            *rules(
                "Cast of a Cast",
                "Cast",
                lambda op, x, middle, last: op.Cast(op.Cast(x, to=middle), to=last),
                lambda op, x, last, **_: op.Cast(x, to=last),
                _chain,
            ),
        ],
    )


def _chain(_: object, x: ir.Value, middle: ir.Attr, last: ir.Attr) -> bool:
    if middle.is_ref() or last.is_ref():
        return False
    through, end = ir.DataType(middle.as_int()), ir.DataType(last.as_int())
    return exact(x.dtype, through) and _skips(x.dtype, through, end)


PASSES = (
    Contract(
        name="casts",
        about="take out casts to the same dtype and those through one that loses nothing",
        apply=_casts,
    ),
)
