"""The client's half of the Open Inference Protocol v2: requests out, responses in."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from burnish.errors import InternalError
from burnish.graph.signature import DTYPES, Array, DType, TensorSpec, dtype_of, numpy_dtype
from burnish.protocol.oip import HEADER_LENGTH, describe

_DATATYPE: dict[DType, str] = {dtype: describe(TensorSpec("", dtype, ()))["datatype"] for dtype in DTYPES}
_DTYPE = {datatype: dtype for dtype, datatype in _DATATYPE.items()}
# JSON cannot say these exactly.
_BINARY_ONLY = frozenset({"float16", "bfloat16"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a server answered."""

    id: str
    """Identity of the prediction, to which a label can be given later."""
    model: str
    version: str
    """Version that answered."""
    outputs: dict[str, Array]


def encode_request(
    inputs: Mapping[str, Array], *, request_id: str, outputs: Sequence[str], binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Write the body of an infer request and the headers that belong to it.

    Args:
        inputs: Arrays by name.
        request_id: Identity of the prediction; empty lets the server choose one.
        outputs: Outputs to ask for; empty for all.
        binary: Whether tensors travel as binary; float16 and bfloat16 inputs always do.

    Raises:
        ShapeError: No tensor datatype corresponds to an array's dtype.
    """
    described, parts = [], []
    for name, array in inputs.items():
        dtype = dtype_of(array)
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": _DATATYPE[dtype],
            "shape": list(array.shape),
        }
        if binary or dtype in _BINARY_ONLY:
            data = _to_bytes(array)
            tensor["parameters"] = {"binary_data_size": len(data)}
            parts.append(data)
        else:
            tensor["data"] = np.ravel(array).tolist()
        described.append(tensor)
    request: dict[str, Any] = {"inputs": described, "parameters": {"binary_data_output": binary}}
    if request_id:
        request["id"] = request_id
    if outputs:
        request["outputs"] = [{"name": name, "parameters": {"binary_data": binary}} for name in outputs]
    head = orjson.dumps(request)
    if not parts:
        return head, {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return b"".join((head, *parts)), headers


def decode_response(body: bytes, header_length: int | None) -> Prediction:
    """Read the body of a response.

    Raises:
        InternalError: It is not what the protocol asks for.
    """
    try:
        head = orjson.loads(body if header_length is None else body[:header_length])
        offset = header_length or len(body)
        outputs: dict[str, Array] = {}
        for tensor in head["outputs"]:
            size = tensor.get("parameters", {}).get("binary_data_size")
            dtype = _DTYPE[tensor["datatype"]]
            if size is None:
                array = np.array(tensor["data"], numpy_dtype(dtype))
            else:
                array = _from_bytes(body[offset : offset + size], dtype)
                offset += size
            outputs[tensor["name"]] = array.reshape(tensor["shape"])
        return Prediction(
            id=head.get("id", ""),
            model=head["model_name"],
            version=head.get("model_version", ""),
            outputs=outputs,
        )
    except (AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
        raise InternalError(
            f"the server's answer is not Open Inference Protocol: {error!r}", hint="is this the right port?"
        ) from error


def _to_bytes(array: Array) -> bytes:
    if dtype_of(array) != "string":
        return np.ascontiguousarray(array).tobytes()
    items = [item if isinstance(item, bytes) else str(item).encode() for item in array.flat]
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def _from_bytes(data: bytes, dtype: DType) -> Array:
    if dtype != "string":
        return np.frombuffer(data, numpy_dtype(dtype))
    items, offset = [], 0
    while offset < len(data):
        (size,) = struct.unpack_from("<I", data, offset)
        items.append(data[offset + 4 : offset + 4 + size].decode())
        offset += 4 + size
    return np.array(items, dtype=object)
