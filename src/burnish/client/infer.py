"""What an application asks of a server, over the Open Inference Protocol v2."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from burnish.client.codec import Prediction, decode_response, encode_request
from burnish.client.transport import Json, Transport
from burnish.errors import CapacityError
from burnish.graph.signature import Array
from burnish.protocol.oip import HEADER_LENGTH

USER_HEADER = "x-burnish-user"


class Client(Transport):
    """Talks to the inference port of one server; safe to use from several threads.

    Args:
        url: Such as ``http://127.0.0.1:8000``.
        timeout_s: Longest wait for an answer.
    """

    def is_live(self) -> bool:
        """Tell whether the server answers at all."""
        return self._is("/v2/health/live")

    def is_ready(self, model: str = "", *, version: str = "") -> bool:
        """Tell whether the server, or one model on it, can answer requests."""
        return self._is(f"{_path(model, version)}/ready" if model else "/v2/health/ready")

    def server_metadata(self) -> Json:
        """Return name, version and extensions of the server."""
        return self.ask("GET", "/v2")

    def metadata(self, model: str, *, version: str = "") -> Json:
        """Return versions, inputs and outputs of a model.

        Raises:
            NotFoundError: The server has no such model or version.
        """
        return self.ask("GET", _path(model, version))

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Array],
        *,
        version: str = "",
        outputs: Sequence[str] = (),
        request_id: str = "",
        user: str = "",
        binary: bool = True,
    ) -> Prediction:
        """Ask for a prediction.

        Args:
            model: Name of the model.
            inputs: Arrays by name.
            version: A fixed version; by default the server's traffic policy chooses.
            outputs: Names of the outputs wanted; all by default.
            request_id: Identity of the prediction, for its label; by default the server chooses one.
            user: Sticky key: one user always gets the same arm of a rollout.
            binary: Whether tensors travel as binary rather than JSON.

        Raises:
            ShapeError: The inputs do not fit the model.
            NotFoundError: The server has no such model or version.
            CapacityError: The server is full or cannot be reached.
        """
        body, headers = encode_request(inputs, request_id=request_id, outputs=outputs, binary=binary)
        if user:
            headers[USER_HEADER] = user
        answer = self.request("POST", f"{_path(model, version)}/infer", content=body, headers=headers)
        length = answer.headers.get(HEADER_LENGTH, "")
        return decode_response(answer.content, int(length) if length.isdecimal() else None)

    def feedback(self, model: str, prediction_id: str, label: Any) -> str:
        """Tell which answer would have been right.

        Args:
            model: Name of the model.
            prediction_id: `Prediction.id`.
            label: The right answer in the form of the server's summary, such as the index of the class.

        Returns:
            ``joined``, ``waiting`` for a prediction that is not known yet, or ``duplicate``.
        """
        message = {"model": model, "id": prediction_id, "label": label}
        return str(self.ask("POST", "/v2/feedback", json=message).get("status", ""))

    def _is(self, path: str) -> bool:
        try:
            body = self.ask("GET", path)
        except CapacityError:
            return False
        return bool(body.get("ready", body.get("live")))


def _path(model: str, version: str) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path
