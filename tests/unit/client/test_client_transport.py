"""A server's errors come back as the types that they had there."""

import json

import httpx
import numpy as np
import pytest

from burnish import errors
from burnish.client import AdminClient, Client
from burnish.client.codec import decode_response
from burnish.client.transport import error_of


def answer(status, **body):
    request = httpx.Request("GET", "http://host/v2/models/m")
    return httpx.Response(status, json=body, request=request)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"code": "not_found"}, errors.NotFoundError),
        (409, {"code": "conflict"}, errors.ConflictError),
        (400, {"code": "shape_mismatch"}, errors.ShapeError),
        (503, {"code": "queue_full"}, errors.QueueFullError),
        (504, {"code": "deadline"}, errors.DeadlineError),
        (400, {}, errors.InputError),
        (503, {}, errors.CapacityError),
        (500, {"code": "never heard of"}, errors.InternalError),
        (501, {"code": "missing_extra"}, errors.BackendError),
    ],
)
def test_the_type_follows_the_code_and_else_the_status(status, body, kind):
    error = error_of(answer(status, error="what went wrong", hint="what to do", **body))
    assert type(error) is kind
    assert (error.message, error.hint) == ("what went wrong", "what to do")


def test_an_answer_that_is_not_ours_still_says_where_it_came_from():
    response = httpx.Response(502, text="<html>", request=httpx.Request("GET", "http://host/v2/models/m"))
    assert "GET /v2/models/m: HTTP 502" in error_of(response).message


def test_an_unreachable_server_is_a_capacity_error_with_its_address():
    with (
        AdminClient("http://127.0.0.1:9", timeout_s=1) as client,
        pytest.raises(errors.CapacityError, match=r"127\.0\.0\.1:9"),
    ):
        client.models()


def test_an_address_must_be_http():
    with pytest.raises(errors.InputError, match="no HTTP address"):
        AdminClient("localhost:8001")


@pytest.mark.parametrize("content", [b"<html>", b"", b"[1, 2]", b'"yes"', b"\xff"])
def test_an_answer_that_is_no_json_object_asks_for_the_right_port(content):
    with Client("http://host") as client:
        client._http = httpx.Client(
            base_url=client.url, transport=httpx.MockTransport(lambda _: httpx.Response(200, content=content))
        )
        for ask in (client.server_metadata, lambda: client.infer("m", {"x": np.zeros(1)}), client.is_ready):
            with pytest.raises(errors.InternalError, match=r"JSON|Inference Protocol") as caught:
                ask()
            assert caught.value.hint == "is this the right port?"


@pytest.mark.parametrize("outputs", [None, [1], [{"name": "y"}], [{"parameters": None}], {"y": 1}])
def test_an_answer_that_is_another_json_is_not_the_protocol(outputs):
    with pytest.raises(errors.InternalError, match="Inference Protocol"):
        decode_response(json.dumps({"model_name": "m", "outputs": outputs}).encode(), None)
