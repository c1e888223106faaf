"""A bundle, opened and verified."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from burnish.bundle.container import ZIP_DAMAGE, Container, check_path, open_container
from burnish.bundle.manifest import MANIFEST_NAME, MANIFEST_SEAL, FileEntry, Manifest, parse_manifest
from burnish.errors import ArtifactError, InputError
from burnish.files import sha256_bytes, sha256_stream

if TYPE_CHECKING:  # whoever only moves bundles about needs neither numpy nor onnx
    from burnish.graph import ComputeGraph
    from burnish.graph.signature import Array, Signature

_MANIFEST_LIMIT = 16 << 20
_CHANGED = "the file was changed or damaged: copy or pack it again"


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
            verify: Whether every byte is checked now; without it the manifest and the list of files are.

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
                container.check_seal()
                for entry in manifest.files:
                    _verify(container, entry, str(path))
        return cls(path, manifest)

    @property
    def digest(self) -> str:
        """Identity of the version."""
        return self.manifest.digest

    @property
    def signature(self) -> "Signature":
        """What the graph takes and gives, as the manifest says.

        Raises:
            ArtifactError: The manifest's entry is no signature.
        """
        from burnish.graph.signature import Signature

        try:
            return Signature.from_dict(self.manifest.signature)
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"{self.path}: the manifest's signature is malformed: {error!r}") from error

    def graph(self, extracted: Path | None = None) -> "ComputeGraph":
        """Read the graph; its bytes are verified on the way.

        Args:
            extracted: The graph's file where `extract` has already written it; None reads it from the bundle.

        Raises:
            ArtifactError: It is damaged, not ONNX, or takes or gives other tensors than the manifest says.
        """
        from burnish.graph import ComputeGraph

        try:
            graph = ComputeGraph(extracted or self.read(self.manifest.graph))
            signature = graph.signature
        except InputError as error:
            raise ArtifactError(f"{self.path}: {self.manifest.graph}: {error.message}") from error
        if signature != self.signature:
            raise ArtifactError(
                f"{self.path}: {self.manifest.graph} has another signature than the manifest says",
                hint="pack it again",
            )
        return graph

    def golden(self) -> tuple[dict[str, "Array"], dict[str, "Array"]]:
        """Return the golden inputs and the outputs that belong to them.

        Raises:
            ArtifactError: They are damaged or do not fit the signature.
        """
        from burnish.bundle.golden import decode

        return decode(self.read(self.manifest.golden), self.signature, source=str(self.path))

    def read(self, name: str) -> bytes:
        """Return one file's bytes, verified.

        Raises:
            ArtifactError: There is no such file, or its bytes do not match its digest.
        """
        buffer = io.BytesIO()
        self.extract(name, buffer)
        return buffer.getvalue()

    def extract(self, name: str, to: BinaryIO) -> None:
        """Copy one file's bytes to a stream, piece by piece, and verify them on the way.

        Raises:
            ArtifactError: There is no such file, or its bytes do not match its digest; what was written by then
                is not to be used.
        """
        entry = next((e for e in self.manifest.files if e.path == name), None)
        if entry is None:
            raise ArtifactError(f"{self.path}: the manifest has no file {name!r}")
        with open_container(self.path) as container:
            _verify(container, entry, str(self.path), copy_to=to)

    def each_file(self, take: Callable[[FileEntry, BinaryIO], object]) -> None:
        """Hand every file's entry and open stream to ``take``, one at a time, whatever their size.

        Raises:
            ArtifactError: A file cannot be read.
        """
        with open_container(self.path) as container:
            for entry in self.manifest.files:
                with container.open(entry.path) as stream:
                    take(entry, stream)


def _read_manifest(container: Container, source: str) -> Manifest:
    names = container.names()
    for name in (MANIFEST_NAME, MANIFEST_SEAL):
        if name not in names:
            raise ArtifactError(f"{source}: has no {name}, so it is not a bundle")
        if container.size(name) > _MANIFEST_LIMIT:
            raise ArtifactError(f"{source}: {name} is larger than {_MANIFEST_LIMIT} bytes")
    data, seal = (_read(container, name, source) for name in (MANIFEST_NAME, MANIFEST_SEAL))
    manifest = parse_manifest(data, source=source)
    if manifest.seal() != seal:
        raise ArtifactError(
            f"{source}: {MANIFEST_NAME} has sha256 {sha256_bytes(data)}; "
            f"{MANIFEST_SEAL} says {seal.decode('utf-8', 'backslashreplace').strip()}",
            hint=_CHANGED,
        )
    return manifest


def _read(container: Container, name: str, source: str) -> bytes:
    try:
        with container.open(name) as stream:
            return stream.read()
    except ZIP_DAMAGE as error:
        raise ArtifactError(f"{source}: {name} is damaged: {error}", hint=_CHANGED) from error


def _check_files(container: Container, manifest: Manifest, source: str) -> None:
    present, listed = container.names(), [entry.path for entry in manifest.files]
    for name in (*present, *listed):
        check_path(name, source=source)
    if len(set(present)) != len(present) or len(set(listed)) != len(listed):
        raise ArtifactError(f"{source}: a path occurs twice")
    own = {MANIFEST_NAME, MANIFEST_SEAL}
    if taken := sorted(own & set(listed)):
        raise ArtifactError(f"{source}: the manifest lists {taken[0]}, which is not one of its files")
    if missing := sorted(set(listed) - set(present)):
        raise ArtifactError(f"{source}: {missing[0]} is missing", hint="copy or pack it again")
    if added := sorted(set(present) - set(listed) - own):
        raise ArtifactError(f"{source}: {added[0]} is not in the manifest")
    folders = {
        "/".join(name.split("/")[:depth]) for name in present for depth in range(1, name.count("/") + 1)
    }
    if both := sorted(folders & set(present)):
        raise ArtifactError(f"{source}: {both[0]} is a file and a folder")
    for name, what in ((manifest.graph, "graph"), (manifest.golden, "golden samples")):
        if name not in listed:
            raise ArtifactError(f"{source}: the manifest lists no file for its {what}, {name!r}")


def _verify(container: Container, entry: FileEntry, source: str, *, copy_to: BinaryIO | None = None) -> None:
    try:
        with container.open(entry.path) as stream:
            digest, size = sha256_stream(stream, copy_to=copy_to)
    except ZIP_DAMAGE as error:
        raise ArtifactError(f"{source}: {entry.path} is damaged: {error}", hint=_CHANGED) from error
    if (digest, size) != (entry.sha256, entry.bytes):
        raise ArtifactError(
            f"{source}: {entry.path} has sha256 {digest} and {size} bytes; "
            f"the manifest says {entry.sha256} and {entry.bytes}",
            hint=_CHANGED,
        )
