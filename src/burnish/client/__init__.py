"""SDK over HTTP: infer, feedback, and what an operator asks of a server."""

from burnish.client.admin import AdminClient

__all__ = ["AdminClient"]
