"""The server's end of one worker process."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from burnish.errors import (
    ArtifactError,
    BackendError,
    BurnishError,
    CapacityError,
    InputError,
    InternalError,
    ParityError,
)
from burnish.graph.signature import Array, Signature, dtype_of
from burnish.logs import get_logger
from burnish.serve.slab import Slab, plan, read
from burnish.serve.worker import MAX_MESSAGE, Settings

log = get_logger(__name__)

Outputs = dict[str, Array]
OnDone = Callable[[Outputs | BurnishError], None]
OnDeath = Callable[["Instance"], None]

_KINDS: dict[str, type[BurnishError]] = {
    kind.code: kind for kind in (ArtifactError, BackendError, InputError, CapacityError, ParityError)
}


class Instance:
    """One worker: at most one batch at a time.

    Attributes:
        signature: What the version takes and gives; set when `start` has returned.
        digest: Identity of what is loaded.
        backend: Engine that runs it.
        device: Where it runs.
    """

    def __init__(self, settings: Settings, on_death: OnDeath) -> None:
        self._settings = settings
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._slab = Slab.create("burnish")
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._done: OnDone | None = None
        self._begun = 0.0
        self._ready: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "burnish.serve.worker",
                    str(theirs.fileno()),
                    str(self._slab.fd),
                    msgspec.json.encode(settings).decode(),
                ],
                pass_fds=(theirs.fileno(), self._slab.fd),
                stdin=subprocess.DEVNULL,
            )
        self._alive = True
        self._loop.add_reader(self._socket, self._on_message)

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether it can take a batch."""
        return self._alive and self._ready.done() and self._done is None

    async def start(self, timeout_s: float) -> None:
        """Wait until the worker is loaded, warm and checked.

        Raises:
            BurnishError: What the worker says against its model.
            BackendError: It died, or took too long.
        """
        try:
            facts = await asyncio.wait_for(asyncio.shield(self._ready), timeout_s)
        except TimeoutError:
            self.stop()
            raise BackendError(
                f"{self._settings.path}: not loaded within {timeout_s:g} s", hint="raise load_timeout_s"
            ) from None
        self.signature = Signature.from_dict(facts["signature"])
        self.digest: str = facts["digest"]
        self.backend: str = facts["backend"]
        self.device: str = facts["device"]

    def run(self, parts: list[Mapping[str, Array]], done: OnDone) -> None:
        """Run the requests of one batch; ``done`` gets arrays over the slab, valid until it returns.

        Args:
            parts: Inputs of each request; along the first axis they become one batch.
            done: Called once, from the event loop.
        """
        self._done = done
        self._begun = time.monotonic()
        shapes = {}
        for name, first in parts[0].items():
            rows = sum(len(part[name]) for part in parts) if first.ndim else 0
            shapes[name] = (dtype_of(first), (rows, *first.shape[1:]) if first.ndim else ())
        layout, end = plan(shapes)
        for item in layout:
            target = self._slab.array(item["dtype"], item["shape"], item["offset"])
            if not target.ndim:
                target[...] = parts[0][item["name"]]
                continue
            row = 0
            for part in parts:
                array = part[item["name"]]
                target[row : row + len(array)] = array
                row += len(array)
        strings = {
            name: {"shape": list(shape), "items": [s for part in parts for s in part[name].flat]}
            for name, (dtype, shape) in shapes.items()
            if dtype == "string"
        }
        message = msgspec.json.encode({"layout": layout, "strings": strings, "end": end})
        try:
            self._socket.send(message)
        except BrokenPipeError:
            self._die()
        except OSError as error:
            self._finish(InputError(f"the request's strings are too large for one batch: {error.strerror}"))

    def busy_for_s(self) -> float:
        """Return for how long the batch that runs has been running; 0 when none does."""
        return time.monotonic() - self._begun if self._done is not None else 0.0

    def kill(self) -> None:
        """Kill the process; its death is noticed and handled as any other."""
        self._process.kill()

    def stop(self) -> None:
        """End the worker at once and give back its memory."""
        if not self._alive:
            return
        self._alive = False
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._slab.close()
        if not self._ready.done():
            self._ready.cancel()

    def _on_message(self) -> None:
        try:
            data = self._socket.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._die()
            return
        message = msgspec.json.decode(data)
        if "ready" in message:
            self._ready.set_result(message["ready"])
        elif "failed" in message:
            self._ready.set_exception(_error(message["failed"]))
        elif "error" in message:
            self._finish(_error(message["error"]))
        else:
            self._finish(read(self._slab, message["layout"], message["strings"]))

    def _finish(self, result: Outputs | BurnishError) -> None:
        done, self._done = self._done, None
        if done is None:
            raise InternalError("a worker answered though nothing was asked")
        done(result)

    def _die(self) -> None:
        """The worker is gone: fail what it was doing, and tell the version."""
        if not self._alive:
            return
        done, self._done = self._done, None
        error = BackendError("the worker that ran this request died", hint="send it again")
        if not self._ready.done():
            self._ready.set_exception(error)
        self.stop()
        code = self._process.returncode
        log.warning("worker died", path=self._settings.path, pid=self.pid, code=code)
        if done is not None:
            done(error)
        self._on_death(self)


def slice_rows(outputs: Outputs, start: int, rows: int) -> Outputs:
    """Copy one request's rows out of a batch's outputs, which lie in memory that is used again."""
    return {name: np.array(array[start : start + rows]) for name, array in outputs.items()}


def _error(facts: Mapping[str, str]) -> BurnishError:
    kind = _KINDS.get(facts["code"], BackendError)
    return kind(facts["error"], hint=facts["hint"])
