"""Open Inference Protocol v2: infer requests and responses, as JSON and with the binary tensor extension.

Reference: the KServe/Triton specification "Open Inference Protocol" and Triton's "Binary Tensor Data Extension".
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import orjson

from burnish.errors import InputError, ShapeError, nearest
from burnish.graph.signature import Array, DType, TensorSpec, dtype_of, numpy_dtype

HEADER_LENGTH = "inference-header-content-length"

_NAMES: dict[DType, str] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
_DTYPES: dict[str, DType] = {name: dtype for dtype, name in _NAMES.items()}
_MAX_RANK = 32
_MAX_ELEMENTS = 1 << 31
_MAX_TIMEOUT_US = (1 << 63) - 1
_MAX_ID = 1024


class _Input(msgspec.Struct, frozen=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct, frozen=True):
    inputs: list[_Input]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request, its tensors as arrays over the body's own memory where the form allows it."""

    id: str
    inputs: dict[str, Array]
    parameters: dict[str, Any]
    outputs: dict[str, bool]
    """Outputs asked for, and whether each comes as binary; empty for all outputs."""
    binary_by_default: bool
    """Whether outputs that are not named in ``outputs`` come as binary."""
    timeout_us: int = 0
    """The client's own limit in microseconds; 0 for none."""


_decoder = msgspec.json.Decoder(_Request)


def parse_request(body: bytes, header_length: int | None = None) -> InferRequest:
    """Parse the body of an infer request.

    Args:
        body: The whole body.
        header_length: Bytes of the JSON in front of binary tensors; None when all of it is JSON.

    Raises:
        InputError: The JSON or the binary part is malformed; the text names the field.
        ShapeError: A tensor's data do not fit its shape and datatype.
    """
    if header_length is not None and not 0 < header_length <= len(body):
        raise InputError(f"{HEADER_LENGTH} is {header_length}, but the body has {len(body)} bytes")
    try:
        parsed = _decoder.decode(body if header_length is None else body[:header_length])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"request body: {error}", hint="see the Open Inference Protocol v2") from error
    if len(parsed.id) > _MAX_ID:  # it is kept until its label has come
        raise InputError(f"id has {len(parsed.id)} characters, over {_MAX_ID}")
    view = memoryview(body)[header_length:] if header_length is not None else memoryview(b"")
    inputs: dict[str, Array] = {}
    offset = 0
    for tensor in parsed.inputs:
        if tensor.name in inputs:
            raise InputError(f"input {tensor.name!r} is given twice")
        size = _binary_size(tensor)
        if size is None:
            inputs[tensor.name] = _from_json(tensor)
            continue
        if offset + size > len(view):
            raise InputError(
                f"input {tensor.name!r}: binary_data_size is {size}, but {len(view) - offset} bytes are left"
            )
        inputs[tensor.name] = _from_binary(tensor, view[offset : offset + size])
        offset += size
    if offset != len(view):
        raise InputError(f"the body has {len(view) - offset} bytes more than its inputs' binary_data_size")
    return InferRequest(
        id=parsed.id,
        inputs=inputs,
        parameters=parsed.parameters,
        outputs=_wanted(parsed),
        binary_by_default=_flag(parsed.parameters, "binary_data_output", "parameters"),
        timeout_us=_timeout_us(parsed.parameters),
    )


def encode_response(
    *,
    model: str,
    version: str,
    request: InferRequest,
    request_id: str,
    outputs: Mapping[str, Array],
) -> tuple[bytes, int | None]:
    """Write the body of a response.

    Args:
        model: Name of the model.
        version: Version that answered.
        request: What was asked for, and in which form.
        request_id: Identity of the prediction.
        outputs: Arrays by name.

    Returns:
        The body, and the length of the JSON in front when binary tensors follow it, else None.

    Raises:
        InputError: An output was asked for that the model does not have.
    """
    names = list(request.outputs) or list(outputs)
    described: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name in names:
        if name not in outputs:
            raise InputError(f"unknown output {name!r}", hint=nearest(name, outputs))
        array = outputs[name]
        facts: dict[str, Any] = {
            "name": name,
            "datatype": _NAMES[dtype_of(array)],
            "shape": list(array.shape),
        }
        if request.outputs.get(name, request.binary_by_default):
            data = _to_binary(array)
            facts["parameters"] = {"binary_data_size": len(data)}
            parts.append(data)
        else:
            facts["data"] = _to_json(array)
        described.append(facts)
    head = orjson.dumps(
        {"model_name": model, "model_version": version, "id": request_id, "outputs": described},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return (b"".join((head, *parts)), len(head)) if parts else (head, None)


def describe(spec: TensorSpec) -> dict[str, Any]:
    """Return a tensor's metadata as the protocol words it: a dimension that varies is -1."""
    shape = [dim if isinstance(dim, int) else -1 for dim in spec.shape]
    return {"name": spec.name, "datatype": _NAMES[spec.dtype], "shape": shape}


def _wanted(parsed: _Request) -> dict[str, bool]:
    default = _flag(parsed.parameters, "binary_data_output", "parameters")
    wanted: dict[str, bool] = {}
    for output in parsed.outputs:
        where = f"output {output.name!r}"
        if output.name in wanted:
            raise InputError(f"{where} is asked for twice")
        if "classification" in output.parameters:
            raise InputError(
                f"{where}: classification is not supported", hint="take the largest score yourself"
            )
        _refuse_shared_memory(output.parameters, where)
        binary = _flag(output.parameters, "binary_data", where, default=default)
        wanted[output.name] = binary
    return wanted


def _flag(parameters: Mapping[str, Any], key: str, where: str, *, default: bool = False) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise InputError(f"{where}: {key} must be true or false, got {value!r}")
    return value


def _timeout_us(parameters: Mapping[str, Any]) -> int:
    value = parameters.get("timeout", 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_TIMEOUT_US:
        raise InputError(f"parameters: timeout must be a number of microseconds, got {str(value)[:40]}")
    return value


def _binary_size(tensor: _Input) -> int | None:
    """Check a tensor's description and return the size of its binary data, None when it comes as JSON."""
    where = f"input {tensor.name!r}"
    if tensor.datatype not in _DTYPES:
        raise InputError(
            f"{where}: unknown datatype {tensor.datatype!r}", hint=nearest(tensor.datatype, _DTYPES)
        )
    if len(tensor.shape) > _MAX_RANK or any(size < 0 for size in tensor.shape):
        raise ShapeError(f"{where}: shape {tensor.shape} has a negative size or over {_MAX_RANK} dimensions")
    if max(math.prod(tensor.shape), *tensor.shape, 0) > _MAX_ELEMENTS:
        raise ShapeError(f"{where}: shape {tensor.shape} holds over {_MAX_ELEMENTS} elements")
    _refuse_shared_memory(tensor.parameters, where)
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InputError(f"{where}: binary_data_size must be a number of bytes, got {size!r}")
    if bytes(tensor.data):
        raise InputError(f"{where}: has both data and binary_data_size")
    return size


def _refuse_shared_memory(parameters: Mapping[str, Any], where: str) -> None:
    if "shared_memory_region" in parameters:
        raise InputError(f"{where}: shared memory is not supported", hint="send the tensor in the body")


def _from_json(tensor: _Input) -> Array:
    where, dtype = f"input {tensor.name!r}", _DTYPES[tensor.datatype]
    if not bytes(tensor.data):
        raise InputError(f"{where}: has neither data nor binary_data_size")
    if dtype in ("float16", "bfloat16"):
        raise InputError(f"{where}: {tensor.datatype} cannot be sent as JSON", hint="send it as binary data")
    try:
        data = msgspec.json.decode(tensor.data)
        if not isinstance(data, list):
            raise InputError(f"{where}: data must be a list, got {type(data).__name__}")
        array = np.array(data, dtype=object) if dtype == "string" else _numbers(data, dtype, where)
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: data: {error}") from error
    if array.size != math.prod(tensor.shape):
        raise ShapeError(
            f"{where}: data has {array.size} elements, shape {tensor.shape} wants {math.prod(tensor.shape)}"
        )
    if dtype == "string" and not all(isinstance(item, str) for item in array.flat):
        raise InputError(f"{where}: BYTES data must be strings")
    return array.reshape(tensor.shape)


def _numbers(data: list[Any], dtype: DType, where: str) -> Array:
    array = np.array(data)
    if (
        dtype == "uint64" and array.dtype.kind == "f"
    ):  # numpy takes small and huge integers together for floats
        exact = np.array(data, dtype=object)
        array = exact.astype(np.uint64) if all(type(item) is int for item in exact.flat) else array
    if not array.size:
        return array.astype(numpy_dtype(dtype))
    wanted = {"bool": "b", "float32": "fiu", "float64": "fiu"}.get(dtype, "iu")
    if array.dtype.kind not in wanted:
        raise InputError(f"{where}: data are not {_NAMES[dtype]} numbers, or are ragged")
    if dtype == "bool":
        return array
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            converted = array.astype(numpy_dtype(dtype))
        if not np.isfinite(converted).all():
            raise InputError(f"{where}: data exceed the range of {_NAMES[dtype]}")
        return converted
    limits = np.iinfo(numpy_dtype(dtype))
    if int(array.min()) < limits.min or int(array.max()) > limits.max:
        raise InputError(f"{where}: data exceed the range of {_NAMES[dtype]}, {limits.min} to {limits.max}")
    return array.astype(numpy_dtype(dtype))


def _from_binary(tensor: _Input, data: memoryview) -> Array:
    where, dtype = f"input {tensor.name!r}", _DTYPES[tensor.datatype]
    count = math.prod(tensor.shape)
    if dtype == "string":
        array: Array = np.array(_split_bytes(data, count, where), dtype=object)
        return array.reshape(tensor.shape)
    expected = count * numpy_dtype(dtype).itemsize
    if len(data) != expected:
        raise ShapeError(
            f"{where}: {tensor.datatype} {tensor.shape} takes {expected} bytes, binary_data_size is {len(data)}"
        )
    return np.frombuffer(data, dtype=numpy_dtype(dtype)).reshape(tensor.shape)


def _split_bytes(data: memoryview, count: int, where: str) -> list[str]:
    items: list[str] = []
    offset = 0
    while offset < len(data):
        if offset + 4 > len(data):
            raise InputError(f"{where}: BYTES data end inside a length")
        (size,) = struct.unpack_from("<I", data, offset)
        offset += 4
        if offset + size > len(data):
            raise InputError(
                f"{where}: BYTES element {len(items)} claims {size} bytes, {len(data) - offset} are left"
            )
        try:
            items.append(str(data[offset : offset + size], "utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: BYTES element {len(items)} is not UTF-8") from error
        offset += size
    if len(items) != count:
        raise ShapeError(f"{where}: BYTES data hold {len(items)} elements, shape wants {count}")
    return items


def _to_binary(array: Array) -> bytes:
    if array.dtype.kind in "OSU":
        encoded = [item if isinstance(item, bytes) else str(item).encode() for item in array.flat]
        return b"".join(struct.pack("<I", len(item)) + item for item in encoded)
    return array.tobytes()


def _to_json(array: Array) -> Any:
    if array.dtype.kind in "OSU":
        return [item.decode() if isinstance(item, bytes) else str(item) for item in array.flat]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            "an output holds NaN or infinity, which JSON cannot say", hint="ask for binary outputs"
        )
    if array.dtype.kind not in "biuf" or (array.dtype.itemsize < 4 and array.dtype.kind == "f"):
        raise InputError(
            f"{_NAMES[dtype_of(array)]} outputs cannot be sent as JSON", hint="ask for binary outputs"
        )
    return np.ascontiguousarray(array).reshape(-1)
