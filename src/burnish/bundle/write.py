"""Writing a bundle in either shape: all of it, or nothing. Files are streamed, never held whole."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from burnish.bundle.container import SEAL_BYTES, SUFFIX, seal_of
from burnish.bundle.manifest import MANIFEST_NAME, MANIFEST_SEAL, FileEntry, Manifest
from burnish.errors import ConflictError, InputError
from burnish.files import atomic_writer, sync_directory

CopyFile = Callable[[FileEntry, BinaryIO], object]
_Member = tuple[str, int, Callable[[BinaryIO], object]]
_TAKEN = "choose another path, or remove it first"


def write_bundle(path: Path, manifest: Manifest, copy: CopyFile) -> None:
    """Write a bundle.

    Args:
        path: Where: one zip file when it ends in ``.burnish``, else a folder.
        manifest: What it says about itself.
        copy: Writes the bytes of one of its files to a stream.

    Raises:
        ConflictError: There is something at the path already; it is left as it is.
        InputError: The path cannot be written, or the disk is full; nothing is left behind.
    """
    if path.exists():
        raise ConflictError(f"{path}: already exists", hint=_TAKEN)
    members = _members(manifest, copy)
    try:
        if path.suffix == SUFFIX:
            _write_zip(path, members)
        else:
            _write_folder(path, members)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="check permissions and free space; nothing was left behind",
        ) from error


def _members(manifest: Manifest, copy: CopyFile) -> Iterator[_Member]:
    for entry in manifest.files:
        yield entry.path, entry.bytes, partial(copy, entry)
    for name, data in ((MANIFEST_NAME, manifest.to_json()), (MANIFEST_SEAL, manifest.seal())):
        yield name, len(data), partial(_put, data)


def _put(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)


def _write_zip(path: Path, members: Iterator[_Member]) -> None:
    with atomic_writer(path) as stream:
        with zipfile.ZipFile(stream, "w", compression=zipfile.ZIP_STORED) as archive:
            for name, size, copy in members:
                # a fixed date: equal content gives an equal file
                info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                info.file_size = size
                info.external_attr = 0o644 << 16
                with archive.open(info, "w") as member:
                    copy(member)  # type: ignore[arg-type] # a member is written to like any stream
            archive.comment = b"0" * SEAL_BYTES
        stream.flush()
        with os.fdopen(os.dup(stream.fileno()), "rb") as written:
            seal = seal_of(written)
        stream.seek(-SEAL_BYTES, os.SEEK_END)
        stream.write(seal)


def _write_folder(path: Path, members: Iterator[_Member]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    inside = holder / path.name
    try:
        inside.mkdir()  # with the usual permissions, which mkdtemp withholds
        for name, _, copy in members:
            with atomic_writer(inside / name) as stream:
                copy(stream)
        for folder in inside.rglob("*"):
            if folder.is_dir():
                sync_directory(folder)
        sync_directory(inside)
        _take_place(inside, path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)
    sync_directory(path.parent)


def _take_place(folder: Path, path: Path) -> None:
    try:
        folder.rename(path)
    except OSError as error:
        if path.exists():  # somebody else was faster
            raise ConflictError(f"{path}: already exists", hint=_TAKEN) from error
        raise
