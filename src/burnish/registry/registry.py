"""The registry: models, their versions, and where each alias points."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import sqlalchemy as sa

from burnish.bundle import Bundle, Manifest, enforce
from burnish.bundle.manifest import check_name
from burnish.bundle.write import write_bundle
from burnish.errors import ArtifactError, ConflictError, InputError
from burnish.logs import get_logger
from burnish.registry import audit, catalog
from burnish.registry.database import open_database, reading, transaction
from burnish.registry.records import Alias, ModelVersion, Verified, split_reference
from burnish.registry.store import BlobStore

log = get_logger(__name__)


class Registry:
    """Versions of models in one folder: a SQLite database and content-addressed blobs.

    Args:
        root: The folder.
        create: Whether it is made when it is missing; otherwise its absence is a `NotFoundError`.
        busy_timeout_s: How long a change waits for other writers.

    A reference is ``name@3``, ``name@alias``, or ``name`` for the newest version. Safe to use from several
    threads and processes at once. Also a context manager, which closes it.
    """

    def __init__(self, root: str | Path, *, create: bool = True, busy_timeout_s: float = 10.0) -> None:
        self.root = Path(root)
        self._create = create
        self._busy_timeout_s = busy_timeout_s

    @cached_property
    def engine(self) -> sa.Engine:
        """The database, in which other parts of burnish may keep tables of their own.

        Every transaction on it takes the write lock when it begins.
        """
        return open_database(
            self.root / "registry.db", create=self._create, busy_timeout_s=self._busy_timeout_s
        )

    @cached_property
    def _blobs(self) -> BlobStore:
        return BlobStore(str(self.root / "blobs"))

    def push(self, bundle: Bundle, *, name: str | None = None, actor: str = "") -> ModelVersion:
        """Register a bundle as the next version of a model.

        The blobs are durable before the version exists. Pushing the same bundle again returns the version that
        it already has.

        Args:
            bundle: What to register.
            name: Name of the model; the bundle's own by default.
            actor: Who, for the audit log; the user of this process by default.

        Raises:
            InputError: The name is not a good one, or the store cannot be written.
            ArtifactError: The bundle was changed since it was opened.
        """
        name = check_name(name or bundle.manifest.name)
        _ = self.engine  # a registry that cannot be used is found before anything is copied
        bundle.each_file(lambda entry, stream: self._blobs.put(stream, entry.sha256))
        with transaction(self.engine) as connection:
            known = catalog.with_digest(connection, bundle.digest, name=name)
            if known:
                return known[0]
            added = catalog.add_version(connection, name, bundle.manifest)
            facts = {"version": added.version, "digest": added.digest}
            audit.append(connection, "push", name, facts, actor=actor)
            return added

    def get(self, reference: str) -> ModelVersion:
        """Return one version.

        Raises:
            NotFoundError: There is no such model, version or alias; the hint names the nearest.
        """
        name, wanted = split_reference(reference)
        with reading(self.engine) as connection:
            return catalog.version(connection, name, catalog.number(connection, name, wanted))

    def models(self) -> list[str]:
        """Return the names of all models."""
        with reading(self.engine) as connection:
            return catalog.names(connection)

    def versions(self, name: str, *, limit: int | None = None) -> list[ModelVersion]:
        """Return the versions of a model, newest first; all of them when ``limit`` is None.

        Raises:
            NotFoundError: There is no such model.
        """
        with reading(self.engine) as connection:
            return catalog.all_versions(connection, name, limit)

    def lineage(self, reference: str) -> list[ModelVersion]:
        """Return a version and those that it was made from, in turn, as far as the registry holds them."""
        line = [self.get(reference)]
        seen = {line[0].digest}
        with reading(self.engine) as connection:
            while line[-1].parent is not None and line[-1].parent not in seen:
                seen.add(line[-1].parent)
                found = catalog.with_digest(connection, line[-1].parent)
                if not found:
                    break
                line.append(found[0])
        return line

    def pull(self, reference: str, path: str | Path) -> Bundle:
        """Write a version's bundle to a folder, or to a zip file ``*.burnish``, every byte verified.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: There is something at the path already.
            ArtifactError: A blob is missing or damaged; nothing is left at the path.
            InputError: The path cannot be written.
        """
        path, manifest = Path(path), self.get(reference).manifest
        self._write(manifest, path)
        return Bundle(path, manifest)

    def open(self, reference: str) -> Bundle:
        """Open a version's bundle inside the registry, verified.

        It is laid out as a folder the first time. A damaged folder is put aside and made again from the blobs.

        Raises:
            NotFoundError: There is no such version.
            ArtifactError: A blob is missing or damaged as well.
        """
        version = self.get(reference)
        folder = self.root / "bundles" / version.digest.removeprefix("sha256:")
        if not folder.exists():
            self._lay_out(version.manifest, folder)
        try:
            return _open_same(folder, version)
        except ArtifactError as error:
            log.error("damaged bundle put aside", version=version.reference, reason=error.message)
            self._put_aside(folder)
        self._lay_out(version.manifest, folder)
        return _open_same(folder, version)

    def source(self, name: str, version: int | str) -> str:
        """Return the path of a version's verified bundle: what a server on this machine loads.

        Raises:
            NotFoundError: There is no such version.
            ArtifactError: A blob is missing or damaged.
        """
        return str(self.open(f"{name}@{version}").path.resolve())

    def verify(self, reference: str, *, lock_policy: str = "warn") -> Verified:
        """Read every blob of a version, and compare its runtime lock with this machine.

        Raises:
            NotFoundError: There is no such version.
            ArtifactError: A blob is missing or damaged, or the runtime differs and the policy is strict.
        """
        version = self.get(reference)
        for entry in version.manifest.files:
            self._blobs.copy(entry.sha256, None)
        differences = enforce(version.manifest.runtime_lock, lock_policy, subject=version.reference)
        return Verified(
            version=version,
            files=len(version.manifest.files),
            bytes=sum(entry.bytes for entry in version.manifest.files),
            differences=tuple(differences),
        )

    def set_alias(
        self, name: str, alias: str, version: int | str, *, expect: int | None = None, actor: str = ""
    ) -> Alias:
        """Point an alias to a version. Pointing it to where it points already changes nothing.

        Args:
            name: Model.
            alias: Such as ``primary``; it may not look like a number.
            version: Version number, or another alias.
            expect: The generation that the caller has seen, 0 when there was no such alias: when somebody else
                has moved it since, nothing is changed. None moves it in any case.
            actor: Who, for the audit log.

        Raises:
            InputError: The alias is not a good name.
            NotFoundError: There is no such version.
            ConflictError: The alias has another generation than expected.
        """
        check_name(alias, what="an alias")
        if alias.isdigit():
            raise InputError(f"alias {alias!r} looks like a version", hint="begin it with a letter")
        with transaction(self.engine) as connection:
            number = catalog.number(connection, name, str(version))
            before = catalog.alias(connection, name, alias)
            _check_generation(before, name, alias, expect)
            if before is not None and before.version == number:
                return before
            previous, generation = catalog.move_alias(connection, name, alias, number)
            facts = {"alias": alias, "from": previous, "to": number, "generation": generation}
            audit.append(connection, "alias", name, facts, actor=actor)
        return Alias(name, alias, number, previous, generation)

    def drop_alias(self, name: str, alias: str, *, expect: int | None = None, actor: str = "") -> None:
        """Remove an alias.

        Args:
            name: Model.
            alias: Such as ``shadow``.
            expect: The generation that the caller has seen, as for `set_alias`.
            actor: Who, for the audit log.

        Raises:
            NotFoundError: There is no such model or alias.
            ConflictError: The alias has another generation than expected.
        """
        with transaction(self.engine) as connection:
            catalog.number(connection, name, alias)
            _check_generation(catalog.alias(connection, name, alias), name, alias, expect)
            previous, generation = catalog.move_alias(connection, name, alias, None)
            facts = {"alias": alias, "from": previous, "to": None, "generation": generation}
            audit.append(connection, "drop_alias", name, facts, actor=actor)

    def alias(self, name: str, alias: str) -> Alias | None:
        """Return an alias, or None when there is none."""
        with reading(self.engine) as connection:
            return catalog.alias(connection, name, alias)

    def aliases(self, name: str) -> list[Alias]:
        """Return all aliases of a model."""
        with reading(self.engine) as connection:
            return catalog.all_aliases(connection, name)

    def audit(self, name: str | None = None, *, limit: int | None = None) -> list[audit.AuditEntry]:
        """Return the audit log of one model, or of all, oldest first; the newest ``limit`` entries of it."""
        with reading(self.engine) as connection:
            return audit.entries(connection, name, limit)

    def verify_audit(self) -> int:
        """Check the audit log's chain, and that it accounts for every version and alias; return its length.

        Raises:
            ArtifactError: An entry was changed or removed, or something was changed behind the log's back.
        """
        with reading(self.engine) as connection:
            return audit.verify(connection)

    def close(self) -> None:
        """Close the database; using the registry afterwards opens it again."""
        if "engine" in self.__dict__:
            self.engine.dispose()
            del self.engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, manifest: Manifest, path: Path) -> None:
        write_bundle(path, manifest, lambda entry, stream: self._blobs.copy(entry.sha256, stream))

    def _lay_out(self, manifest: Manifest, folder: Path) -> None:
        try:
            self._write(manifest, folder)
        except ConflictError:
            return  # another process was faster, which is as good

    def _put_aside(self, folder: Path) -> None:
        jail = self.root / "bundles" / "quarantine" / f"{folder.name}.{uuid4().hex}"
        jail.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another process was faster
            folder.rename(jail)


def _open_same(folder: Path, version: ModelVersion) -> Bundle:
    bundle = Bundle.open(folder)
    if bundle.digest != version.digest:
        raise ArtifactError(f"{folder}: is bundle {bundle.digest}, {version.reference} is {version.digest}")
    return bundle


def _check_generation(found: Alias | None, name: str, alias: str, expect: int | None) -> None:
    generation = found.generation if found else 0
    if expect is not None and expect != generation:
        raise ConflictError(
            f"alias {name}@{alias} has generation {generation}, not {expect}",
            hint="somebody else moved it: read it again and decide anew",
        )
