"""Blobs named by the hash of their bytes: written whole, verified on every read, shared by all versions."""

import os
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import fsspec

from burnish.errors import ArtifactError, InputError
from burnish.files import sha256_stream, sync_directory
from burnish.logs import get_logger

log = get_logger(__name__)

_AGAIN = "push the bundle again"


class BlobStore:
    """A folder of blobs on any file system that fsspec knows.

    Args:
        url: A local folder, or a URL such as ``s3://bucket/prefix``.
    """

    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url, auto_mkdir=True)
        self._is_local = "file" in self._files.protocol

    def put(self, stream: BinaryIO, sha256: str) -> bool:
        """Store a blob unless it is there and whole.

        Args:
            stream: The bytes.
            sha256: Their digest; they are checked on the way.

        Returns:
            Whether anything was written.

        Raises:
            ArtifactError: The bytes have another digest; nothing is kept.
            InputError: The store cannot be written; nothing is kept.
        """
        if self._is_whole(sha256):
            return False
        path = self._path(sha256)
        temporary = f"{path}.{uuid4().hex}.tmp"
        try:
            found = self._write(temporary, stream)
            if found != sha256:
                raise ArtifactError(f"blob {sha256}: its bytes have sha256 {found}", hint=_AGAIN)
            self._files.mv(temporary, path)
            if self._is_local:
                sync_directory(Path(path).parent)
                sync_directory(Path(path).parent.parent)
        except OSError as error:
            self._discard(temporary)
            raise InputError(
                f"{self._root}: cannot be written: {error.strerror or error}",
                hint="check permissions and free space; nothing was changed",
            ) from error
        except BaseException:
            self._discard(temporary)
            raise
        return True

    def copy(self, sha256: str, target: BinaryIO | None) -> None:
        """Write a blob's bytes to ``target``, verified; None only verifies them.

        What was written before a fault was found is wrong: the caller throws it away.

        Raises:
            ArtifactError: The blob is missing or damaged; a damaged one is put into quarantine.
        """
        found = self._digest(sha256, target)
        if found is None:
            raise ArtifactError(f"blob {sha256} is missing from {self._root}", hint=_AGAIN)
        if found != sha256:
            jail = self._quarantine(sha256, found)
            raise ArtifactError(
                f"blob {sha256} is damaged: its bytes have sha256 {found}; moved to {jail}", hint=_AGAIN
            )

    def _write(self, path: str, stream: BinaryIO) -> str:
        with self._files.open(path, "wb") as target:
            found, _ = sha256_stream(stream, copy_to=target)
            if self._is_local:  # a remote store is durable when its upload ends
                target.flush()
                os.fsync(target.fileno())
        return found

    def _is_whole(self, sha256: str) -> bool:
        found = self._digest(sha256, None)
        if found is not None and found != sha256:
            self._quarantine(sha256, found)
        return found == sha256

    def _digest(self, sha256: str, target: BinaryIO | None) -> str | None:
        """Read a blob to its end and return the digest of its bytes; None when there is no such blob."""
        try:
            stream = self._files.open(self._path(sha256), "rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArtifactError(f"blob {sha256} cannot be read: {error.strerror or error}") from error
        with stream:
            return sha256_stream(stream, copy_to=target)[0]

    def _quarantine(self, sha256: str, found: str) -> str:
        jail = f"{self._root}/quarantine/{sha256}.{uuid4().hex}"
        try:
            self._files.makedirs(f"{self._root}/quarantine", exist_ok=True)
            self._files.mv(self._path(sha256), jail)
        except FileNotFoundError:  # another reader was faster
            return f"{self._root}/quarantine"
        except OSError as error:
            raise ArtifactError(
                f"blob {sha256} is damaged: its bytes have sha256 {found}; "
                f"it cannot be moved to quarantine: {error.strerror or error}"
            ) from error
        log.error("damaged blob put into quarantine", sha256=sha256, found=found, moved_to=jail)
        return jail

    def _path(self, sha256: str) -> str:
        return f"{self._root}/sha256/{sha256[:2]}/{sha256}"

    def _discard(self, path: str) -> None:
        if self._files.exists(path):
            self._files.rm(path)
