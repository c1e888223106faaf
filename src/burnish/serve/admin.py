"""The operators' port: traffic, observations, statistics, metrics, loading and unloading.

    GET    /metrics                                      Prometheus
    GET    /admin/models                                 {"models": [{"name", "versions": [...], "traffic"}]}
    POST   /admin/models/{m}/versions/{v}/load           {"source": path or reference}  -> the version's facts
    DELETE /admin/models/{m}/versions/{v}
    GET    /admin/models/{m}/traffic                     the policy in force
    PUT    /admin/models/{m}/traffic                     a policy  -> the policy in force
    GET    /admin/models/{m}/observations?after=&limit=  see `burnish.serve.observations`
    GET    /admin/models/{m}/stats                       {"versions": {v: {"count", "errors", "p50_ms", ...}}}

A traffic policy's keys are those of `burnish.rollout.traffic.TrafficPolicy`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from burnish.errors import BurnishError, ConflictError, InputError
from burnish.protocol.problem import problem_body, status_of
from burnish.serve.metrics import Metrics
from burnish.serve.routing import Router
from burnish.serve.versions import Models, Version

_MAX_PAGE = 10_000
_MAX_DIGITS = 18
Endpoint = Callable[[Request], Awaitable[Any]]
Load = Callable[[str, str, str], Awaitable[Version]]


class Admin:
    """The endpoints.

    Args:
        models: What is loaded.
        router: Who decides about traffic.
        metrics: What Prometheus is told.
        load: Loads a version: name, version, and the path or registry reference that it comes from.
    """

    def __init__(self, models: Models, router: Router, metrics: Metrics, load: Load) -> None:
        self._models = models
        self._router = router
        self._metrics = metrics
        self._load_version = load

    def app(self) -> Starlette:
        """Return the application."""
        model = "/admin/models/{model}"
        version = model + "/versions/{version}"
        return Starlette(
            routes=[
                Route("/metrics", self._expose),
                Route("/admin/models", _endpoint(self._list)),
                Route(version + "/load", _endpoint(self._load), methods=["POST"]),
                Route(version, _endpoint(self._unload), methods=["DELETE"]),
                Route(model + "/traffic", _endpoint(self._traffic), methods=["GET", "PUT"]),
                Route(model + "/observations", _endpoint(self._observations)),
                Route(model + "/stats", _endpoint(self._stats)),
            ]
        )

    async def _expose(self, _: Request) -> Response:
        return Response(self._metrics.expose(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _list(self, _: Request) -> Any:
        return {
            "models": [
                {
                    "name": name,
                    "versions": [_facts(version) for version in self._models.versions(name).values()],
                    "traffic": self._router.describe(name),
                }
                for name in self._models.names()
            ]
        }

    async def _load(self, request: Request) -> Any:
        body = await _body(request)
        if set(body) != {"source"} or not isinstance(body["source"], str):
            raise InputError('the body must be {"source": PATH or NAME@VERSION}')
        names = request.path_params
        return _facts(await self._load_version(names["model"], names["version"], body["source"]))

    async def _unload(self, request: Request) -> Any:
        name, version = request.path_params["model"], request.path_params["version"]
        self._models.get(name, version)
        if version in self._router.versions_in_use(name):
            raise ConflictError(
                f"{name} version {version} gets traffic", hint="change the traffic policy first"
            )
        await self._models.unload(name, version)
        return {}

    async def _traffic(self, request: Request) -> Any:
        name = request.path_params["model"]
        versions = self._models.versions(name)
        if request.method == "PUT":
            return self._router.put(name, await _body(request), loaded=list(versions))
        return self._router.describe(name)

    async def _observations(self, request: Request) -> Any:
        after, limit = _number(request, "after", 0), _number(request, "limit", 1000)
        return self._models.observations(request.path_params["model"]).page(after, min(limit, _MAX_PAGE))

    async def _stats(self, request: Request) -> Any:
        versions = self._models.versions(request.path_params["model"])
        return {"versions": {name: version.metrics.summary() for name, version in versions.items()}}


def _endpoint(work: Endpoint) -> Endpoint:
    """Turn what a function returns into JSON, and our errors into their status."""

    async def run(request: Request) -> Response:
        try:
            return Response(orjson.dumps(await work(request)), media_type="application/json")
        except BurnishError as error:
            status = status_of(error)[0]
            return Response(orjson.dumps(problem_body(error)), status, media_type="application/json")

    return run


def _facts(version: Version) -> dict[str, Any]:
    facts = version.facts
    return {
        "version": version.version,
        "ready": version.ready,
        "digest": facts.digest,
        "backend": facts.backend,
        "device": facts.device,
        "source": facts.path,
        "workers": version.workers,
    }


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InputError(f"request body: {error}") from error
    if not isinstance(body, dict):
        raise InputError("the body must be a JSON object")
    return body


def _number(request: Request, key: str, default: int) -> int:
    value = request.query_params.get(key, str(default))
    if not value.isascii() or not value.isdigit() or len(value) > _MAX_DIGITS:
        raise InputError(f"{key} must be a number, got {value[:40]!r}")
    return int(value)
