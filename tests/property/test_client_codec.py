"""What the client writes is what the server's half of the protocol reads, and the other way round."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish.client.codec import decode_response, encode_request
from burnish.errors import InternalError
from burnish.protocol.oip import HEADER_LENGTH, InferRequest, encode_response, parse_request

NUMBERS = st.sampled_from(
    [np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.bool_]
)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)
FINITE = {"allow_nan": False, "allow_infinity": False}
ARRAYS = NUMBERS.flatmap(
    lambda dtype: hnp.arrays(dtype, SHAPES, elements=FINITE if np.issubdtype(dtype, np.floating) else None)
)


@given(array=ARRAYS, binary=st.booleans())
def test_requests_arrive_as_they_were_sent(array, binary):
    body, headers = encode_request({"x": array}, request_id="r", outputs=["y"], binary=binary)
    length = headers.get(HEADER_LENGTH)
    request = parse_request(body, int(length) if length else None)
    assert request.id == "r"
    assert request.outputs == {"y": binary}
    assert request.inputs["x"].dtype == array.dtype
    np.testing.assert_array_equal(request.inputs["x"], array)


@given(array=ARRAYS, binary=st.booleans())
def test_answers_arrive_as_they_were_given(array, binary):
    request = InferRequest("", {}, {}, {}, binary)
    body, length = encode_response(
        model="m", version="2", request=request, request_id="p", outputs={"y": array}
    )
    answer = decode_response(body, length)
    assert (answer.id, answer.model, answer.version) == ("p", "m", "2")
    assert answer.outputs["y"].dtype == array.dtype
    np.testing.assert_array_equal(answer.outputs["y"], array)


@given(words=st.lists(st.text(), min_size=1), binary=st.booleans())
def test_strings_survive_both_ways(words, binary):
    array = np.array(words, dtype=object)
    body, headers = encode_request({"x": array}, request_id="", outputs=[], binary=binary)
    length = headers.get(HEADER_LENGTH)
    assert parse_request(body, int(length) if length else None).inputs["x"].tolist() == words
    request = InferRequest("", {}, {}, {}, binary)
    body, head = encode_response(model="m", version="1", request=request, request_id="", outputs={"y": array})
    assert decode_response(body, head).outputs["y"].tolist() == words


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_travels_as_binary_even_in_json_requests(dtype):
    array = np.array([0.5, -2.0], dtype)
    body, headers = encode_request({"x": array}, request_id="", outputs=[], binary=False)
    request = parse_request(body, int(headers[HEADER_LENGTH]))
    np.testing.assert_array_equal(request.inputs["x"], array)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"model_name":"m","outputs":[{"name":"y"}]}'])
def test_an_answer_that_is_not_the_protocol_is_named(body):
    with pytest.raises(InternalError, match="not Open Inference Protocol"):
        decode_response(body, None)
