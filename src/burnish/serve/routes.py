"""The paths of the Open Inference Protocol, and what each does."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from burnish.errors import BurnishError, InputError, InternalError, NotFoundError
from burnish.logs import get_logger
from burnish.protocol.oip import HEADER_LENGTH, describe
from burnish.serve.config import ServeConfig
from burnish.serve.exchange import Encoded, Exchange, label_of
from burnish.serve.versions import Models, Version

log = get_logger(__name__)

_JSON = "application/json"
_BINARY = "application/octet-stream"
_MAX_DIGITS = 18
_MAX_FEEDBACK = 64 << 10


@dataclass(slots=True, eq=False)
class Request:
    """One HTTP request, whole."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool = True
    cancel: Callable[[], None] | None = None
    """Gives up the work for a client that has gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    body: bytes = b""
    header_length: int | None = None
    content_type: str = _JSON


Reply = Callable[[Answer | BurnishError], None]


class Repository(Protocol):
    """Where models come from when a client asks to load one by name."""

    async def load(self, name: str) -> None:
        """Load a model so that it answers."""
        ...

    async def unload(self, name: str) -> None:
        """Unload all versions of a model."""
        ...

    def index(self) -> list[dict[str, str]]:
        """Return what there is: name, version, state, reason."""
        ...


_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")
_REPOSITORY = re.compile(r"/v2/repository/(?:index|models/([^/]+)/(load|unload))")


class Routes:
    """Dispatches requests by path.

    Args:
        models: What is loaded.
        exchange: Runs infer requests.
        repository: Where models come from.
        config: Settings.
        spawn: Starts a coroutine on the event loop.
        version: Version of burnish, for the server's metadata.
    """

    def __init__(
        self,
        models: Models,
        exchange: Exchange,
        repository: Repository,
        config: ServeConfig,
        *,
        spawn: Callable[[Awaitable[None]], None],
        version: str,
    ) -> None:
        self._models = models
        self._exchange = exchange
        self._repository = repository
        self._config = config
        self._spawn = spawn
        self._version = version

    def handle(self, request: Request, reply: Reply) -> None:
        """Answer a request, now or later.

        Raises:
            BurnishError: The request is at fault; ``reply`` is not called.
        """
        path = request.target.partition("?")[0]
        if path.startswith("/v2/models/"):
            self._model(path, request, reply)
        elif path in ("/v2", "/v2/", "/v2/health/live", "/v2/health/ready"):
            _only(request, "GET")
            reply(self._server(path))
        elif path == "/v2/feedback":
            _only(request, "POST")
            reply(self._feedback(request))
        elif path.startswith("/v2/repository/"):
            self._repository_call(path, request, reply)
        else:
            raise NotFoundError(f"no such path: {path}", hint="the protocol's paths begin with /v2")

    def _server(self, path: str) -> Answer:
        if path.endswith("/live"):
            return _json({"live": True})
        if path.endswith("/ready"):
            ready = self._models.ready
            return _json({"ready": ready}, status=200 if ready else 503)
        extensions = ["binary_tensor_data", "model_repository"]
        return _json({"name": "burnish", "version": self._version, "extensions": extensions})

    def _model(self, path: str, request: Request, reply: Reply) -> None:
        match = _MODEL.fullmatch(path)
        if match is None:
            raise NotFoundError(f"no such path: {path}", hint="/v2/models/NAME[/versions/V][/infer|/ready]")
        name = unquote(match[1])
        version = unquote(match[2]) if match[2] else None
        if match[3] == "/infer":
            _only(request, "POST")
            self._infer(name, version, request, reply)
            return
        _only(request, "GET")
        if match[3] == "/ready":
            ready = all(v.ready for v in self._named(name, version))
            reply(_json({"name": name, "ready": ready}, status=200 if ready else 503))
        else:
            reply(self._metadata(name, self._named(name, version)))

    def _infer(self, name: str, version: str | None, request: Request, reply: Reply) -> None:
        def done(result: Encoded | BurnishError) -> None:
            if isinstance(result, BurnishError):
                reply(result)
                return
            kind = _JSON if result.header_length is None else _BINARY
            reply(Answer(200, result.body, result.header_length, kind))

        pending = self._exchange.infer(
            name, version, request.headers, request.body, _header_length(request.headers), done
        )
        request.cancel = pending.abandon

    def _metadata(self, name: str, versions: list[Version]) -> Answer:
        signature = versions[0].facts.signature
        return _json(
            {
                "name": name,
                "versions": [version.version for version in versions],
                "platform": f"burnish_{versions[0].facts.backend}",
                "inputs": [describe(spec) for spec in signature.inputs],
                "outputs": [describe(spec) for spec in signature.outputs],
            }
        )

    def _named(self, name: str, version: str | None) -> list[Version]:
        if version is not None:
            return [self._models.get(name, version)]
        return list(self._models.versions(name).values())

    def _feedback(self, request: Request) -> Answer:
        if len(request.body) > _MAX_FEEDBACK:  # it is kept until its prediction has come
            raise InputError(f"feedback is larger than {_MAX_FEEDBACK} bytes")
        body = _parse(request)
        request_id, label = label_of(body)
        model = body.get("model")
        if not isinstance(model, str):
            raise InputError('feedback must name its "model"')
        return _json({"id": request_id, "status": self._models.observations(model).label(request_id, label)})

    def _repository_call(self, path: str, request: Request, reply: Reply) -> None:
        match = _REPOSITORY.fullmatch(path)
        if match is None:
            raise NotFoundError(
                f"no such path: {path}", hint="/v2/repository/index or models/NAME/load|unload"
            )
        _only(request, "POST")
        body = _parse(request) if request.body else {}
        if not isinstance(body, dict):
            raise InputError("the body must be a JSON object")
        if match[2] is None:
            rows = self._repository.index()
            reply(_json([row for row in rows if row["state"] == "READY" or body.get("ready") is not True]))
            return
        _refuse_parameters(body)
        if not self._config.repository_control:
            raise InputError("loading and unloading by clients is switched off", hint="use the admin port")
        name = unquote(match[1])
        work = self._repository.load(name) if match[2] == "load" else self._repository.unload(name)
        self._spawn(_finish(work, reply))


def _refuse_parameters(body: dict[str, Any]) -> None:
    """Refuse what would change the model that is loaded; that all of it is unloaded goes without saying."""
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict) or set(parameters) - {"unload_dependents"}:
        raise InputError(
            f"parameters: loading with {parameters} is not supported",
            hint="a model is loaded as it was packed",
        )


async def _finish(work: Awaitable[None], reply: Reply) -> None:
    try:
        await work
    except BurnishError as error:
        reply(error)
    except Exception as error:
        log.exception("unexpected error in a repository call")
        reply(InternalError(f"unexpected {type(error).__name__}", hint="please report it"))
    else:
        reply(Answer(200))


def _only(request: Request, method: str) -> None:
    if request.method != method and (request.method, method) != ("HEAD", "GET"):
        raise InputError(f"{request.method} is not allowed here", hint=f"use {method}")


def _parse(request: Request) -> Any:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"request body: {error}") from error


def _header_length(headers: dict[str, str]) -> int | None:
    value = headers.get(HEADER_LENGTH)
    if value is None:
        return None
    digits = value.strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > _MAX_DIGITS:
        raise InputError(f"{HEADER_LENGTH} must be a number of bytes, got {value[:40]!r}")
    return int(digits)


def _json(value: Any, *, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(value))
