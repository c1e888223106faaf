"""A worker: one engine in a process of its own, fed through shared memory.

Started by the server as ``python -m burnish.serve.worker SOCKET SLAB SETTINGS``. It loads, warms up, checks
itself against the golden samples and says so; then it runs one batch after another until the socket closes.
When the server dies the kernel kills it, whatever it is doing.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from burnish import logs
from burnish.errors import BackendError, BurnishError
from burnish.logs import get_logger
from burnish.runtime.backend import Memory, SessionOptions
from burnish.serve import source
from burnish.serve.landing import Landing
from burnish.serve.slab import Slab, read

log = get_logger(__name__)

MAX_MESSAGE = 1 << 17
_MAX_TEXT = 4096
_PR_SET_PDEATHSIG = 1


class Settings(msgspec.Struct, frozen=True):
    """What a worker is told at its start."""

    path: str
    threads: int
    memory: Memory
    max_batch_size: int
    lock_policy: str
    log_level: str = "warning"


def main() -> None:
    """Run a worker."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a closed socket is not seen by a hung engine
    connection = socket.socket(fileno=int(sys.argv[1]))
    slab = Slab(int(sys.argv[2]))
    settings = msgspec.json.decode(sys.argv[3], type=Settings)
    logs.configure(level=settings.log_level)
    try:
        options = SessionOptions(threads=settings.threads, memory=settings.memory)
        loaded = source.load(Path(settings.path), options, lock_policy=settings.lock_policy)
        source.check_golden(loaded)
        source.warm_up(loaded, iter(buckets(settings.max_batch_size)))
    except Exception as error:
        _send(connection, {"failed": _described(error, f"{settings.path}: cannot be loaded")})
        return
    session = loaded.session
    ready = {
        "signature": session.signature.to_dict(),
        "digest": loaded.digest,
        "backend": session.backend,
        "device": session.device,
    }
    if len(msgspec.json.encode(ready)) > MAX_MESSAGE // 2:  # what is said of each request must fit as well
        refusal = BackendError("the model has too many inputs and outputs, or too long names, to be served")
        _send(connection, {"failed": _described(refusal, settings.path)})
        return
    gc.collect()
    gc.freeze()  # the collector need not look at what stays for good
    _send(connection, {"ready": ready})
    landing = Landing(session, slab)
    while message := connection.recv(MAX_MESSAGE):
        _send(connection, _run(landing, slab, msgspec.json.decode(message)))


def buckets(max_batch_size: int) -> list[int]:
    """Return the batch sizes that are warmed up: powers of two, and the largest."""
    sizes = [1 << i for i in range(max_batch_size.bit_length()) if 1 << i < max_batch_size]
    return [*sizes, max_batch_size]


def _run(landing: Landing, slab: Slab, message: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"layout": landing.run(read(slab, message["layout"]), start=message["end"])}
    except Exception as error:  # whatever an engine raises costs this batch, not the worker
        return {"error": _described(error, "the engine failed")}


def _described(error: Exception, what: str) -> dict[str, str]:
    """Put an error into a message, short enough for one."""
    if not isinstance(error, BurnishError):
        log.exception(what)
        error = BackendError(f"{what}: {type(error).__name__}: {error}")
    return {"code": error.code, "error": error.message[:_MAX_TEXT], "hint": error.hint[:_MAX_TEXT]}


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    try:
        connection.send(msgspec.json.encode(message))
    except ConnectionError:  # the server is gone, and so are we
        os._exit(0)


if __name__ == "__main__":
    main()
