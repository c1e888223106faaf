"""Tensors survive the protocol in either form, and no bytes make its parser fail in another way than ours."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish.client.codec import decode_response, encode_request
from burnish.errors import BurnishError
from burnish.graph.signature import DTYPES, numpy_dtype
from burnish.protocol.oip import HEADER_LENGTH, encode_response, parse_request

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(SHAPES)
    if dtype == "string":
        words = draw(hnp.arrays(object, shape, elements=st.text(max_size=5), fill=st.nothing()))
        return np.asarray(words, dtype=object).reshape(shape)
    if dtype == "bfloat16":
        return draw(hnp.arrays(np.uint16, shape)).view(numpy_dtype(dtype))
    return draw(hnp.arrays(numpy_dtype(dtype), shape))


def same(a, b):
    if a.dtype == object:
        return a.shape == b.shape and a.tolist() == b.tolist()
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(tensors())
def test_binary_tensors_come_through_bit_by_bit(array):
    body, headers = encode_request({"x": array}, request_id="i", outputs=["x"], binary=True)
    request = parse_request(body, int(headers[HEADER_LENGTH]))
    assert same(request.inputs["x"], array)
    answer, length = encode_response(
        model="m", version="1", request=request, request_id="i", outputs={"x": request.inputs["x"]}
    )
    assert same(decode_response(answer, length).outputs["x"], array)


PLAIN = st.one_of(
    hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    *(hnp.arrays(dtype, SHAPES) for dtype in (np.int64, np.int32, np.uint8, np.bool_)),
)


@given(PLAIN)
def test_json_tensors_come_through_with_their_values(array):
    body, headers = encode_request({"x": array}, request_id="", outputs=[], binary=False)
    assert HEADER_LENGTH not in headers
    request = parse_request(body)
    assert same(request.inputs["x"], array)
    answer, length = encode_response(
        model="m", version="1", request=request, request_id="i", outputs={"x": request.inputs["x"]}
    )
    assert length is None
    assert same(decode_response(answer, None).outputs["x"], array)


@given(st.binary(max_size=200), st.none() | st.integers(-5, 250))
def test_random_bytes_are_refused_in_our_own_words(data, length):
    with pytest.raises(BurnishError):
        parse_request(data, length)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ["name", "shape", "datatype", "data", "parameters"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON), st.sampled_from(["FP32", "BYTES", "BOOL", "INT8", "FP16"])
)
def test_strange_fields_are_refused_in_our_own_words_or_understood(changes, datatype):
    tensor = {"name": "x", "shape": [2], "datatype": datatype, "data": [1, 0]} | changes
    try:
        request = parse_request(json.dumps({"inputs": [tensor]}).encode())
    except BurnishError:
        return
    (array,) = request.inputs.values()
    assert list(array.shape) == tensor["shape"]
