"""Reading ONNX so that every way a file can be wrong has one clear error."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from burnish.errors import InputError, NotFoundError
from burnish.graph.operators import NEWEST_OPSET, check_operators

_HINT = "give a model saved by torch.onnx.export or onnx.save"
_BESIDE = "keep it beside the .onnx file"


def read_model(path: Path) -> ir.Model:
    """Read and check an ONNX file; weights in external data are mapped into memory, not copied.

    Raises:
        NotFoundError: There is no such file, or a file of external data is missing.
        UnsupportedOpError: It holds an operator that its opset does not have.
        InputError: The file is empty, truncated, not ONNX, or breaks the ONNX specification.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="check the path of the model") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder", hint="give the .onnx file inside it") from error
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise InputError(f"{path}: cannot be read: {error}") from error
    return _parse(data, str(path), path)


def parse_model(data: bytes, *, source: str) -> ir.Model:
    """Parse and check an ONNX model held in memory, weights included.

    Args:
        data: The serialized model.
        source: What to call it in errors.

    Raises:
        NotFoundError: It refers to a file of external data.
        UnsupportedOpError: It holds an operator that its opset does not have.
        InputError: The bytes are empty, truncated, not ONNX, or break the ONNX specification.
    """
    return _parse(data, source, None)


def _parse(data: bytes, source: str, path: Path | None) -> ir.Model:
    if not data:
        raise InputError(f"{source}: is empty", hint=_HINT)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise InputError(f"{source}: is not an ONNX model, or is truncated", hint=_HINT) from error
    if not proto.graph.node and not proto.graph.output:
        raise InputError(f"{source}: is not an ONNX model: it holds no graph", hint=_HINT)
    outside = [tensor for tensor in _tensors(proto.graph) if uses_external_data(tensor)]
    _check_present(outside, source, path)
    check_operators(proto, source)
    proto = _with_output_shapes(proto)
    _check(proto, source)
    _embed_attributes(proto.graph, source, path)
    try:
        model = ir.serde.deserialize_model(proto)
    except (ir.serde.SerdeError, ValueError) as error:
        reason = error.__cause__ or error
        raise InputError(f"{source}: breaks the ONNX specification: {reason}", hint=_HINT) from error
    if outside and path is not None:
        _map_weights(model, source, path.parent)
    return model


def _check_present(tensors: list[onnx.TensorProto], source: str, path: Path | None) -> None:
    for name in sorted({_location(tensor) for tensor in tensors}):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(
                f"{source}: its external data {name!r} lies outside the model's folder", hint=_BESIDE
            )
        if path is None or not (path.parent / name).is_file():
            raise NotFoundError(f"{source}: its external data {name!r} is missing", hint=_BESIDE)


def _location(tensor: onnx.TensorProto) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the stored tensors of a graph and of the graphs inside its nodes."""
    yield from graph.initializer
    yield from _attribute_tensors(graph)
    for inner in _inner_graphs(graph):
        yield from _tensors(inner)


def _attribute_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _inner_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def _check(proto: onnx.ModelProto, source: str) -> None:
    for opset in proto.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > NEWEST_OPSET:
            raise InputError(
                f"{source}: uses opset {opset.version}; the installed onnx knows up to {NEWEST_OPSET}",
                hint="export with a lower opset, or upgrade the onnx package",
            )
    try:
        onnx.checker.check_model(_without_external(proto))
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{source}: breaks the ONNX specification: {reason}", hint=_HINT) from error


def _without_external(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Empty the tensors that lie outside: the checker looks for their files from the working folder."""
    if not any(uses_external_data(tensor) for tensor in _tensors(proto.graph)):
        return proto
    light = onnx.ModelProto()
    light.CopyFrom(proto)
    for tensor in _tensors(light.graph):
        if uses_external_data(tensor):
            tensor.dims[:] = [0]
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    return light


def _embed_attributes(graph: onnx.GraphProto, source: str, path: Path | None) -> None:
    """Read the external data of constants: only weights are worth mapping."""
    for tensor in _attribute_tensors(graph):
        if uses_external_data(tensor) and path is not None:
            try:
                load_external_data_for_tensor(tensor, str(path.parent))
            except (ValueError, OSError, onnx.checker.ValidationError) as error:
                raise _unreadable(source, error) from error
    for inner in _inner_graphs(graph):
        _embed_attributes(inner, source, path)


def _with_output_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Fill in what some exporters leave out and the signature needs."""
    if all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        return proto
    try:
        return onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return proto  # the checker, which comes next, says what is wrong


def _map_weights(model: ir.Model, source: str, folder: Path) -> None:
    """Map every external weight now: what is mapped stays, even when its file is replaced or removed."""
    ir.external_data.set_base_dir(model.graph, folder)
    for graph in model.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if not isinstance(tensor, ir.ExternalTensor):
                continue
            if tensor.length is not None and tensor.length != tensor.nbytes:
                raise _unreadable(source, f"{tensor.name!r} has {tensor.length} bytes, not {tensor.nbytes}")
            try:
                tensor.numpy()
            except (ValueError, OSError, OverflowError) as error:
                raise _unreadable(source, error) from error


def _unreadable(source: str, reason: object) -> InputError:
    return InputError(f"{source}: its external data cannot be read: {reason}", hint="it may be truncated")
