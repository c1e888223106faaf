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

from burnish.errors import BackendError, BurnishError, CapacityError, InternalError, MissingExtraError
from burnish.graph.signature import Array, Signature, dtype_of
from burnish.logs import get_logger
from burnish.serve.slab import Slab, pack_strings, plan, read, target
from burnish.serve.worker import MAX_MESSAGE, Settings

log = get_logger(__name__)

_STDERR = 2
Outputs = dict[str, Array]
OnDone = Callable[[Outputs | BurnishError], None]
OnDeath = Callable[["Instance"], None]


def _kinds(kind: type[BurnishError]) -> dict[str, type[BurnishError]]:
    """Return the errors that a worker can send, by code: all that are made from a message and a hint."""
    found = {kind.code: kind} if kind is not MissingExtraError else {}
    for child in kind.__subclasses__():
        found |= _kinds(child)
    return found


_KINDS = _kinds(BurnishError)


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
        self._ready.add_done_callback(lambda f: f.cancelled() or f.exception())  # nobody may be waiting
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
                stdout=_STDERR,  # what libraries print must not mix with what a command prints as JSON
                process_group=0,  # a Ctrl-C reaches the server alone, which then answers what is under way
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
        if not self._alive:
            raise BackendError(f"{self._settings.path}: the worker died when it was ready")
        self.signature = Signature.from_dict(facts["signature"])
        self.digest: str = facts["digest"]
        self.backend: str = facts["backend"]
        self.device: str = facts["device"]

    def run(self, parts: list[Mapping[str, Array]], done: OnDone) -> None:
        """Run the requests of one batch; ``done`` gets arrays over the slab, valid until the next batch.

        Args:
            parts: Inputs of each request; along the first axis they become one batch.
            done: Called once, from the event loop.
        """
        shapes = {}
        for name, first in parts[0].items():
            rows = sum(len(part[name]) for part in parts) if first.ndim else 0
            shapes[name] = (dtype_of(first), (rows, *first.shape[1:]) if first.ndim else ())
        strings = {
            name: pack_strings(part[name] for part in parts)
            for name, (dtype, _) in shapes.items()
            if dtype == "string"
        }
        layout, end = plan(shapes, strings)
        for item in layout:
            name = item["name"]
            if name in strings:
                _fill(target(self._slab, item), [np.frombuffer(strings[name], np.uint8)])
            else:
                _fill(target(self._slab, item), [part[name] for part in parts])
        self._done = done
        self._begun = time.monotonic()
        try:
            self._socket.send(msgspec.json.encode({"layout": layout, "end": end}))
        except ConnectionError:
            self._die()

    def busy_for_s(self) -> float:
        """Return for how long the batch that runs has been running; 0 when none does."""
        return time.monotonic() - self._begun if self._done is not None else 0.0

    def kill(self) -> None:
        """Kill the process; its death is noticed and handled as any other."""
        self._process.kill()

    def stop(self) -> None:
        """End the worker at once and give back its memory; what it was running is answered with an error."""
        if not self._alive:
            return
        self._alive = False
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._process.kill()
        self._loop.run_in_executor(None, self._process.wait)  # a large process takes a while to go
        self._slab.close()
        if not self._ready.done():
            self._ready.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(CapacityError("the version that ran this request is being unloaded", hint="send it again"))

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
            self._finish(read(self._slab, message["layout"]))

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
        log.warning("worker died", path=self._settings.path, pid=self.pid)
        if done is not None:
            done(error)
        self._on_death(self)


def slice_rows(outputs: Outputs, start: int, rows: int) -> Outputs:
    """Copy one request's rows out of a batch's outputs, which lie in memory that is used again."""
    return {name: np.array(array[start : start + rows]) for name, array in outputs.items()}


def _fill(memory: Array, parts: list[Array]) -> None:
    """Copy arrays into memory one behind another, or the first one when they have no axis to follow along."""
    if not memory.ndim:
        memory[...] = parts[0]
        return
    row = 0
    for part in parts:
        memory[row : row + len(part)] = part
        row += len(part)


def _error(facts: Mapping[str, str]) -> BurnishError:
    kind = _KINDS.get(facts["code"], BackendError)
    return kind(facts["error"], hint=facts["hint"])
