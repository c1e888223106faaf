"""Files that are either whole or absent, and digests of what they hold."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from burnish.errors import InputError

_CHUNK_BYTES = 1 << 20


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its place only when the block succeeds.

    The data is on disk (fsync) before the rename, and the rename before the return, so that neither an
    interruption nor a power cut leaves a half-written ``path``.

    Raises:
        InputError: There is a folder of this name.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder", hint="give the path of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}.tmp"
    # With the permissions of any other new file: what is published is read by other users, such as a server's.
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(fd, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that readers see the old content or the new, never a part."""
    with atomic_writer(path) as stream:
        stream.write(data)


def sync_directory(path: Path) -> None:
    """Make renames inside ``path`` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256_stream(stream: BinaryIO, *, copy_to: BinaryIO | None = None) -> tuple[str, int]:
    """Read a stream to its end in constant memory.

    Args:
        stream: What to read.
        copy_to: Where the bytes are written on the way; None for nowhere.

    Returns:
        The SHA-256 as 64 hexadecimal digits, and the number of bytes.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if copy_to is not None:
            copy_to.write(chunk)
    return digest.hexdigest(), size


def sha256_bytes(data: bytes | memoryview) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
