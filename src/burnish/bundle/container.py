"""The two shapes of a bundle, a folder or one zip file, read with the same distrust."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from burnish.errors import ArtifactError, NotFoundError

SUFFIX = ".burnish"


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


class FolderContainer:
    """A bundle as a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Return the paths of all files; a link is not followed but refused."""
        found = []
        for path in sorted(self._root.rglob("*")):
            if path.is_symlink():
                raise ArtifactError(f"{path}: a bundle may not hold links")
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


class ZipContainer:
    """A bundle as one zip file whose members are stored, not compressed: it cannot inflate."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise ArtifactError(f"{path}: {info.filename} is compressed; a bundle's members are stored")
            if info.file_size > path.stat().st_size:
                raise ArtifactError(f"{path}: {info.filename} claims to be larger than the whole file")

    def names(self) -> list[str]:
        """Return the paths of all files."""
        return [info.filename for info in self._archive.infolist() if not info.is_dir()]

    def size(self, name: str) -> int:
        """Return a file's size."""
        return self._archive.getinfo(name).file_size

    def open(self, name: str) -> BinaryIO:
        """Open one file."""
        try:
            return self._archive.open(name)  # type: ignore[return-value]
        except (KeyError, zipfile.BadZipFile, RuntimeError) as error:
            raise ArtifactError(f"{self._path}: {name} cannot be read: {error}") from error


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
    except (zipfile.BadZipFile, OSError) as error:
        raise ArtifactError(
            f"{path}: is not a whole bundle: {error}", hint="copy or pack it again"
        ) from error
    with archive:
        yield ZipContainer(path, archive)


def check_path(name: str, *, source: str) -> None:
    """Refuse a path that could leave the bundle's folder.

    Raises:
        ArtifactError: It is absolute, climbs, or holds a backslash or a drive.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or "\0" in name or not name:
        raise ArtifactError(f"{source}: the path {name!r} leads out of the bundle")
