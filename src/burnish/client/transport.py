"""One way to talk to a server, and to turn what it says went wrong back into our errors."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from burnish.errors import (
    BackendError,
    BurnishError,
    CapacityError,
    DeadlineError,
    InputError,
    InternalError,
    MissingExtraError,
)

Json = dict[str, Any]


class Transport:
    """A pool of connections to one server.

    Args:
        url: Such as ``http://127.0.0.1:8000``.
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(
                f"server address {url!r} is no HTTP address", hint="such as http://127.0.0.1:8000"
            )
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and return its answer.

        Raises:
            CapacityError: The server cannot be reached.
            DeadlineError: It did not answer in time.
            BurnishError: The error that the server reports, as the type that it had there.
        """
        try:
            response = self._http.request(
                method, path, json=json, content=content, params=params, headers=headers
            )
        except httpx.TimeoutException as error:
            raise DeadlineError(f"{self.url}{path}: no answer in time", hint="is the server busy?") from error
        except httpx.TransportError as error:
            raise CapacityError(
                f"{self.url}: cannot be reached: {error}", hint="is the server running at this address?"
            ) from error
        if response.is_error:
            raise error_of(response)
        return response

    def ask(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None
    ) -> Json:
        """Send a request whose answer is a JSON object, and return that.

        Raises:
            InternalError: The answer is something else.
            BurnishError: As `request` raises.
        """
        response = self.request(method, path, json=json, params=params)
        try:
            return dict(response.json())
        except (TypeError, ValueError) as error:
            raise InternalError(
                f"{self.url}{path}: the answer is no JSON object", hint="is this the right port?"
            ) from error

    def close(self) -> None:
        """Close the connections. Closing twice is fine."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def error_of(response: httpx.Response) -> BurnishError:
    """Rebuild the error that a server reported."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    where = f"{response.request.method} {response.request.url.path}"
    message = str(body.get("error") or f"{where}: HTTP {response.status_code} {response.reason_phrase}")
    kind = _KINDS.get(str(body.get("code", "")), _by_status(response.status_code))
    return kind(message, hint=str(body.get("hint", "")))


def _by_status(status: int) -> type[BurnishError]:
    if status < 500:
        return InputError
    return CapacityError if status in (502, 503, 504) else InternalError


def _tree(kind: type[BurnishError]) -> Iterator[type[BurnishError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


# MissingExtraError is built from a package's name, which an answer does not hold: its parent stands for it.
_KINDS = {kind.code: kind for kind in _tree(BurnishError) if kind is not MissingExtraError} | {
    MissingExtraError.code: BackendError
}
