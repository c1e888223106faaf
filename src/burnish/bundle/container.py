"""The two shapes of a bundle, a folder or one zip file, read with the same distrust."""

import hashlib
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

from burnish.errors import ArtifactError, NotFoundError

SUFFIX = ".burnish"
SEAL_BYTES = 64
# All that the standard library raises over a damaged zip file, as found by flipping bits.
ZIP_DAMAGE = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, struct.error, OverflowError)
_AGAIN = "copy or pack it again"
_CHUNK_BYTES = 1 << 20


class Container(Protocol):
    """Files by relative path."""

    def names(self) -> list[str]:
        """Return the paths of all files."""
        ...

    def size(self, name: str) -> int:
        """Return a file's size in bytes as the container states it."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open one file for reading."""
        ...

    def check_seal(self) -> None:
        """Check the bytes that belong to no file."""
        ...


class FolderContainer:
    """A bundle as a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Return the paths of all files; a link or a device is not followed but refused."""
        found = []
        for path in sorted(self._root.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ArtifactError(f"{path}: a bundle holds plain files only, no links or devices")
            if path.is_file():
                found.append(path.relative_to(self._root).as_posix())
        return found

    def size(self, name: str) -> int:
        """Return a file's size."""
        return (self._root / name).stat().st_size

    def open(self, name: str) -> BinaryIO:
        """Open one file."""
        try:
            return (self._root / name).open("rb")
        except OSError as error:
            raise ArtifactError(f"{self._root}: {name} cannot be read: {error.strerror}") from error

    def check_seal(self) -> None:
        """Check nothing: a folder has no bytes but its files'."""


class ZipContainer:
    """A bundle as one zip file.

    Its members are stored, not compressed, and together no larger than the file: it cannot inflate. Its
    comment is the seal, the SHA-256 of all bytes before it, so that a flipped bit in a header is found too.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        room = path.stat().st_size
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise ArtifactError(f"{path}: {info.filename!r} is compressed; a bundle's members are stored")
            room -= info.file_size
            if room < 0:
                raise ArtifactError(
                    f"{path}: its members claim to be larger than the whole file", hint=_AGAIN
                )

    def names(self) -> list[str]:
        """Return the paths of all files."""
        return [info.filename for info in self._archive.infolist() if not info.is_dir()]

    def size(self, name: str) -> int:
        """Return a file's size."""
        return self._archive.getinfo(name).file_size

    def open(self, name: str) -> BinaryIO:
        """Open one file."""
        try:
            return cast("BinaryIO", self._archive.open(name))
        except (KeyError, *ZIP_DAMAGE) as error:
            raise ArtifactError(f"{self._path}: {name} cannot be read: {error}", hint=_AGAIN) from error

    def check_seal(self) -> None:
        """Compare the file with its seal."""
        with self._path.open("rb") as stream:
            expected = seal_of(stream)
            found = stream.read(SEAL_BYTES)
        if found != expected or self._archive.comment != expected:
            raise ArtifactError(
                f"{self._path}: has sha256 {expected.decode()} up to its seal; "
                f"the seal says {found.decode('ascii', 'backslashreplace')}",
                hint=f"the file was changed or damaged: {_AGAIN}",
            )


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a bundle of either shape.

    Raises:
        NotFoundError: There is nothing at the path.
        ArtifactError: It is neither a folder nor a whole zip file.
    """
    if not path.exists():
        raise NotFoundError(f"{path}: no such bundle", hint="check the path")
    if path.is_dir():
        yield FolderContainer(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except ZIP_DAMAGE as error:
        raise ArtifactError(f"{path}: is not a whole bundle: {error}", hint=_AGAIN) from error
    with archive:
        yield ZipContainer(path, archive)


def seal_of(stream: BinaryIO) -> bytes:
    """Return the seal of a zip file's bytes, and leave the stream where the seal begins."""
    stream.seek(-SEAL_BYTES, 2)
    left = stream.tell()
    stream.seek(0)
    digest = hashlib.sha256()
    while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()


def check_path(name: str, *, source: str) -> None:
    """Refuse a path that could leave the bundle's folder, or that has a second spelling.

    Raises:
        ArtifactError: It is absolute, climbs, is not in its shortest form, or holds a backslash, a drive or
            characters that cannot be printed.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or not name:
        raise ArtifactError(f"{source}: the path {name!r} leads out of the bundle")
    if pure.as_posix() != name or not name.isprintable() or name == ".":
        raise ArtifactError(f"{source}: the path {name!r} is not plain")
