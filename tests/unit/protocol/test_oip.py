"""Requests and responses of the protocol, field by field."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from burnish.errors import BurnishError, InputError, ShapeError
from burnish.graph.signature import TensorSpec
from burnish.protocol.oip import describe, encode_response, parse_request


def parse(head, tail=b"", *, binary=False):
    text = json.dumps(head).encode()
    return parse_request(text + tail, len(text) if binary else None)


def tensor(**changes):
    return {"name": "x", "shape": [2], "datatype": "INT32", "data": [1, 2]} | changes


def packed(**changes):
    return {k: v for k, v in tensor(**changes).items() if k != "data"}


def answered(request, **outputs):
    body, length = encode_response(model="m", version="3", request=request, request_id="r", outputs=outputs)
    return json.loads(body[:length]), body[length:] if length else b""


@pytest.mark.parametrize(
    ("datatype", "lowest", "highest"),
    [
        ("INT8", -(2**7), 2**7 - 1),
        ("INT16", -(2**15), 2**15 - 1),
        ("INT32", -(2**31), 2**31 - 1),
        ("INT64", -(2**63), 2**63 - 1),
        ("UINT8", 0, 2**8 - 1),
        ("UINT16", 0, 2**16 - 1),
        ("UINT32", 0, 2**32 - 1),
        ("UINT64", 0, 2**64 - 1),
    ],
)
def test_integers_are_exact_up_to_their_limits_and_refused_behind_them(datatype, lowest, highest):
    request = parse({"inputs": [tensor(datatype=datatype, data=[lowest, highest])]})
    assert request.inputs["x"].tolist() == [lowest, highest]
    answer, _ = answered(request, x=request.inputs["x"])
    assert answer["outputs"][0] == tensor(datatype=datatype, data=[lowest, highest])
    for beyond in (lowest - 1, highest + 1):
        with pytest.raises(InputError, match="'x'"):
            parse({"inputs": [tensor(datatype=datatype, data=[1, beyond])]})


@pytest.mark.parametrize("data", [[1.5, 2], [1.0, 2.0], [2**63, 1.5], ["1", "2"], [True, False], [None, 1]])
@pytest.mark.parametrize("datatype", ["INT8", "INT64", "UINT64"])
def test_only_integers_are_taken_for_integers(datatype, data):
    with pytest.raises(InputError, match=f"not {datatype} numbers"):
        parse({"inputs": [tensor(datatype=datatype, data=data)]})


@pytest.mark.parametrize("data", [[[1, 2], [3, 4]], [1, 2, 3, 4], [[[1], [2]], [[3], [4]]]])
def test_nested_and_flat_data_are_the_same_row_by_row(data):
    request = parse({"inputs": [tensor(shape=[2, 2], data=data)]})
    assert request.inputs["x"].tolist() == [[1, 2], [3, 4]]


def test_strings_come_as_json_and_as_length_prefixed_bytes():
    words = ["ä", ""]
    request = parse({"inputs": [tensor(datatype="BYTES", data=words)]})
    assert request.inputs["x"].tolist() == words
    data = b"".join(struct.pack("<I", len(w.encode())) + w.encode() for w in words)
    head = {"inputs": [packed(datatype="BYTES", parameters={"binary_data_size": len(data)})]}
    request = parse(head, data, binary=True)
    assert request.inputs["x"].tolist() == words


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x01\x00", "inside a length"),
        (b"\x09\x00\x00\x00abc", "claims 9 bytes"),
        (b"\x01\x00\x00\x00a", "hold 1 elements"),
        (b"\x01\x00\x00\x00\xff" * 2, "not UTF-8"),
        (b"\x01\x00\x00\x00a" * 3, "hold 3 elements"),
    ],
)
def test_damaged_strings_are_refused(data, said):
    head = {"inputs": [packed(datatype="BYTES", parameters={"binary_data_size": len(data)})]}
    with pytest.raises(InputError, match=said):
        parse(head, data, binary=True)


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_floats_are_binary_only_both_ways(datatype):
    with pytest.raises(InputError, match="cannot be sent as JSON"):
        parse({"inputs": [tensor(datatype=datatype, data=[1.0, 2.0])]})
    head = {"inputs": [packed(datatype=datatype, parameters={"binary_data_size": 4})]}
    request = parse(head, b"\x00\x3c\x00\x40", binary=True)
    with pytest.raises(InputError, match="ask for binary"):
        answered(request, x=request.inputs["x"])
    asked = parse(head | {"parameters": {"binary_data_output": True}}, b"\x00\x3c\x00\x40", binary=True)
    answer, tail = answered(asked, x=asked.inputs["x"])
    assert answer["outputs"][0]["datatype"] == datatype
    assert tail == b"\x00\x3c\x00\x40"


@pytest.mark.parametrize("size", [7, 9, 0])
def test_a_binary_size_that_does_not_fit_the_shape_is_refused(size):
    head = {"inputs": [packed(parameters={"binary_data_size": size})]}
    with pytest.raises(ShapeError, match=r"takes 8 bytes, binary_data_size is"):
        parse(head, bytes(size), binary=True)


def test_json_and_binary_inputs_mix_and_binary_ones_follow_in_their_order():
    inputs = [
        packed(name="a", parameters={"binary_data_size": 8}),
        tensor(name="b", data=[3, 4]),
        packed(name="c", parameters={"binary_data_size": 8}),
    ]
    request = parse({"inputs": inputs}, np.array([1, 2, 5, 6], np.int32).tobytes(), binary=True)
    assert {k: v.tolist() for k, v in request.inputs.items()} == {"a": [1, 2], "b": [3, 4], "c": [5, 6]}


def test_each_output_comes_in_the_form_and_order_asked_for():
    outputs = [
        {"name": "q", "parameters": {"binary_data": False}},
        {"name": "p"},
    ]
    request = parse(
        {"id": "i", "inputs": [tensor()], "outputs": outputs, "parameters": {"binary_data_output": True}}
    )
    answer, tail = answered(
        request, p=np.array([1.5], np.float32), q=np.array([True]), unasked=np.array([0], np.int8)
    )
    assert answer == {
        "model_name": "m",
        "model_version": "3",
        "id": "r",
        "outputs": [
            {"name": "q", "datatype": "BOOL", "shape": [1], "data": [True]},
            {"name": "p", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
        ],
    }
    assert tail == np.float32(1.5).tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_cannot_say_is_refused_and_goes_as_binary(value):
    array = np.array([value], np.float32)
    with pytest.raises(InputError, match="NaN or infinity"):
        answered(parse({"inputs": [tensor()]}), y=array)
    asked = parse({"inputs": [tensor()], "parameters": {"binary_data_output": True}})
    assert answered(asked, y=array)[1] == array.tobytes()


def test_a_transposed_output_is_told_row_by_row():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    for asked in (False, True):
        request = parse({"inputs": [tensor()], "parameters": {"binary_data_output": asked}})
        answer, tail = answered(request, y=array)
        told = np.frombuffer(tail, np.float32).tolist() if asked else answer["outputs"][0]["data"]
        assert told == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(
    ("dtype", "shape", "said"),
    [
        ("float32", ("batch", 3), {"datatype": "FP32", "shape": [-1, 3]}),
        ("bfloat16", (), {"datatype": "BF16", "shape": []}),
        ("string", (2, "n"), {"datatype": "BYTES", "shape": [2, -1]}),
    ],
)
def test_metadata_say_minus_one_for_what_varies(dtype, shape, said):
    assert describe(TensorSpec("t", dtype, shape)) == {"name": "t"} | said


@pytest.mark.parametrize("timeout", [-1, 1.5, True, "1", None, 1 << 63, 10**400])
def test_a_timeout_is_a_number_of_microseconds_that_can_be_counted(timeout):
    with pytest.raises(InputError, match="timeout"):
        parse({"inputs": [tensor()], "parameters": {"timeout": timeout}})


def test_what_is_not_known_beside_the_fields_is_passed_over_as_the_protocol_says():
    request = parse({"inputs": [tensor(extra=1)], "parameters": {"mine": [1]}, "more": None})
    assert request.parameters == {"mine": [1]}
    assert request.timeout_us == 0


def test_a_view_over_the_body_cannot_be_written():
    head = {"inputs": [packed(parameters={"binary_data_size": 8})]}
    assert not parse(head, bytes(8), binary=True).inputs["x"].flags.writeable


def test_bfloat16_keeps_every_bit():
    data = np.array([1.5, -2], ml_dtypes.bfloat16).tobytes()
    head = {"inputs": [packed(datatype="BF16", parameters={"binary_data_size": 4})]}
    assert parse(head, data, binary=True).inputs["x"].tobytes() == data


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf{}", b"null", b'"x"', b"[" * 100_000, b'{"inputs":[]'])
def test_other_json_and_half_json_are_refused(text):
    with pytest.raises(BurnishError, match="request body"):
        parse_request(text)
