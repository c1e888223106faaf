"""A model as bytes or files. One ONNX message holds less than 2 GB; larger weights lie in a file beside it."""

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import onnx
import onnx_ir as ir

from burnish.errors import InputError
from burnish.files import atomic_writer, write_atomic
from burnish.units import format_bytes

MESSAGE_LIMIT_BYTES = onnx.checker.MAXIMUM_PROTOBUF
_SMALL_BYTES = 1024  # a tensor below it stays inside the message: engines read shapes while they load
_ALIGNMENT = 4096  # of a weight in the data file, so that an engine can map it

_Key = tuple[int, str]


class _Sink(Protocol):
    def write(self, data: memoryview | bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that a model was read from, as it was then."""

    path: Path
    stamp: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path) -> "Origin | None":
        """Return the present state of a file, or None when there is none."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(path, (found.st_ino, found.st_size, found.st_mtime_ns))

    def is_current(self) -> bool:
        """Tell whether the file is still the one that was read."""
        return Origin.of(self.path) == self


def weight_bytes(model: ir.Model) -> int:
    """Return the bytes of all stored weights."""
    return sum(tensor.nbytes for tensor in _weights(model).values())


def fits_one_message(model: ir.Model) -> bool:
    """Tell whether the model can be one serialized message."""
    return weight_bytes(model) < MESSAGE_LIMIT_BYTES


def to_bytes(model: ir.Model) -> bytes:
    """Serialize, weights included; equal models give equal bytes.

    Raises:
        InputError: The weights are too large for one message.
    """
    if not fits_one_message(model):
        raise InputError(
            f"{format_bytes(weight_bytes(model))} of weights do not fit one ONNX message",
            hint=f"its limit is {format_bytes(MESSAGE_LIMIT_BYTES)}; save the graph to a file instead",
        )
    inside = {
        key: ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=tensor.name)
        for key, tensor in _weights(model).items()
        if isinstance(tensor, ir.ExternalTensor)
    }
    return _serialized(model, inside)


def save(model: ir.Model, path: Path) -> None:
    """Write a model so that readers of ``path`` see the old one or the new one, never a part.

    Weights that do not fit the message go to one file beside it, whose name holds the digest of its content. It is
    on disk before the message that names it takes its place, and older ones are removed after: no moment shows a
    message with the data of another.
    """
    if fits_one_message(model):
        write_atomic(path, to_bytes(model))
        _remove_data(path, keep=None)
        return
    outside = {key: tensor for key, tensor in _weights(model).items() if _goes_outside(tensor)}
    digest = hashlib.sha256()
    _write_data(outside, _Hash(digest))
    name = f"{path.name}.{digest.hexdigest()[:16]}.data"
    with atomic_writer(path.parent / name) as stream:
        offsets = _write_data(outside, stream)
    placed = {
        key: ir.ExternalTensor(
            name,
            offsets[key],
            tensor.nbytes,
            dtype=tensor.dtype,
            shape=ir.Shape(tensor.shape.numpy()),
            name=tensor.name or "",
            base_dir=path.parent,
        )
        for key, tensor in outside.items()
    }
    small = {
        key: ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=tensor.name)
        for key, tensor in _weights(model).items()
        if key not in placed
    }
    write_atomic(path, _serialized(model, {**small, **placed}))
    _remove_data(path, keep=name)


@contextmanager
def as_file(model: ir.Model) -> Iterator[Path]:
    """Give the model as a file that is removed afterwards; what an engine has mapped by then stays readable."""
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        path = Path(folder) / "model.onnx"
        save(model, path)
        yield path


def raw(tensor: ir.TensorProtocol) -> memoryview | bytes:
    """Return a tensor's bytes as ONNX stores them, without a copy where its memory already holds them."""
    if tensor.dtype == ir.DataType.STRING:
        return b"".join(
            len(item).to_bytes(8, "little") + item for item in tensor.numpy().reshape(-1).tolist()
        )
    if tensor.dtype.bitwidth < 8:
        return tensor.tobytes()
    flat = np.ascontiguousarray(tensor.numpy()).reshape(-1)
    return flat.view(np.uint8).data


def _goes_outside(tensor: ir.TensorProtocol) -> bool:
    return tensor.nbytes >= _SMALL_BYTES and tensor.dtype != ir.DataType.STRING


class _Hash:
    """A digest that can be written to like a stream."""

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, data: memoryview | bytes, /) -> object:
        self._digest.update(data)
        return None


def _weights(model: ir.Model) -> dict[_Key, ir.TensorProtocol]:
    """Return the stored weights by graph and name: names may repeat between graphs."""
    return {
        (number, name): value.const_value
        for number, graph in enumerate(model.graphs())
        for name, value in graph.initializers.items()
        if value.const_value is not None
    }


def _serialized(model: ir.Model, weights: Mapping[_Key, ir.TensorProtocol]) -> bytes:
    """Serialize with other tensors in the place of some weights; the model itself keeps its own."""
    if weights:
        model = model.clone()
        graphs = list(model.graphs())
        for (number, name), tensor in weights.items():
            graphs[number].initializers[name].const_value = tensor
    data: bytes = ir.serde.serialize_model(model).SerializeToString(deterministic=True)
    return data


def _write_data(tensors: dict[_Key, ir.TensorProtocol], sink: _Sink | BinaryIO) -> dict[_Key, int]:
    """Write tensors one after the other, each at an aligned offset; return the offsets."""
    offsets, end = {}, 0
    for key, tensor in tensors.items():
        padding = -end % _ALIGNMENT
        sink.write(bytes(padding))
        offsets[key] = end + padding
        sink.write(raw(tensor))
        end += padding + tensor.nbytes
    return offsets


def _remove_data(path: Path, *, keep: str | None) -> None:
    ours = re.compile(re.escape(path.name) + r"\.[0-9a-f]{16}\.data")
    for other in path.parent.iterdir():
        if ours.fullmatch(other.name) and other.name != keep:
            other.unlink(missing_ok=True)
