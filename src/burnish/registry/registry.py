"""The registry: models, their versions, and where each alias points."""

import io
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from burnish.bundle import Bundle, Manifest
from burnish.bundle.container import open_container
from burnish.bundle.manifest import MANIFEST_NAME, check_name, parse_manifest
from burnish.errors import ConflictError, InputError, NotFoundError, nearest
from burnish.files import sync_directory, write_atomic
from burnish.registry import audit, schema
from burnish.registry.database import open_database, transaction
from burnish.registry.store import BlobStore

_REFERENCE = re.compile(r"(?P<name>[^@]+)(?:@(?P<version>.+))?")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One immutable version of a model."""

    name: str
    version: int
    digest: str
    created: str
    """When it was registered, UTC, ISO 8601."""
    parent: str | None
    aliases: tuple[str, ...]
    manifest: Manifest = field(repr=False)

    @property
    def reference(self) -> str:
        """What to call it: ``name@version``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for the version that plays a role, such as ``primary``."""

    name: str
    alias: str
    version: int
    previous: int | None
    """Where it pointed before."""
    generation: int
    """Counts the moves; a compare-and-swap names the one that it has seen."""


class Registry:
    """Versions of models in one folder: a SQLite database and content-addressed blobs.

    Args:
        root: The folder; made at the first write.

    A reference is ``name@3``, ``name@alias``, or ``name`` for the newest version.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @cached_property
    def engine(self) -> sa.Engine:
        """The database, in which other parts of burnish may keep tables of their own."""
        return open_database(self.root / "registry.db")

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
        with open_container(bundle.path) as container:
            for entry in bundle.manifest.files:
                with container.open(entry.path) as stream:
                    self._blobs.put(stream, entry.sha256)
        with transaction(self.engine) as connection:
            table = schema.versions
            same = sa.select(table.c.version).where(table.c.name == name, table.c.digest == bundle.digest)
            known = connection.execute(same).scalar()
            if known is not None:
                return self._version(connection, name, known)
            newest = sa.select(sa.func.max(table.c.version)).where(table.c.name == name)
            number = (connection.execute(newest).scalar() or 0) + 1
            connection.execute(
                sa.insert(table).values(
                    name=name,
                    version=number,
                    digest=bundle.digest,
                    parent=bundle.manifest.parent,
                    created=datetime.now(UTC).isoformat(timespec="seconds"),
                    manifest=bundle.manifest.to_json(),
                )
            )
            facts = {"version": number, "digest": bundle.digest}
            audit.append(connection, "push", name, facts, actor=actor)
            return self._version(connection, name, number)

    def get(self, reference: str) -> ModelVersion:
        """Return one version.

        Raises:
            NotFoundError: There is no such model, version or alias; the hint names the nearest.
        """
        name, wanted = split_reference(reference)
        with transaction(self.engine) as connection:
            return self._version(connection, name, self._number(connection, name, wanted))

    def models(self) -> list[str]:
        """Return the names of all models."""
        with transaction(self.engine) as connection:
            query = sa.select(schema.versions.c.name).distinct().order_by(schema.versions.c.name)
            return list(connection.execute(query).scalars())

    def versions(self, name: str) -> list[ModelVersion]:
        """Return all versions of a model, newest first.

        Raises:
            NotFoundError: There is no such model.
        """
        with transaction(self.engine) as connection:
            self._number(connection, name, None)
            query = sa.select(schema.versions).where(schema.versions.c.name == name)
            rows = connection.execute(query.order_by(schema.versions.c.version.desc())).all()
            named = self._alias_names(connection, name)
            return [_model_version(row, named) for row in rows]

    def pull(self, reference: str, path: str | Path) -> Bundle:
        """Write a version's bundle to a folder, every byte verified.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: There is something at the path already.
            ArtifactError: A blob is missing or damaged.
        """
        path, version = Path(path), self.get(reference)
        if path.exists():
            raise ConflictError(f"{path}: already exists", hint="choose another path, or remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            self._write_files(version.manifest, temporary)
            temporary.chmod(0o755)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_directory(path.parent)
        return Bundle.open(path, verify=False)

    def source(self, name: str, version: int | str) -> str:
        """Return the path of a version's bundle as a folder, made from verified blobs when it is not there yet.

        This is what a server on this machine loads.
        """
        found = self.get(f"{name}@{version}")
        folder = self.root / "bundles" / found.digest.removeprefix("sha256:")
        if not folder.exists():
            self.pull(found.reference, folder)
        return str(folder.resolve())

    def verify(self, reference: str) -> ModelVersion:
        """Read every blob of a version and check its digest.

        Raises:
            ArtifactError: A blob is missing or damaged.
        """
        version = self.get(reference)
        for entry in version.manifest.files:
            self._blobs.copy(entry.sha256, io.BytesIO())
        return version

    def set_alias(
        self, name: str, alias: str, version: int | str, *, expect: int | None = None, actor: str = ""
    ) -> Alias:
        """Point an alias to a version.

        Args:
            name: Model.
            alias: Such as ``primary``; it may not look like a number.
            version: Version number, or another alias.
            expect: The generation that the caller has seen, 0 when it has seen none: when somebody else has
                moved the alias since, nothing is changed. None moves it in any case.
            actor: Who, for the audit log.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: The alias has another generation than expected.
        """
        check_name(alias)
        if alias.isdigit():
            raise InputError(f"alias {alias!r} looks like a version", hint="begin it with a letter")
        with transaction(self.engine) as connection:
            number = self._number(connection, name, str(version))
            before = self._find_alias(connection, name, alias)
            generation = before.generation if before else 0
            if expect is not None and expect != generation:
                raise ConflictError(
                    f"alias {name}@{alias} has generation {generation}, not {expect}",
                    hint="somebody else moved it: read it again and decide anew",
                )
            after = Alias(name, alias, number, before.version if before else None, generation + 1)
            self._store_alias(connection, after, is_new=before is None)
            facts = {"alias": alias, "from": after.previous, "to": number, "generation": after.generation}
            audit.append(connection, "alias", name, facts, actor=actor)
            return after

    def alias(self, name: str, alias: str) -> Alias | None:
        """Return an alias, or None when it has never been set."""
        with transaction(self.engine) as connection:
            return self._find_alias(connection, name, alias)

    def aliases(self, name: str) -> list[Alias]:
        """Return all aliases of a model."""
        table = schema.aliases
        with transaction(self.engine) as connection:
            rows = connection.execute(sa.select(table).where(table.c.name == name).order_by(table.c.alias))
            return [Alias(*row) for row in rows]

    def audit(self, name: str | None = None) -> list[audit.AuditEntry]:
        """Return the audit log of one model, or of all, oldest first."""
        with transaction(self.engine) as connection:
            return audit.entries(connection, name)

    def verify_audit(self) -> int:
        """Check the audit log's chain and return its length.

        Raises:
            ArtifactError: An entry was changed or removed.
        """
        with transaction(self.engine) as connection:
            return audit.verify(connection)

    def _write_files(self, manifest: Manifest, folder: Path) -> None:
        for entry in manifest.files:
            target = folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                self._blobs.copy(entry.sha256, stream)
        write_atomic(folder / MANIFEST_NAME, manifest.to_json())

    def _version(self, connection: sa.Connection, name: str, number: int) -> ModelVersion:
        table = schema.versions
        row = connection.execute(
            sa.select(table).where(table.c.name == name, table.c.version == number)
        ).one()
        return _model_version(row, self._alias_names(connection, name))

    def _number(self, connection: sa.Connection, name: str, wanted: str | None) -> int:
        """Resolve the part of a reference behind the @ to a version number."""
        table = schema.versions
        numbers = sa.select(table.c.version).where(table.c.name == name)
        newest = connection.execute(numbers.order_by(table.c.version.desc()).limit(1)).scalar()
        if newest is None:
            names = connection.execute(sa.select(table.c.name).distinct()).scalars()
            raise NotFoundError(f"no model {name!r} in {self.root}", hint=nearest(name, names))
        if wanted is None:
            return int(newest)
        if wanted.isdigit():
            if connection.execute(numbers.where(table.c.version == int(wanted))).scalar() is None:
                raise NotFoundError(f"{name} has no version {wanted}", hint=f"the newest is {newest}")
            return int(wanted)
        found = self._find_alias(connection, name, wanted)
        if found is None:
            known = [alias for aliases in self._alias_names(connection, name).values() for alias in aliases]
            raise NotFoundError(f"{name} has no alias {wanted!r}", hint=nearest(wanted, known))
        return found.version

    def _find_alias(self, connection: sa.Connection, name: str, alias: str) -> Alias | None:
        table = schema.aliases
        row = connection.execute(sa.select(table).where(table.c.name == name, table.c.alias == alias)).first()
        return Alias(*row) if row else None

    def _store_alias(self, connection: sa.Connection, alias: Alias, *, is_new: bool) -> None:
        table = schema.aliases
        values = {"version": alias.version, "previous": alias.previous, "generation": alias.generation}
        if is_new:
            connection.execute(sa.insert(table).values(name=alias.name, alias=alias.alias, **values))
        else:
            same = (table.c.name == alias.name, table.c.alias == alias.alias)
            connection.execute(sa.update(table).where(*same).values(**values))

    def _alias_names(self, connection: sa.Connection, name: str) -> dict[int, list[str]]:
        table = schema.aliases
        query = sa.select(table.c.version, table.c.alias).where(table.c.name == name).order_by(table.c.alias)
        named: dict[int, list[str]] = {}
        for version, alias in connection.execute(query):
            named.setdefault(version, []).append(alias)
        return named


def split_reference(reference: str) -> tuple[str, str | None]:
    """Split ``name@version`` into its parts; the second is None when it is missing.

    Raises:
        InputError: It is empty, or nothing stands before or behind the @.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InputError(f"{reference!r} is not a reference", hint="write name@version, name@alias or name")
    return match["name"], match["version"]


def _model_version(row: Any, named: dict[int, list[str]]) -> ModelVersion:
    manifest = parse_manifest(row.manifest, source=f"{row.name}@{row.version}")
    aliases = tuple(named.get(row.version, ()))
    return ModelVersion(row.name, row.version, row.digest, row.created, row.parent, aliases, manifest)
