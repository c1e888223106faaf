"""SDK over HTTP: infer, feedback, and what an operator asks of a server."""

from burnish.client.admin import AdminClient
from burnish.client.codec import Prediction
from burnish.client.infer import Client

__all__ = ["AdminClient", "Client", "Prediction"]
