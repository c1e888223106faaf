"""Whatever a client sends, it is answered, and what is wrong with it is the client's fault."""

import contextlib
import http.client
import json
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

ODD = st.sampled_from(
    [
        None, True, -1, 0, 2**63, 2**64, 10**320, 1.5, "", "y", "\x00", "ä" * 10, [], [[]], [1], [[1], [2, 3]],
        [0, 4], [2**40, 0], {}, "FP32", "INT64", "BYTES", {"binary_data_size": 16}, [{"name": "y"}],
    ]
)  # fmt: skip
WHOLE = {
    "id": "a",
    "parameters": {"timeout": 5_000_000},
    "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4], "parameters": {}}],
    "outputs": [{"name": "y", "parameters": {"binary_data": False}}],
}


@st.composite
def bent(draw, value=WHOLE):
    """A request with some of its parts gone, or replaced by odd ones."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ODD)
    if isinstance(value, dict):
        return {k: draw(bent(v)) for k, v in value.items() if draw(st.integers(0, 19))}
    if isinstance(value, list):
        return [draw(bent(v)) for v in value]
    return value


@st.composite
def damaged(draw, data):
    """Bytes with some of them changed, removed or added."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 4)) :]
    return data


def test_bent_requests_are_answered_and_never_with_a_fault_of_the_server(server):
    host, _, port = server.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    statuses = set()

    @given(bent(), st.data())
    @settings(max_examples=300, deadline=None)
    def ask(request, data):
        body, headers = json.dumps(request).encode(), {}
        if data.draw(st.booleans()):
            off = data.draw(st.integers(-3, 3))
            headers["inference-header-content-length"] = str(len(body) + off)
            body += data.draw(st.binary(max_size=32))
        elif data.draw(st.booleans()):
            body = data.draw(damaged(body))
        connection.request("POST", "/v2/models/scale/infer", body, headers)
        answer = connection.getresponse()
        said = json.loads(
            answer.read()[: int(answer.headers.get("inference-header-content-length", 1 << 20))]
        )
        assert answer.status == 200 or 400 <= answer.status < 500, said
        assert said["outputs" if answer.status == 200 else "error"]
        statuses.add(answer.status)

    ask()
    connection.close()
    assert statuses >= {200, 400}


def test_damaged_http_never_harms_the_server(server):
    host, _, port = server.address.partition(":")
    body = json.dumps(WHOLE).encode()
    whole = b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )

    @given(damaged(whole))
    @settings(max_examples=200, deadline=None)
    def ask(data):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            answer = b""
            with contextlib.suppress(ConnectionError):  # it may hang up on what it cannot read
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
        assert not answer.startswith(b"HTTP/1.1 5"), answer

    ask()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(whole)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
