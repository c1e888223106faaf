"""The hot path: HTTP/1.1 for ``/v2``, straight on the event loop's transport."""

import asyncio
import gzip
import re
import zlib
from collections import deque
from typing import Any, cast

import httptools
import orjson

from burnish.errors import BurnishError, DeadlineError, InputError, InternalError
from burnish.logs import get_logger
from burnish.protocol.problem import problem_body, status_of
from burnish.serve.config import ServeConfig
from burnish.serve.routes import Answer, Request, Routes

log = get_logger(__name__)

_MAX_PIPELINED = 64
_END_OF_HEAD = b"\r\n\r\n"
_ZERO = re.compile(r"q=0(\.0*)?")
_REASONS = {
    200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
    422: "Unprocessable Content", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


class HttpProtocol(asyncio.Protocol):
    """One connection. Requests that are pipelined are answered in their order, one at a time."""

    def __init__(self, routes: Routes, config: ServeConfig, connections: set["HttpProtocol"]) -> None:
        self._routes = routes
        self._config = config
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._refusal: bytes | None = None
        """The last answer of a connection on which nothing more can be read."""
        self._timer: asyncio.TimerHandle | None = None
        self._since = self._loop.time()
        self._unseen = 0
        """Bytes that came since the parser last told of anything: it gathers a header without any limit."""
        self._pumping = self._paused = self._choked = self._closing = self._reading = False
        self._begin()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class decides
        """Let go of what the client will not read any more."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._current is not None and self._current.cancel is not None:
            self._current.cancel()
        self._current = None
        self._waiting.clear()
        self._closing = True

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refusal is not None:
            return
        self._unseen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # the request is answered as if it had not asked for it
            self._refusal = b""
        except httptools.HttpParserError as error:
            self._refuse(InputError(f"malformed HTTP request: {error}"), 400)
        if self._unseen > self._config.max_header_bytes:
            self._refuse_head()
        if self._waiting and not self._paused and self._holds_enough():
            self._paused = True
            self._transport.pause_reading()
        self._pump()

    def pause_writing(self) -> None:
        """Answer no more requests while the client does not read."""
        self._choked = True
        self._touch()

    def resume_writing(self) -> None:
        """Go on."""
        self._choked = False
        self._pump()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()
        self._reading = True
        self._touch()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url
        self._limit_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._limit_head(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Refuse a body that is too large before it is sent."""
        length = self._headers.get("content-length", "")
        if length.isdigit() and int(length) > self._config.max_body_bytes:
            self._refuse(_too_large(self._config), 413)
        elif (
            self._headers.get("expect", "").lower() == "100-continue"
            and self._current is None
            and not self._waiting  # else it would be taken for the answer to an earlier request
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unseen = 0
        if self._refusal is not None:
            return
        self._body.append(body)
        self._size += len(body)
        if self._size > self._config.max_body_bytes:
            self._refuse(_too_large(self._config), 413)

    def on_message_complete(self) -> None:
        """A request is whole: it is answered when those before it are."""
        self._unseen = 0
        if self._refusal is not None:
            return
        self._reading = False
        self._waiting.append(
            Request(
                method=self._parser.get_method().decode("latin-1"),
                target=self._url.decode("latin-1"),
                headers=self._headers,
                body=self._body[0] if len(self._body) == 1 else b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
            )
        )

    # our own

    def drain(self) -> None:
        """Answer what is under way and then close; close at once when nothing is."""
        self._closing = True
        if self._current is None:
            self._transport.close()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = self._head = 0

    def _limit_head(self, size: int) -> None:
        self._unseen = 0
        self._head += size
        if self._head > self._config.max_header_bytes:
            self._refuse_head()

    def _refuse_head(self) -> None:
        limit = self._config.max_header_bytes
        self._refuse(InputError(f"the request head is larger than {limit} bytes"), 431)

    def _holds_enough(self) -> bool:
        """Whether the client is to wait before it sends more."""
        size = sum(len(request.body) for request in self._waiting)
        return len(self._waiting) > _MAX_PIPELINED or size > self._config.max_body_bytes

    def _pump(self) -> None:
        """Answer what waits, one request after another, until one takes time.

        An answer that is ready at once comes back in here; a loop instead of a recursion lets a client pipeline
        as many as it likes.
        """
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._waiting and self._current is None and not self._choked and not self._closing:
                self._start(self._waiting.popleft())
        finally:
            self._pumping = False
        if self._current is not None or self._choked:
            return
        if self._closing:
            self._transport.close()
        elif self._refusal is not None:
            self._transport.write(self._refusal)
            self._closing = True
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _start(self, request: Request) -> None:
        self._current = request
        try:
            request.body = _decompress(request, self._config.max_body_bytes)
            self._routes.handle(request, lambda answer: self._answer(request, answer))
        except BurnishError as error:
            self._answer(request, error)
        except Exception as error:
            log.exception("unexpected error", target=request.target)
            self._answer(
                request, InternalError(f"unexpected {type(error).__name__}", hint="please report it")
            )

    def _answer(self, request: Request, answer: Answer | BurnishError) -> None:
        if request is not self._current:
            return  # the connection is gone
        self._current = request.cancel = None  # a cycle of references is work for the collector
        self._closing = self._closing or not request.keep_alive
        self._touch()
        data = _response(answer, request.headers, keep_alive=not self._closing)
        if request.method == "HEAD":  # the body that is announced must not follow
            data = data[: data.index(_END_OF_HEAD) + len(_END_OF_HEAD)]
        self._transport.write(data)
        self._pump()

    def _refuse(self, error: BurnishError, status: int) -> None:
        """Let this be the last answer, behind those that are due, because nothing more can be read."""
        if self._refusal is None:
            answer = Answer(status, orjson.dumps(problem_body(error)))
            self._refusal = _response(answer, {}, keep_alive=False)

    def _touch(self) -> None:
        """Begin to wait anew; the timer looks when this was, which is cheaper than a new one a request."""
        self._since = self._loop.time()

    def _watch(self) -> None:
        left_s = self._since + self._config.idle_timeout_s - self._loop.time()
        if self._current is not None:
            left_s = self._config.idle_timeout_s  # the wait is ours
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._watch)
        elif self._choked or self._transport.is_closing():
            self._transport.abort()  # the client does not read, so it would not read a farewell either
        else:
            self._timer = self._loop.call_later(self._config.idle_timeout_s, self._watch)
            self._touch()
            self._end_silence()

    def _end_silence(self) -> None:
        if self._reading:
            self._refuse(DeadlineError("the request did not arrive in time"), 408)
            self._pump()
        else:
            self._transport.close()


def _too_large(config: ServeConfig) -> InputError:
    return InputError(
        f"the body is larger than {config.max_body_bytes} bytes", hint="send fewer rows at once"
    )


def _response(answer: Answer | BurnishError, request_headers: dict[str, str], *, keep_alive: bool) -> bytes:
    if isinstance(answer, BurnishError):
        status = status_of(answer)[0]
        answer = Answer(status, orjson.dumps(problem_body(answer)))
    body, headers = _compress(answer, request_headers.get("accept-encoding", ""))
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
        f"content-type: {answer.content_type}",
        f"content-length: {len(body)}",
        *headers,
    ]
    if answer.header_length is not None:
        lines.append(f"inference-header-content-length: {answer.header_length}")
    if answer.status == 503:
        lines.append("retry-after: 1")
    if not keep_alive:
        lines.append("connection: close")
    return "\r\n".join((*lines, "\r\n")).encode("latin-1") + body


def _compress(answer: Answer, accepted: str) -> tuple[bytes, list[str]]:
    if not accepted or answer.status != 200 or len(answer.body) < 512:
        return answer.body, []
    parts = [part.partition(";") for part in accepted.lower().replace(" ", "").split(",")]
    wanted = {name for name, _, quality in parts if not _ZERO.fullmatch(quality)}
    if "gzip" in wanted:
        return gzip.compress(answer.body, compresslevel=1), ["content-encoding: gzip"]
    if "deflate" in wanted:
        return zlib.compress(answer.body, level=1), ["content-encoding: deflate"]
    return answer.body, []


def _decompress(request: Request, limit: int) -> bytes:
    """Undo the body's content encoding, without ever holding more than the limit.

    Raises:
        InputError: The encoding is unknown, or the data are damaged or too large.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return request.body
    if encoding not in ("gzip", "deflate"):
        raise InputError(f"content-encoding {encoding!r} is not supported", hint="use gzip, deflate or none")
    decompressor: Any = zlib.decompressobj(31 if encoding == "gzip" else 15)
    try:
        data: bytes = decompressor.decompress(request.body, limit + 1)
    except zlib.error as error:
        raise InputError(f"the {encoding} body is damaged: {error}") from error
    if len(data) > limit:
        raise InputError(
            f"the body is larger than {limit} bytes when decompressed", hint="send fewer rows at once"
        )
    if not decompressor.eof:
        raise InputError(f"the {encoding} body is cut off")
    if decompressor.unused_data:
        raise InputError(f"{len(decompressor.unused_data)} bytes follow the {encoding} body")
    return data
