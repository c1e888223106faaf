"""A bundle, opened and verified."""

import io
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from burnish.bundle.container import Container, check_path, open_container
from burnish.bundle.manifest import MANIFEST_NAME, FileEntry, Manifest, parse_manifest
from burnish.errors import ArtifactError
from burnish.files import sha256_stream
from burnish.graph import ComputeGraph
from burnish.graph.signature import Array

_MANIFEST_LIMIT = 16 << 20
Samples = dict[str, Array]


class Bundle:
    """What ships. `Bundle.open` is the way to one.

    Attributes:
        path: The folder or zip file.
        manifest: What it says about itself.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True) -> "Bundle":
        """Open a bundle.

        Args:
            path: A folder or a ``.burnish`` file.
            verify: Whether every file's digest is checked now; the manifest is always checked.

        Raises:
            NotFoundError: There is nothing at the path.
            ArtifactError: A file is missing, added, changed or outside the bundle, or the manifest is wrong;
                the text names the file and both digests.
        """
        path = Path(path)
        with open_container(path) as container:
            manifest = _read_manifest(container, str(path))
            _check_files(container, manifest, str(path))
            if verify:
                for entry in manifest.files:
                    _verify(container, entry, str(path))
        return cls(path, manifest)

    @property
    def digest(self) -> str:
        """Identity of the version."""
        return self.manifest.digest

    def graph(self) -> ComputeGraph:
        """Read the graph; its bytes are verified on the way.

        Raises:
            ArtifactError: The graph is not the one that the manifest names.
        """
        graph = ComputeGraph(self.read(self.manifest.graph))
        if graph.digest != self.manifest.graph_digest:
            raise ArtifactError(
                f"{self.path}: the graph has digest {graph.digest}, the manifest says {self.manifest.graph_digest}"
            )
        return graph

    def golden(self) -> tuple[Samples, Samples]:
        """Return the golden inputs and the outputs that belong to them."""
        with np.load(io.BytesIO(self.read(self.manifest.golden)), allow_pickle=False) as arrays:
            sides: tuple[Samples, Samples] = ({}, {})
            for key in arrays.files:
                side, _, name = key.partition("/")
                sides[side == "output"][name] = arrays[key]
        return sides

    def read(self, name: str) -> bytes:
        """Return one file's bytes, verified.

        Raises:
            ArtifactError: There is no such file, or its bytes do not match its digest.
        """
        entry = next((e for e in self.manifest.files if e.path == name), None)
        if entry is None:
            raise ArtifactError(f"{self.path}: the manifest has no file {name!r}")
        with open_container(self.path) as container:
            buffer = io.BytesIO()
            _verify(container, entry, str(self.path), copy_to=buffer)
        return buffer.getvalue()


def _read_manifest(container: Container, source: str) -> Manifest:
    names = container.names()
    if MANIFEST_NAME not in names:
        raise ArtifactError(f"{source}: has no {MANIFEST_NAME}, so it is not a bundle")
    if container.size(MANIFEST_NAME) > _MANIFEST_LIMIT:
        raise ArtifactError(f"{source}: {MANIFEST_NAME} is larger than {_MANIFEST_LIMIT} bytes")
    try:
        with container.open(MANIFEST_NAME) as stream:
            data = stream.read()
    except zipfile.BadZipFile as error:
        raise ArtifactError(f"{source}: {MANIFEST_NAME} is damaged: {error}") from error
    return parse_manifest(data, source=source)


def _check_files(container: Container, manifest: Manifest, source: str) -> None:
    present, listed = container.names(), [entry.path for entry in manifest.files]
    for name in (*present, *listed):
        check_path(name, source=source)
    if len(set(present)) != len(present) or len(set(listed)) != len(listed):
        raise ArtifactError(f"{source}: a path occurs twice")
    if missing := sorted(set(listed) - set(present)):
        raise ArtifactError(f"{source}: {missing[0]} is missing", hint="copy or pack it again")
    if added := sorted(set(present) - set(listed) - {MANIFEST_NAME}):
        raise ArtifactError(f"{source}: {added[0]} is not in the manifest")
    for name, what in ((manifest.graph, "graph"), (manifest.golden, "golden samples")):
        if name not in listed:
            raise ArtifactError(f"{source}: the manifest lists no file for its {what}, {name!r}")


def _verify(container: Container, entry: FileEntry, source: str, *, copy_to: BinaryIO | None = None) -> None:
    try:
        with container.open(entry.path) as stream:
            digest, size = sha256_stream(stream, copy_to=copy_to)
    except zipfile.BadZipFile as error:
        raise ArtifactError(f"{source}: {entry.path} is damaged: {error}") from error
    if (digest, size) != (entry.sha256, entry.bytes):
        raise ArtifactError(
            f"{source}: {entry.path} has sha256 {digest} and {size} bytes; "
            f"the manifest says {entry.sha256} and {entry.bytes}",
            hint="the file was changed or damaged: copy or pack it again",
        )
