"""The Open Inference Protocol over HTTP, spoken by the unmodified tritonclient and by clients that err."""

import contextlib
import gzip
import json
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from server_process import serving
from tritonclient.utils import InferenceServerException

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def triton_input(x=X, *, binary=True):
    tensor = triton.InferInput("x", x.shape, "FP32")
    tensor.set_data_from_numpy(x, binary_data=binary)
    return tensor


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.address) as client:
        yield client


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_tritonclient_gets_the_right_numbers_in_every_form(client, binary, compression):
    x = np.tile(X, (40, 1))
    wanted = triton.InferRequestedOutput("y", binary_data=binary)
    result = client.infer(
        "scale",
        [triton_input(x, binary=binary)],
        outputs=[wanted],
        request_id="r-1",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("scale", "1", "r-1")


def test_tritonclient_reads_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("scale")
    assert client.get_server_metadata()["name"] == "burnish"
    metadata = client.get_model_metadata("scale")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["versions"] == ["1"]
    assert [(m["name"], m["state"]) for m in client.get_model_repository_index()] == [("scale", "READY")]


def test_concurrent_requests_each_get_their_own_rows(client):
    with triton.InferenceServerClient(
        client._client_stub.host + f":{client._client_stub.port}", concurrency=8
    ) as many:
        asked = [np.full((1 + i % 5, 4), i, dtype=np.float32) for i in range(60)]
        running = [many.async_infer("scale", [triton_input(x)]) for x in asked]
        for x, handle in zip(asked, running, strict=True):
            np.testing.assert_array_equal(handle.get_result().as_numpy("y"), 2 * x)


def test_an_unknown_model_is_told_to_tritonclient(client):
    with pytest.raises(InferenceServerException, match="no model 'scael'"):
        client.infer("scael", [triton_input()])


def test_health_bodies_are_those_that_kserve_reads(server):
    assert httpx.get(f"{server.http}/v2/health/live").json() == {"live": True}
    assert httpx.get(f"{server.http}/v2/health/ready").json() == {"ready": True}


def body(**changes):
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]} | changes
    return json.dumps({"inputs": [{k: v for k, v in tensor.items() if v is not None}]})


def with_inputs(*inputs, **rest):
    return json.dumps({"inputs": list(inputs), **rest})


GOOD = json.loads(body())["inputs"][0]
BINARY = GOOD | {"data": None, "parameters": {"binary_data_size": 16}}
BINARY.pop("data")

# content, headers, what the answer must name
MALFORMED = {
    "empty": ("", {}, "body"),
    "not json": ("{", {}, "body"),
    "a list": ("[]", {}, "body"),
    "no inputs": ("{}", {}, "inputs"),
    "inputs is no list": ('{"inputs": 3}', {}, "inputs"),
    "input without name": (with_inputs({k: v for k, v in GOOD.items() if k != "name"}), {}, "name"),
    "no shape": (body(shape=None), {}, "shape"),
    "shape of strings": (body(shape=["1", "4"]), {}, "shape"),
    "negative size": (body(shape=[-1, 4]), {}, "shape"),
    "huge shape": (body(shape=[1 << 40, 1 << 40]), {}, "shape"),
    "float in shape": (body(shape=[1.5, 4]), {}, "shape"),
    "unknown datatype": (body(datatype="FP31"), {}, "FP31"),
    "other datatype": (body(datatype="INT32"), {}, "float32"),
    "no data": (body(data=None), {}, "data"),
    "data is a string": (body(data="1234"), {}, "data"),
    "too few elements": (body(data=[1, 2]), {}, "'x'"),
    "ragged data": (body(data=[[1, 2], [3]]), {}, "'x'"),
    "strings for numbers": (body(data=["1", "2", "3", "4"]), {}, "'x'"),
    "null in data": (body(data=[1, None, 3, 4]), {}, "'x'"),
    "NaN as a word": (body().replace("1,", "NaN,", 1), {}, "body"),
    "wrong rank": (body(shape=[4]), {}, "'x'"),
    "wrong dimension": (body(shape=[1, 5], data=[1] * 5), {}, "'x'"),
    "unknown input": (body(name="z"), {}, "'z'"),
    "missing input": (with_inputs(), {}, "'x'"),
    "twice the same input": (with_inputs(GOOD, GOOD), {}, "'x'"),
    "an input too many": (with_inputs(GOOD, GOOD | {"name": "w"}), {}, "'w'"),
    "deep nesting": ('{"inputs":' + "[" * 5000 + "]" * 5000 + "}", {}, "body"),
    "unknown output": (with_inputs(GOOD, outputs=[{"name": "q"}]), {}, "'q'"),
    "output twice": (with_inputs(GOOD, outputs=[{"name": "y"}, {"name": "y"}]), {}, "'y'"),
    "classification": (
        with_inputs(GOOD, outputs=[{"name": "y", "parameters": {"classification": 3}}]), {}, "classification",
    ),
    "binary flag is no flag": (
        with_inputs(GOOD, outputs=[{"name": "y", "parameters": {"binary_data": "yes"}}]), {}, "binary_data",
    ),
    "shared memory": (body(data=None, parameters={"shared_memory_region": "r"}), {}, "shared memory"),
    "binary size without binary": (with_inputs(BINARY), {}, "binary_data_size"),
    "negative binary size": (body(data=None, parameters={"binary_data_size": -1}), {}, "binary_data_size"),
    "data and binary size": (body(parameters={"binary_data_size": 16}), {}, "binary_data_size"),
    "header length is no number": (body(), {"inference-header-content-length": "many"}, "inference-header"),
    "header length too long": (body(), {"inference-header-content-length": "99999"}, "inference-header"),
    "header length zero": (body(), {"inference-header-content-length": "0"}, "inference-header"),
    "trailing binary": (body() + "1234", {"inference-header-content-length": str(len(body()))}, "4 bytes"),
    "half of the binary": (
        with_inputs(BINARY) + "12345678",
        {"inference-header-content-length": str(len(with_inputs(BINARY)))}, "binary_data_size",
    ),
    "damaged gzip": ("no gzip", {"content-encoding": "gzip"}, "gzip"),
    "cut gzip": (gzip.compress(body().encode())[:-12], {"content-encoding": "gzip"}, "gzip"),
    "unknown encoding": (body(), {"content-encoding": "br"}, "content-encoding"),
    "bytes behind gzip": (
        gzip.compress(body().encode()) + b"more", {"content-encoding": "gzip"}, "4 bytes follow",
    ),
    "header length without end": (body(), {"inference-header-content-length": "9" * 5000}, "inference-header"),
    "huge and empty": (body(shape=[1 << 62, 0], data=[]), {}, "shape"),
    "out of the range of FP32": (body(data=[1, 2, 3, 1e39]), {}, "FP32"),
    "timeout is no number": (with_inputs(GOOD, parameters={"timeout": "soon"}), {}, "timeout"),
    "negative timeout": (with_inputs(GOOD, parameters={"timeout": -1}), {}, "timeout"),
    "timeout without end": (with_inputs(GOOD, parameters={"timeout": 10**400}), {}, "timeout"),
    "timeout of years": (with_inputs(GOOD, parameters={"timeout": 10**300}), {}, "timeout"),
    "id without end": (with_inputs(GOOD, id="i" * 5000), {}, "id"),
    "a batch of none, twice": (body(shape=[0, 0, 4], data=[]), {}, "'x'"),
    "parameters is a list": (body(parameters=[]), {}, "parameters"),
    "outputs is a word": (with_inputs(GOOD, outputs="y"), {}, "outputs"),
    "lone surrogate in the id": (b'{"id": "\\ud800", "inputs": []}', {}, "body"),
    "half a header length": (body(), {"inference-header-content-length": "10"}, "body"),
    "negative header length": (body(), {"inference-header-content-length": "-5"}, "inference-header"),
    "digit of another script": (body(), {"inference-header-content-length": b"\xb2"}, "inference-header"),
    "id is a number": (with_inputs(GOOD, id=7), {}, "id"),
    "not UTF-8": (b'{"inputs": "\xff"}', {}, "body"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_is_the_clients_fault_and_the_answer_says_why(server, case):
    content, headers, named = MALFORMED[case]
    answer = httpx.post(f"{server.http}/v2/models/scale/infer", content=content, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert named in answer.json()["error"]
    assert answer.json()["code"]
    good = httpx.post(f"{server.http}/v2/models/scale/infer", content=body())
    assert good.json()["outputs"][0]["data"] == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v2/models"),
        ("GET", "/v2/models/scale/versions/7"),
        ("POST", "/v2/models/scale/versions/7/infer"),
        ("GET", "/v2/models/scale/infer"),
        ("DELETE", "/v2/models/scale"),
        ("POST", "/v2/health/live"),
        ("GET", "/v2/models/scale/infer/more"),
        ("GET", "/v2/models/%ff%fe"),
        ("POST", "/v2/repository/models/nothing/load"),
        ("POST", "/v2/repository/models/nothing/unload"),
        ("GET", "/v2/repository/index"),
        ("POST", "/v2/feedback"),
        ("CONNECT", "/v2"),
    ],
)
def test_a_wrong_path_or_method_is_the_clients_fault(server, method, path):
    answer = httpx.request(method, server.http + path)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


def raw(server, data):
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_what_is_no_http_is_refused_and_the_connection_closed(server):
    assert raw(server, b"GARBAGE\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_head_that_is_too_large_is_refused(server):
    huge = b"GET /v2 HTTP/1.1\r\nhost: x\r\nx-big: " + b"a" * 70_000 + b"\r\n\r\n"
    assert raw(server, huge).startswith(b"HTTP/1.1 431 ")


def test_a_header_or_a_trailer_that_never_ends_is_refused_while_it_comes(server):
    host, port = server.address.split(":")
    get = b"GET /v2 HTTP/1.1\r\nhost: x\r\nx-big: "
    post = b"POST /v2/models/scale/infer HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-big: "
    for head in (get, post):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head)
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 8 << 20:
                    connection.sendall(b"a" * 65536)
                    sent += 65536
            assert sent < 8 << 20


def test_a_head_request_gets_the_head_of_the_answer_alone(server):
    head = b"HEAD /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    wrong = b"HEAD /v2/models/scael HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /v2/health/live HTTP/1.1\r\nconnection: close\r\n\r\n"
    parts = raw(server, head + wrong + last).split(b"\r\n\r\n")
    assert [part.split(b" ")[1] for part in parts[:3]] == [b"200", b"404", b"200"]
    assert parts[3] == b'{"live":true}'
    assert httpx.head(f"{server.http}/v2/models/scale/infer").status_code == 400


def test_an_interim_answer_is_not_taken_for_that_of_an_earlier_request(server):
    content = body().encode()
    post = b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%s\r\n%s"
    first = post % (len(content), b"", content)
    second = post % (len(content), b"expect: 100-continue\r\nconnection: close\r\n", content)
    answer = raw(server, first + second)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b'"outputs"') == 2
    alone = raw(server, second)
    assert alone.startswith(b"HTTP/1.1 100 ")
    assert alone.count(b'"outputs"') == 1


def test_pipelined_requests_of_many_sizes_and_clients_each_get_their_own_rows(server):
    def ask(first):
        bodies, wanted = [], []
        for number in range(first, first + 40):
            rows = 1 + 7 * (number % 3)
            bodies.append(body(shape=[rows, 4], data=[number] * 4 * rows).encode())
            wanted.append([2 * number] * 4 * rows)
        requests = b"".join(
            b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(b), b)
            for b in bodies
        )
        answer = raw(server, requests + b"GET /v2 HTTP/1.1\r\nconnection: close\r\n\r\n")
        parts = answer.split(b"\r\n\r\n")[1:-1]
        found = [json.loads(part.split(b"HTTP/1.1")[0])["outputs"][0]["data"] for part in parts]
        return found == wanted

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(0, 24_000, 1000)))


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    head = b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n"
    assert raw(server, head).startswith(b"HTTP/1.1 413 ")


def test_a_small_body_that_inflates_without_end_is_refused(server):
    bomb = gzip.compress(b" " * (65 << 20))
    answer = httpx.post(
        f"{server.http}/v2/models/scale/infer", content=bomb, headers={"content-encoding": "gzip"}, timeout=30
    )
    assert answer.status_code == 400
    assert "larger than" in answer.json()["error"]


def test_pipelined_requests_are_answered_in_their_order(server):
    bodies = [body(data=[i] * 4).encode() for i in range(5)]
    requests = b"".join(
        b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(b), b)
        for b in bodies
    )
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(requests)
        answer = b""
        while answer.count(b'"outputs"') < 5:
            answer += connection.recv(65536)
    found = [
        json.loads(part[part.index(b"{") :].split(b"HTTP/1.1")[0]) for part in answer.split(b"\r\n\r\n")[1:]
    ]
    assert [f["outputs"][0]["data"][0] for f in found] == [0, 2, 4, 6, 8]


def test_thousands_of_pipelined_requests_are_answered(server):
    count = 3000
    requests = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n" * count
    answer = raw(server, requests + b"GET /v2/health/live HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert answer.count(b'{"live":true}') == count + 1


def test_an_answer_that_is_due_comes_before_the_refusal_of_what_follows_it(server):
    content = body().encode()
    head = b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(content)
    answer = raw(server, head + content + b"GARBAGE\r\n\r\n")
    first, second = answer.index(b"HTTP/1.1 200 "), answer.index(b"HTTP/1.1 400 ")
    assert first < second


def test_a_wish_to_upgrade_is_passed_over(server):
    wish = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    answer = raw(server, wish)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_request_without_rows_gets_an_answer_without_rows(server):
    answer = httpx.post(f"{server.http}/v2/models/scale/infer", content=body(shape=[0, 4], data=[]))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["outputs"][0]["shape"], answer.json()["outputs"][0]["data"]) == ([0, 4], [])


def test_a_client_that_reads_nothing_or_sends_no_more_is_let_go(bundles, tmp_path):
    with serving(tmp_path / "s", bundles[2], BURNISH_SERVE_IDLE_TIMEOUT_S="0.5") as running:
        host, port = running.address.split(":")
        address = (host, int(port))
        live = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
        with socket.create_connection(address, timeout=10) as silent:
            silent.sendall(live)
            assert silent.recv(4096).endswith(b'{"live":true}')
            assert silent.recv(4096) == b""  # no answer that nobody asked for
        with socket.create_connection(address, timeout=10) as slow:
            slow.sendall(b"POST /v2/models/scale/infer HTTP/1.1\r\ncontent-length: 10\r\n\r\n123")
            assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(address, timeout=3) as deaf:
            with pytest.raises((ConnectionError, TimeoutError)):  # asks on and on, and reads no answer
                deaf.sendall(live * 1_000_000)
            time.sleep(1.2)
            with pytest.raises(ConnectionError):
                deaf.sendall(live * 2)
        assert httpx.get(f"{running.http}/v2/health/live").status_code == 200


def test_a_client_that_leaves_in_the_middle_harms_nobody(server):
    host, port = server.address.split(":")
    content = body().encode()
    for cut in (10, len(content)):
        connection = socket.create_connection((host, int(port)), timeout=10)
        head = b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(content)
        connection.sendall(head + content[:cut])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert httpx.post(f"{server.http}/v2/models/scale/infer", content=body()).status_code == 200


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "body"),
        ("[]", "feedback"),
        ('{"model": "scale", "id": "a"}', "label"),
        ('{"model": "scale", "id": "a", "label": null}', "label"),
        ('{"model": "scale", "id": 7, "label": 1}', "id"),
        ('{"id": "a", "label": 1}', "model"),
        ('{"model": "scael", "id": "a", "label": 1}', "scael"),
        (json.dumps({"model": "scale", "id": "a", "label": "l" * 70_000}), "feedback"),
    ],
    ids=["empty", "list", "no label", "null label", "number as id", "no model", "unknown model", "huge"],
)
def test_feedback_that_cannot_be_kept_is_the_clients_fault(server, content, named):
    answer = httpx.post(f"{server.http}/v2/feedback", content=content)
    assert 400 <= answer.status_code < 500
    assert named in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "content", "named"),
    [
        ("GET", "/admin/models/scael/traffic", "", "scael"),
        ("PUT", "/admin/models/scale/traffic", "{", "body"),
        ("PUT", "/admin/models/scale/traffic", "[]", "object"),
        ("PUT", "/admin/models/scale/traffic", "{}", "primary"),
        ("PUT", "/admin/models/scale/traffic", '{"primary": "9"}', "9"),
        ("PUT", "/admin/models/scale/traffic", '{"primary": 1}', "primary"),
        ("PUT", "/admin/models/scale/traffic", '{"primary": "1", "wieght": 1}', "wieght"),
        ("PUT", "/admin/models/scale/traffic", '{"primary": "1", "canary": "2", "weight": 2}', "weight"),
        ("GET", "/admin/models/scale/observations?after=-1", "", "after"),
        ("GET", "/admin/models/scale/observations?limit=many", "", "limit"),
        ("GET", "/admin/models/scael/observations", "", "scael"),
        ("GET", "/admin/models/scael/stats", "", "scael"),
        ("DELETE", "/admin/models/scale/versions/9", "", "9"),
        ("DELETE", "/admin/models/scale/versions/1", "", "traffic"),
        ("POST", "/admin/models/scale/versions/9/load", "{}", "source"),
        ("POST", "/admin/models/scale/versions/9/load", '{"source": 3}', "source"),
        ("POST", "/admin/models/scale/versions/9/load", '{"source": "/no/such.burnish"}', "/no/such.burnish"),
        ("POST", "/admin/models/scale/versions/1/load", '{"source": "/no/such.burnish"}', "/no/such.burnish"),
    ],
)
def test_an_operators_slip_is_told_and_changes_nothing(server, method, path, content, named):
    before = httpx.get(f"{server.admin}/admin/models/scale/traffic").json()
    answer = httpx.request(method, server.admin + path, content=content)
    assert 400 <= answer.status_code < 500, answer.text
    assert named in answer.json()["error"]
    assert httpx.get(f"{server.admin}/admin/models/scale/traffic").json() == before
    assert httpx.post(f"{server.http}/v2/models/scale/infer", content=body()).status_code == 200


def test_metrics_count_what_was_answered(server):
    httpx.post(f"{server.http}/v2/models/scale/infer", content=body())
    text = httpx.get(f"{server.admin}/metrics").text
    assert 'burnish_requests_total{model="scale",outcome="ok",role="served",version="1"}' in text
    assert "burnish_batch_rows_bucket" in text
    assert 'burnish_queue_length{model="scale",version="1"} 0.0' in text
