"""What a model takes and gives: names, dtypes and shapes, and the check that an input fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Any, Literal, get_args

import ml_dtypes
import numpy as np
import numpy.typing as npt

from burnish.errors import InternalError, ShapeError, nearest

DType = Literal[
    "float32", "float64", "float16", "bfloat16", "bool", "string",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip
DTYPES: tuple[DType, ...] = get_args(DType)
Dim = int | str
Array = npt.NDArray[Any]


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """Return the numpy dtype that holds a tensor dtype; strings are held as objects."""
    if dtype == "string":
        return np.dtype(object)
    return np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)


_FROM_NUMPY: dict[np.dtype[Any], DType] = {numpy_dtype(dtype): dtype for dtype in DTYPES}


def dtype_of(array: Array) -> DType:
    """Return the tensor dtype of an array.

    Raises:
        ShapeError: No tensor dtype corresponds to it.
    """
    found = _FROM_NUMPY.get(array.dtype)
    if found is None and array.dtype.kind in "OSU":
        return "string"
    if found is None:  # the bytes of another machine, or no tensor dtype at all
        found = _FROM_NUMPY.get(array.dtype.newbyteorder("="))
    if found is not None:
        return found
    raise ShapeError(f"arrays of dtype {array.dtype} cannot be tensors", hint=f"one of {', '.join(DTYPES)}")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. A dimension is a size, or a symbol such as ``"batch"`` that varies.

    Two specs are equal when the same arrays fit them: what is noted beside the shape does not count.
    """

    name: str
    dtype: DType
    shape: tuple[Dim, ...]
    ragged: tuple[int, ...] = field(default=(), compare=False)
    """Axes whose size may differ from row to row; shorter rows are padded."""
    layout: str | None = field(default=None, compare=False)
    """What each axis is, one letter an axis, such as ``NCHW``, ``NHWC`` or ``BL``; None when nobody said."""

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"

    def check(self, array: Array) -> None:
        """Raise a `ShapeError` that says which dimension differs, what was expected and what came."""
        got = dtype_of(array)
        if got != self.dtype:
            raise ShapeError(
                f"input {self.name!r}: expected {self.dtype}, got {got}", hint=f"expected {self}"
            )
        if array.ndim != len(self.shape):
            raise ShapeError(
                f"input {self.name!r}: expected {len(self.shape)} dimensions, got shape {list(array.shape)}",
                hint=f"expected {self}",
            )
        for axis, (expected, size) in enumerate(zip(self.shape, array.shape, strict=True)):
            if expected != size and isinstance(expected, int):
                raise ShapeError(
                    f"input {self.name!r}: dimension {axis} must be {expected}, got {size}",
                    hint=f"expected {self}",
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-ready data; notes appear only where there are any."""
        notes: dict[str, Any] = {"ragged": list(self.ragged)} if self.ragged else {}
        if self.layout is not None:
            notes["layout"] = self.layout
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), **notes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TensorSpec":
        """Rebuild a spec from `to_dict`'s data."""
        name, dtype, shape = data["name"], data["dtype"], tuple(data["shape"])
        ragged = tuple(map(index, data.get("ragged", ())))
        return cls(name, dtype, shape, ragged, data.get("layout"))


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a graph, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in order."""
        return [spec.name for spec in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order."""
        return [spec.name for spec in self.outputs]

    @property
    def batch_symbol(self) -> str | None:
        """The symbol of the leading dimension when every input and output shares one, else None."""
        leading = {spec.shape[0] if spec.shape else 1 for spec in (*self.inputs, *self.outputs)}
        symbol = leading.pop() if len(leading) == 1 else None
        return symbol if isinstance(symbol, str) else None

    def check(self, inputs: Mapping[str, Array]) -> None:
        """Check names, dtypes, ranks and sizes, and that equal symbols have equal sizes.

        Raises:
            ShapeError: Which input, what was expected, what came.
        """
        for spec in self.inputs:
            array = inputs.get(spec.name)
            if array is None:
                raise self._misnamed(inputs) or ShapeError(
                    f"input {spec.name!r} is missing", hint=f"expected {spec}"
                )
            spec.check(array)
        if len(inputs) != len(self.inputs):
            raise self._misnamed(inputs) or InternalError("a mapping with equal names has another length")
        self._check_symbols(inputs)

    def _misnamed(self, inputs: Mapping[str, Array]) -> ShapeError | None:
        """Return the error of a name that the graph does not have: the likeliest reason why one is missing."""
        names = self.input_names
        unknown = next((name for name in inputs if name not in names), None)
        return (
            ShapeError(f"unknown input {unknown!r}", hint=nearest(unknown, names))
            if unknown is not None
            else None
        )

    def _check_symbols(self, inputs: Mapping[str, Array]) -> None:
        bound: dict[str, tuple[int, str]] = {}
        for spec in self.inputs:
            for expected, size in zip(spec.shape, inputs[spec.name].shape, strict=True):
                if isinstance(expected, str):
                    first, where = bound.setdefault(expected, (size, spec.name))
                    if first != size:
                        raise ShapeError(
                            f"{expected!r} is {first} in input {where!r} but {size} in {spec.name!r}",
                            hint="inputs of one request share it",
                        )

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return the signature as plain JSON-ready data; `from_dict` is its inverse."""
        return {
            side: [spec.to_dict() for spec in specs]
            for side, specs in (("inputs", self.inputs), ("outputs", self.outputs))
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Signature":
        """Rebuild a signature from `to_dict`'s data."""
        inputs, outputs = (tuple(map(TensorSpec.from_dict, data[side])) for side in ("inputs", "outputs"))
        return cls(inputs, outputs)
