"""What the registry hands out, and how a version is referred to."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from burnish.bundle.manifest import Manifest, parse_manifest
from burnish.bundle.runtime_lock import Difference
from burnish.errors import ArtifactError, InputError

_REFERENCE = re.compile(r"(?P<name>[^@]+)(?:@(?P<version>[^@]+))?")


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One immutable version of a model."""

    name: str
    version: int
    digest: str
    created: str
    """When it was registered, UTC, ISO 8601."""
    parent: str | None
    """Digest of the bundle that it was made from."""
    aliases: tuple[str, ...]
    manifest_json: bytes = field(repr=False)

    @property
    def reference(self) -> str:
        """What to call it: ``name@version``."""
        return f"{self.name}@{self.version}"

    @cached_property
    def manifest(self) -> Manifest:
        """What the bundle says about itself; read when it is asked for, for lists are long.

        Raises:
            ArtifactError: The database's copy of it is damaged.
        """
        manifest = parse_manifest(self.manifest_json, source=self.reference)
        if manifest.digest != self.digest:
            raise ArtifactError(
                f"{self.reference}: its manifest has digest {manifest.digest}, registered was {self.digest}",
                hint="restore the registry from a backup",
            )
        return manifest


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for the version that plays a role, such as ``primary``."""

    name: str
    alias: str
    version: int
    previous: int | None
    """Where it pointed before: the version to go back to."""
    generation: int
    """Counts the moves; a compare-and-swap names the one that it has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A version whose every byte was read and found right."""

    version: ModelVersion
    files: int
    bytes: int
    differences: tuple[Difference, ...]
    """How this machine differs from the runtime lock."""


def split_reference(reference: str) -> tuple[str, str | None]:
    """Split ``name@version`` into its parts; the second is None when it is missing.

    Raises:
        InputError: It is empty, or nothing stands before or behind the @.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InputError(f"{reference!r} is not a reference", hint="write name@version, name@alias or name")
    return match["name"], match["version"]
