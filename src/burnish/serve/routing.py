"""What the server needs to know about who answers a request; rollout decides it, the server obeys."""

from collections.abc import Mapping
from typing import Any, Protocol


class Route(Protocol):
    """Where one request goes."""

    @property
    def version(self) -> str:
        """The version that answers."""
        ...

    @property
    def shadow(self) -> str | None:
        """The version that answers again, unseen; None for none."""
        ...


class Router(Protocol):
    """Chooses versions. `route` is on the hot path and takes no lock."""

    def route(self, model: str, key: str, headers: Mapping[str, str]) -> Route:
        """Choose for one request.

        Args:
            model: Name of the model.
            key: The user, or empty.
            headers: Request headers with lower-case names.

        Raises:
            NotFoundError: The model has no policy.
        """
        ...

    def describe(self, model: str) -> dict[str, Any]:
        """Return the policy in force as JSON data."""
        ...

    def put(self, model: str, policy: Mapping[str, Any], *, loaded: list[str]) -> dict[str, Any]:
        """Put a policy in force and return it.

        Args:
            model: Name of the model.
            policy: As JSON data.
            loaded: Versions that are ready to serve.

        Raises:
            ConfigError: The policy is malformed.
            NotFoundError: It names a version that is not loaded.
            ConflictError: Its fencing token is too old.
        """
        ...

    def versions_in_use(self, model: str) -> frozenset[str]:
        """Return the versions that the policy may send requests to."""
        ...
