"""A worker: one engine in a process of its own, fed through shared memory.

Started by the server as ``python -m burnish.serve.worker SOCKET SLAB SETTINGS``. It loads, warms up, checks
itself against the golden samples and says so; then it runs one batch after another until the socket closes,
which happens too when the server dies.
"""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from burnish import logs
from burnish.errors import BurnishError
from burnish.serve import source
from burnish.serve.slab import Slab, read, write

MAX_MESSAGE = 1 << 20


class Settings(msgspec.Struct, frozen=True):
    """What a worker is told at its start."""

    path: str
    threads: int
    max_batch_size: int
    lock_policy: str
    log_level: str = "warning"


def main() -> None:
    """Run a worker."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    slab = Slab(int(sys.argv[2]))
    settings = msgspec.json.decode(sys.argv[3], type=Settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches the whole group; the server decides
    logs.configure(level=settings.log_level)
    try:
        loaded = source.load(Path(settings.path), threads=settings.threads, lock_policy=settings.lock_policy)
        source.check_golden(loaded)
        source.warm_up(loaded, iter(buckets(settings.max_batch_size)))
    except BurnishError as error:
        _send(connection, {"failed": {"code": error.code, "error": error.message, "hint": error.hint}})
        return
    session = loaded.session
    ready = {
        "signature": session.signature.to_dict(),
        "digest": loaded.digest,
        "backend": session.backend,
        "device": session.device,
    }
    _send(connection, {"ready": ready})
    while message := connection.recv(MAX_MESSAGE):
        _send(connection, _run(session, slab, msgspec.json.decode(message)))


def buckets(max_batch_size: int) -> list[int]:
    """Return the batch sizes that are warmed up: powers of two, and the largest."""
    sizes = [1 << i for i in range(max_batch_size.bit_length()) if 1 << i < max_batch_size]
    return [*sizes, max_batch_size]


def _run(session: Any, slab: Slab, message: dict[str, Any]) -> dict[str, Any]:
    try:
        outputs = session.run(read(slab, message["layout"], message["strings"]))
    except BurnishError as error:
        return {"error": {"code": error.code, "error": error.message, "hint": error.hint}}
    layout, strings = write(slab, outputs, start=message["end"])
    return {"layout": layout, "strings": strings}


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    try:
        connection.send(msgspec.json.encode(message))
    except BrokenPipeError:  # the server is gone, and so are we
        os._exit(0)


if __name__ == "__main__":
    main()
