"""Golden samples: a few inputs and the outputs that belong to them, as one npz file without pickle."""

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.bundle.container import ZIP_DAMAGE
from burnish.errors import ArtifactError, InputError, ParityError

if TYPE_CHECKING:
    from burnish.graph.signature import Array, Signature

Samples = dict[str, "Array"]
_SIDES = ("input", "output")
# Other processors sum in another order; a wrong model is off by far more.
_RELATIVE, _ABSOLUTE = 1e-2, 1e-3


def encode(inputs: Mapping[str, "Array"], outputs: Mapping[str, "Array"]) -> bytes:
    """Write golden samples.

    Raises:
        InputError: An array holds Python objects that are no strings.
    """
    arrays: dict[str, Any] = {}
    for side, samples in zip(_SIDES, (inputs, outputs), strict=True):
        arrays |= {f"{side}/{name}": _plain(name, array) for name, array in samples.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def decode(data: bytes, signature: "Signature", *, source: str) -> tuple[Samples, Samples]:
    """Read golden samples, as `encode` wrote them for a graph of this signature.

    Raises:
        ArtifactError: They are damaged, hold pickled objects, are compressed, or do not fit the signature.
    """
    found: dict[str, Samples] = {side: {} for side in _SIDES}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ArtifactError(f"{source}: its golden samples are compressed; they are stored")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            for key in arrays.files:
                side, _, name = key.partition("/")
                found[side][name] = arrays[key]
    except (KeyError, MemoryError, *ZIP_DAMAGE) as error:
        raise ArtifactError(f"{source}: its golden samples cannot be read: {error}") from error
    pairs = zip((signature.inputs, signature.outputs), found.values(), strict=True)
    inputs, outputs = (_restored(specs, samples, source) for specs, samples in pairs)
    return inputs, outputs


def check_golden(expected: Mapping[str, "Array"], got: Mapping[str, "Array"]) -> float:
    """Compare an engine's outputs with the golden ones.

    Returns:
        The largest absolute error.

    Raises:
        ParityError: An output is missing, has another shape or is too far off; the text says by how much.
    """
    largest = 0.0
    for name, wanted in expected.items():
        if name not in got or got[name].shape != wanted.shape:
            shape = got[name].shape if name in got else "absent"
            raise ParityError(f"golden output {name!r} has shape {wanted.shape}, here it is {shape}")
        if wanted.dtype.kind not in "fV":  # V: bfloat16
            if not np.array_equal(got[name], wanted):
                raise ParityError(f"golden output {name!r} differs on this engine")
            continue
        x, y = wanted.astype(np.float64), got[name].astype(np.float64)
        finite = np.isfinite(x)
        error = float(np.abs(x[finite] - y[finite]).max(initial=0.0))
        allowed = _ABSOLUTE + _RELATIVE * float(np.abs(x[finite]).max(initial=1.0))
        same_rest = np.array_equal(x[~finite], y[~finite], equal_nan=True)
        if not (error <= allowed and same_rest):
            raise ParityError(
                f"golden output {name!r} is off by {error:.3g}, allowed is {allowed:.3g}",
                hint="the engine here computes something else than where the bundle was made",
            )
        largest = max(largest, error)
    return largest


def _plain(name: str, array: "Array") -> "Array":
    if array.dtype == object:
        try:
            return array.astype(np.str_) if all(isinstance(x, str) for x in array.flat) else _bytes(array)
        except (UnicodeDecodeError, AttributeError) as error:
            raise InputError(f"golden sample {name!r} holds objects that are no strings") from error
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _bytes(array: "Array") -> "Array":
    texts = [x if isinstance(x, str) else x.decode() for x in array.flat]
    return np.array(texts, dtype=np.str_).reshape(array.shape)


def _restored(specs: Any, samples: Samples, source: str) -> Samples:
    from burnish.graph.signature import numpy_dtype

    by_name = {spec.name: spec for spec in specs}
    if set(by_name) != set(samples):
        raise ArtifactError(
            f"{source}: its golden samples are of {sorted(samples)}, the signature has {sorted(by_name)}"
        )
    restored: Samples = {}
    for name, array in samples.items():
        dtype = numpy_dtype(by_name[name].dtype)
        if by_name[name].dtype == "string" and array.dtype.kind == "U":
            array = array.astype(object)
        elif dtype.name == "bfloat16" and array.dtype == np.uint16:
            array = array.view(dtype)
        if array.dtype != dtype:
            raise ArtifactError(
                f"{source}: golden sample {name!r} is {array.dtype}, the signature says {dtype}"
            )
        restored[name] = array
    return restored
