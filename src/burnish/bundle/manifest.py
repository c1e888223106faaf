"""The manifest: what is in a bundle, where it came from, and what it needs."""

import re
from typing import Annotated, Any

import msgspec

from burnish.bundle.runtime_lock import RuntimeLock
from burnish.errors import ArtifactError, InputError
from burnish.files import sha256_bytes

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
MANIFEST_SEAL = "manifest.json.sha256"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of the bundle."""

    path: str
    sha256: Sha256
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class EngineChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The engine that the evidence was measured on, and that serving uses."""

    backend: str
    device: str = "cpu"
    threads: int = 0


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A metric with its interval."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    unit: str = ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Everything that a bundle says about itself.

    Its canonical JSON determines the digest, and the digest is the version's identity: two bundles with the
    same digest are the same in every byte. Fields at their default are left out, so that a field added later
    changes the digest of no bundle that was made before.
    """

    schema: int
    name: str
    created: str
    """UTC, ISO 8601."""
    files: list[FileEntry]
    graph: str
    """Path of the ONNX file inside the bundle."""
    graph_digest: str
    signature: dict[str, Any]
    golden: str
    """Path of the golden samples inside the bundle."""
    engine: EngineChoice
    runtime_lock: RuntimeLock
    metrics: dict[str, Measured] = {}
    hyper_parameters: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    data_hash: str = ""
    parent: str | None = None
    """Digest of the bundle that this one was made from."""
    code_revision: str = ""
    licence: str = ""

    def to_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, no defaults, UTF-8."""
        return msgspec.json.encode(self, order="sorted")

    def seal(self) -> bytes:
        """Return the file that lies beside the manifest; ``sha256sum -c`` reads it too."""
        return f"{sha256_bytes(self.to_json())}  {MANIFEST_NAME}\n".encode()

    @property
    def digest(self) -> str:
        """The identity of the version: ``sha256:`` and 64 hexadecimal digits."""
        return "sha256:" + sha256_bytes(self.to_json())


def parse_manifest(data: bytes, *, source: str) -> Manifest:
    """Read a manifest.

    Raises:
        ArtifactError: It is not JSON, lacks or adds a key, is of another schema, or is not in canonical form.
    """
    try:
        schema = msgspec.json.decode(data, type=dict[str, Any]).get("schema")
        if schema != SCHEMA:
            raise ArtifactError(
                f"{source}: its manifest has schema {schema!r}; this burnish reads {SCHEMA}",
                hint="upgrade burnish" if isinstance(schema, int) and schema > SCHEMA else "pack it again",
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        raise ArtifactError(f"{source}: {MANIFEST_NAME}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{source}: {MANIFEST_NAME} is not JSON: {error}") from error
    if manifest.to_json() != data:
        raise ArtifactError(f"{source}: {MANIFEST_NAME} was changed after it was written")
    return manifest


def check_name(name: str, *, what: str = "a model's name") -> str:
    """Return a name if it is a good one.

    Raises:
        InputError: It is empty, too long, or holds other characters than a-z 0-9 . _ -
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be {what}",
            hint="use 1 to 128 characters of a-z 0-9 . _ - and begin with a letter or digit",
        )
    return name
