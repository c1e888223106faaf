"""One connection, byte by byte: what is read, when reading pauses, and what is answered in which order."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.serve.config import ServeConfig
from burnish.serve.http import HttpProtocol
from burnish.serve.routes import Answer


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.reading, self.closed = True, False

    def write(self, data):
        self.written += data

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


class Desk:
    """Answers when it is told to."""

    def __init__(self):
        self.open = []

    def handle(self, request, reply):
        if request.target == "/wrong":
            raise InputError("wrong")
        self.open.append((request, reply))

    def answer(self):
        request, reply = self.open.pop(0)
        reply(Answer(200, request.body))


def connect(config=None):
    wire, desk = Wire(), Desk()
    protocol = HttpProtocol(desk, config or ServeConfig(), set())
    protocol.connection_made(wire)
    return wire, desk, protocol


def post(body, target=b"/"):
    return b"POST %s HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (target, len(body), body)


def bodies_of(written):
    found = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(rest[:size])
        written = rest[size:]
    return found


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
@settings(deadline=None, max_examples=50)
def test_requests_cut_anywhere_are_answered_whole_and_in_order(bodies, data):
    async def scenario():
        wire, desk, protocol = connect()
        stream = b"".join(map(post, bodies))
        while stream:
            size = data.draw(st.integers(1, 60))
            protocol.data_received(stream[:size])
            stream = stream[size:]
            if desk.open and data.draw(st.booleans()):
                desk.answer()
            assert len(desk.open) <= 1
        while desk.open:
            desk.answer()
        assert bodies_of(wire.written) == bodies
        protocol.connection_lost(None)

    asyncio.run(scenario())


def test_reading_pauses_while_a_client_has_enough_under_way():
    async def scenario():
        wire, desk, protocol = connect(ServeConfig(max_body_bytes=1000))
        protocol.data_received(post(b"a" * 900))
        protocol.data_received(post(b"b" * 900))
        assert wire.reading
        protocol.data_received(post(b"c" * 900))
        assert not wire.reading
        for _ in range(3):
            desk.answer()
        assert wire.reading
        assert [body[:1] for body in bodies_of(wire.written)] == [b"a", b"b", b"c"]
        for _ in range(70):
            protocol.data_received(post(b""))
        assert not wire.reading
        protocol.connection_lost(None)

    asyncio.run(scenario())


def test_a_drained_connection_answers_what_is_under_way_and_nothing_more():
    async def scenario():
        wire, desk, protocol = connect()
        protocol.data_received(post(b"a") + post(b"b"))
        protocol.drain()
        assert not wire.closed
        desk.answer()
        assert wire.closed
        assert bodies_of(wire.written) == [b"a"]
        assert b"connection: close" in wire.written
        idle, _, other = connect()
        other.drain()
        assert idle.closed

    asyncio.run(scenario())


def test_a_client_that_leaves_takes_its_request_along():
    async def scenario():
        _, desk, protocol = connect()
        protocol.data_received(post(b"a") + post(b"b"))
        ((request, reply),) = desk.open
        gone = []
        request.cancel = lambda: gone.append(request)
        protocol.connection_lost(None)
        assert gone == [request]
        reply(Answer(200))  # comes too late, and harms nothing
        assert len(desk.open) == 1

    asyncio.run(scenario())


def test_a_client_that_does_not_read_gets_no_further_work_done():
    async def scenario():
        wire, desk, protocol = connect()
        protocol.data_received(post(b"a") + post(b"", b"/wrong") + post(b"b"))
        protocol.pause_writing()
        desk.answer()
        assert not desk.open
        protocol.resume_writing()
        desk.answer()
        assert [b"wrong" in body or body for body in bodies_of(wire.written)] == [b"a", True, b"b"]
        protocol.connection_lost(None)

    asyncio.run(scenario())
