"""Reading ONNX so that every way a file can be wrong has one clear error."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from burnish.errors import InputError, NotFoundError

_HINT = "give a model saved by torch.onnx.export or onnx.save"
NEWEST_OPSET = onnx.defs.onnx_opset_version()


def read_model(path: Path) -> ir.Model:
    """Read and check an ONNX file, with its external data if it has any.

    Raises:
        NotFoundError: There is no such file, or a file of external data is missing.
        InputError: The file is empty, truncated, not ONNX, or breaks the ONNX specification.
    """
    if not path.exists():
        raise NotFoundError(f"{path}: no such file", hint="check the path of the model")
    if path.is_dir():
        raise InputError(f"{path}: is a folder", hint="give the .onnx file inside it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_model(data, source=str(path), folder=path.parent)


def parse_model(data: bytes, *, source: str, folder: Path | None = None) -> ir.Model:
    """Parse and check an ONNX model held in memory.

    Args:
        data: The serialized model.
        source: What to call it in errors.
        folder: Where its external data lies; None when there is none.

    Raises:
        NotFoundError: A file of external data is missing.
        InputError: The bytes are empty, truncated, not ONNX, or break the ONNX specification.
    """
    if not data:
        raise InputError(f"{source}: is empty", hint=_HINT)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise InputError(f"{source}: is not an ONNX model, or is truncated", hint=_HINT) from error
    if not proto.graph.node and not proto.graph.output:
        raise InputError(f"{source}: is not an ONNX model: it holds no graph", hint=_HINT)
    _load_external(proto, source, folder)
    proto = _with_output_shapes(proto)
    _check(proto, source)
    return ir.serde.deserialize_model(proto)


def _load_external(proto: onnx.ModelProto, source: str, folder: Path | None) -> None:
    names = sorted(
        {
            entry.value
            for tensor in _tensors(proto.graph)
            if uses_external_data(tensor)
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )
    if not names:
        return
    for name in names:
        if folder is None or not (folder / name).is_file():
            raise NotFoundError(
                f"{source}: its external data {name!r} is missing", hint="keep it beside the .onnx file"
            )
    try:
        load_external_data_for_model(proto, str(folder))
    except (ValueError, OSError, onnx.checker.ValidationError) as error:
        raise InputError(f"{source}: its external data cannot be read: {error}") from error


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the stored tensors of a graph and of the graphs inside its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _with_output_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Fill in what some exporters leave out and the signature needs."""
    if all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        return proto
    try:
        return onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return proto  # the checker, which comes next, says what is wrong


def _check(proto: onnx.ModelProto, source: str) -> None:
    for opset in proto.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > NEWEST_OPSET:
            raise InputError(
                f"{source}: uses opset {opset.version}; the installed onnx knows up to {NEWEST_OPSET}",
                hint="export with a lower opset, or upgrade the onnx package",
            )
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{source}: breaks the ONNX specification: {reason}", hint=_HINT) from error
    except ValueError as error:  # models over 2 GB cannot be handed to the checker as one message
        if "2GB" not in str(error).replace(" ", "") and "too large" not in str(error).lower():
            raise
