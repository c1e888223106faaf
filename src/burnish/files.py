"""Files that are either whole or absent, and digests of what they hold."""

import errno
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
        InputError: There is a folder of this name, or the file cannot be written there; the text says why. What the
            block itself raises is passed on.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}.tmp"
    with _refusing(path):
        if path.is_dir():
            raise InputError(f"{path}: is a folder", hint="give the path of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        # With the permissions of any other new file: what is published is read by others, such as a server.
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(fd, "wb") as stream:
            yield stream
            with _refusing(path):
                stream.flush()
                os.fsync(stream.fileno())
        with _refusing(path):
            temporary.replace(path)
            sync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that readers see the old content or the new, never a part."""
    with atomic_writer(path) as stream, _refusing(path):
        stream.write(data)


def check_writable(path: Path) -> None:
    """Refuse a path that `write_atomic` could not write to, before work is done for it.

    Raises:
        InputError: It is a folder, or lies where nothing can be written; the text says why.
    """
    with _refusing(path):
        if path.is_dir():
            raise InputError(f"{path}: is a folder", hint="give the path of a file")
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"nothing can be written in {folder}")


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Name the path and the reason where the system refuses to write."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="check permissions and free space; nothing was left behind",
        ) from error


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
