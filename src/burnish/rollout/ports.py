"""What a controller needs from the outside, so that it can be driven by anything that has it."""

from collections.abc import Mapping
from typing import Any, Protocol


class Server(Protocol):
    """What the controller asks of the servers; `burnish.client.AdminClient` is one."""

    def models(self) -> dict[str, Any]:
        """Return models with their loaded versions and digests."""
        ...

    def traffic(self, model: str) -> dict[str, Any]:
        """Return the traffic policy in force."""
        ...

    def set_traffic(self, model: str, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Put a policy in force and return it; when this returns, every new request follows it."""
        ...

    def observations(self, model: str, *, after: int = 0, limit: int = 1000) -> dict[str, Any]:
        """Return the observations that follow one, the oldest first."""
        ...

    def load(self, model: str, version: str, source: str) -> dict[str, Any]:
        """Make a version ready to serve beside those that do."""
        ...


class PrimaryAlias(Protocol):
    """The registry's word on which version is primary."""

    def version(self) -> str:
        """Return the version that the alias points to; empty when there is no alias."""
        ...

    def move(self, version: str) -> None:
        """Point the alias to a version, unless somebody else has moved it since it was read.

        Raises:
            ConflictError: Somebody has.
        """
        ...
