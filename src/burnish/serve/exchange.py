"""One infer request from its arrival to its answer, and to its observation."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.errors import (
    BackendError,
    BurnishError,
    CapacityError,
    InputError,
    InternalError,
    QueueFullError,
)
from burnish.logs import get_logger
from burnish.protocol.oip import InferRequest, encode_response, parse_request
from burnish.serve.batcher import Pending
from burnish.serve.config import ServeConfig
from burnish.serve.instance import Outputs
from burnish.serve.observations import Answered, summarize
from burnish.serve.routing import Router
from burnish.serve.versions import Models, Version

log = get_logger(__name__)

Headers = Mapping[str, str]
Reply = Callable[["Encoded | BurnishError"], None]

USER_HEADER = "x-burnish-user"
REQUEST_ID_HEADER = "x-request-id"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A response body, and the length of its JSON when binary tensors follow."""

    body: bytes
    header_length: int | None


class Exchange:
    """Runs infer requests: parse, route, batch, answer, and after that, mirror and observe.

    The mirrored request is queued after the answers of the whole batch have been handed over, behind all that
    wait for an answer: it can neither delay nor fail the primary's.
    """

    def __init__(self, models: Models, router: Router, config: ServeConfig) -> None:
        self._models = models
        self._router = router
        self._config = config

    def infer(
        self,
        model: str,
        version: str | None,
        headers: Headers,
        body: bytes,
        header_length: int | None,
        reply: Reply,
    ) -> Pending:
        """Start one request.

        Args:
            model: Name of the model.
            version: Version that the client names; None lets the router choose.
            headers: With lower-case names.
            body: Decompressed.
            header_length: As the header of the binary extension says.
            reply: Called once, now or later.

        Raises:
            BurnishError: The request cannot be started; ``reply`` is not called.
        """
        begun = time.monotonic()
        self._models.versions(model)  # an unknown model is told as such before anything else
        request = parse_request(body, header_length)
        user = headers.get(USER_HEADER, "")
        if version is None:
            route = self._router.route(model, user, headers)
            target, shadow = self._models.get(model, route.version), route.shadow
        else:
            target, shadow = self._models.get(model, version), None
        request_id = request.id or headers.get(REQUEST_ID_HEADER) or uuid.uuid4().hex
        timeout_s = request.timeout_us / 1e6 or self._config.request_timeout_s
        # names are checked before the run, so that a client's typing error costs no inference
        _check_outputs(request, target)

        def done(result: Outputs | BurnishError) -> None:
            took_s = time.monotonic() - begun
            failed = isinstance(result, BurnishError)
            target.metrics.answered("served", took_s, failed=failed)
            reply(self._encode(model, target, request, request_id, result))
            if version is None and self._models.has_several(model):
                served = _answered(target.version, result, took_s)
                loop.call_soon(self._mirror, model, request, request_id, user, served, shadow)

        loop = asyncio.get_running_loop()
        try:
            return target.submit(request.inputs, done, timeout_s=timeout_s)
        except (BackendError, CapacityError) as error:
            if version is None:  # a version that cannot take requests must be seen to fail
                self._observe_refusal(model, request_id, user, target, error)
            raise

    def _observe_refusal(
        self, model: str, request_id: str, user: str, target: Version, error: BurnishError
    ) -> None:
        target.metrics.answered("served", 0.0, failed=True)
        if self._models.has_several(model):
            refused = _answered(target.version, error, 0.0)
            self._models.observations(model).record(request_id, user, refused, None)

    def _encode(
        self,
        model: str,
        target: Version,
        request: InferRequest,
        request_id: str,
        result: Outputs | BurnishError,
    ) -> "Encoded | BurnishError":
        if isinstance(result, BurnishError):
            return result
        try:
            body, header_length = encode_response(
                model=model, version=target.version, request=request, request_id=request_id, outputs=result
            )
        except BurnishError as error:
            return error
        except Exception as error:
            log.exception("an answer could not be encoded", model=model, version=target.version)
            return InternalError(f"unexpected {type(error).__name__}", hint="please report it")
        return Encoded(body, header_length)

    def _mirror(
        self,
        model: str,
        request: InferRequest,
        request_id: str,
        user: str,
        served: Answered,
        shadow: str | None,
    ) -> None:
        if not self._models.has_several(model):
            return  # unloaded meanwhile
        observations = self._models.observations(model)
        other = self._models.versions(model).get(shadow) if shadow else None
        if other is None:
            observations.record(request_id, user, served, None)
            return
        begun = time.monotonic()

        def done(result: Outputs | BurnishError) -> None:
            took_s = time.monotonic() - begun
            other.metrics.answered("shadow", took_s, failed=isinstance(result, BurnishError))
            observations.record(request_id, user, served, _answered(other.version, result, took_s))

        try:
            other.submit(request.inputs, done, timeout_s=self._config.request_timeout_s, mirrored=True)
        except QueueFullError:
            observations.dropped += 1
            other.metrics.dropped.inc()
            observations.record(request_id, user, served, None)
        except BurnishError as error:  # a shadow that cannot take the request was wrong, it is not missing
            done(error)


def _answered(version: str, result: Outputs | BurnishError, took_s: float) -> Answered:
    latency_ms = round(took_s * 1e3, 4)
    if isinstance(result, BurnishError):
        return Answered(version=version, latency_ms=latency_ms, error=result.code)
    answer, finite = summarize(result)
    return Answered(version=version, answer=answer, latency_ms=latency_ms, finite=finite)


def _check_outputs(request: InferRequest, target: Version) -> None:
    known = target.facts.signature.output_names
    for name in request.outputs:
        if name not in known:
            raise InputError(f"unknown output {name!r}", hint=f"the model gives {', '.join(known)}")


def label_of(body: Any) -> tuple[str, Any]:
    """Return the prediction id and the label of a feedback message.

    Raises:
        InputError: It is not ``{"id": ..., "label": ...}``.
    """
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or body.get("label") is None:
        raise InputError('feedback must be {"model": ..., "id": ..., "label": ...}')
    return body["id"], body["label"]
