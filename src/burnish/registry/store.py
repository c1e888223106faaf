"""Blobs named by the hash of their bytes: written whole, verified on every read, shared by all versions."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import fsspec

from burnish.errors import ArtifactError, InputError
from burnish.files import sha256_stream
from burnish.logs import get_logger

log = get_logger(__name__)


class BlobStore:
    """A folder of blobs on any file system that fsspec knows.

    Args:
        url: A local folder, or a URL such as ``s3://bucket/prefix``.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url, auto_mkdir=True)

    def put(self, stream: BinaryIO, sha256: str) -> bool:
        """Store a blob unless it is there.

        Args:
            stream: The bytes.
            sha256: Their digest; they are checked on the way.

        Returns:
            Whether anything was written.

        Raises:
            ArtifactError: The bytes have another digest; nothing is kept.
            InputError: The store cannot be written; nothing is kept.
        """
        path = self._path(sha256)
        if self._files.exists(path):
            return False
        temporary = f"{path}.{uuid4().hex}.tmp"
        try:
            with self._files.open(temporary, "wb") as target:
                found, _ = sha256_stream(stream, copy_to=target)
                _sync(target)
            if found != sha256:
                raise ArtifactError(f"blob {sha256}: its bytes have sha256 {found}")
            self._files.mv(temporary, path)
        except OSError as error:
            self._discard(temporary)
            raise InputError(
                f"{self._root}: cannot be written: {error.strerror or error}", hint="nothing was changed"
            ) from error
        except BaseException:
            self._discard(temporary)
            raise
        return True

    def copy(self, sha256: str, target: BinaryIO) -> None:
        """Write a blob's bytes to ``target``, verified.

        Raises:
            ArtifactError: The blob is missing or damaged; a damaged one is put into quarantine.
        """
        path = self._path(sha256)
        if not self._files.exists(path):
            raise ArtifactError(f"blob {sha256} is missing from {self._root}", hint="push the bundle again")
        with self._files.open(path, "rb") as stream:
            found, _ = sha256_stream(stream, copy_to=target)
        if found != sha256:
            self._quarantine(path, sha256, found)

    def _quarantine(self, path: str, sha256: str, found: str) -> None:
        jail = f"{self._root}/quarantine/{sha256}.{uuid4().hex}"
        self._files.makedirs(f"{self._root}/quarantine", exist_ok=True)
        self._files.mv(path, jail)
        log.error("damaged blob put into quarantine", sha256=sha256, found=found, moved_to=jail)
        raise ArtifactError(
            f"blob {sha256} is damaged: its bytes have sha256 {found}; moved to {jail}",
            hint="push the bundle again",
        )

    def digests(self) -> Iterator[str]:
        """Yield the digest of every blob."""
        for path in self._files.find(f"{self._root}/sha256"):
            name = Path(path).name
            if not name.endswith(".tmp"):
                yield name

    def _path(self, sha256: str) -> str:
        return f"{self._root}/sha256/{sha256[:2]}/{sha256}"

    def _discard(self, path: str) -> None:
        if self._files.exists(path):
            self._files.rm(path)


def _sync(target: Any) -> None:
    """Flush a local file to disk; a remote store is durable when its upload ends."""
    target.flush()
    try:
        os.fsync(target.fileno())
    except (AttributeError, OSError, ValueError):
        return
