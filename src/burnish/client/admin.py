"""What an operator or a rollout controller asks of a server, over its admin port."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from burnish.client.transport import Json, Transport


class AdminClient(Transport):
    """Talks to the admin port of one server; its answers are plain JSON data.

    Args:
        url: Such as ``http://127.0.0.1:8001``.
        timeout_s: Longest wait for an answer.
    """

    def models(self) -> Json:
        """Return models with their versions, states and weights."""
        return self.ask("GET", "/admin/models")

    def load(self, model: str, version: str, source: str) -> Json:
        """Load a version beside those that serve; it is ready, warm and checked when this returns.

        Args:
            model: Name of the model.
            version: Name that the version gets on the server.
            source: A bundle's path or a registry reference, as the server understands it.
        """
        return self.ask(
            "POST", f"{_model(model)}/versions/{quote(version, safe='')}/load", json={"source": source}
        )

    def unload(self, model: str, version: str) -> None:
        """Unload a version that no traffic goes to."""
        self.request("DELETE", f"{_model(model)}/versions/{quote(version, safe='')}")

    def traffic(self, model: str) -> Json:
        """Return the traffic policy in force."""
        return self.ask("GET", f"{_model(model)}/traffic")

    def set_traffic(self, model: str, policy: Mapping[str, Any]) -> Json:
        """Put a traffic policy in force and return it; when this returns, every new request follows it."""
        return self.ask("PUT", f"{_model(model)}/traffic", json=dict(policy))

    def observations(self, model: str, *, after: int = 0, limit: int = 1000) -> Json:
        """Return the observations that follow one, the oldest first."""
        params = {"after": after, "limit": limit}
        return self.ask("GET", f"{_model(model)}/observations", params=params)

    def stats(self, model: str) -> Json:
        """Return counts, errors and latencies of each version since its load."""
        return self.ask("GET", f"{_model(model)}/stats")


def _model(name: str) -> str:
    return f"/admin/models/{quote(name, safe='')}"
