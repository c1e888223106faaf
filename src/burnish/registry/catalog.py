"""Questions and changes to the tables of versions and aliases, inside somebody else's transaction."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from burnish.bundle.manifest import Manifest
from burnish.errors import NotFoundError, nearest
from burnish.registry.records import Alias, ModelVersion
from burnish.registry.schema import aliases, versions

_MAX_VERSION = 2**63 - 1


def names(connection: sa.Connection) -> list[str]:
    """Return the names of all models."""
    return list(connection.execute(sa.select(versions.c.name).distinct().order_by(versions.c.name)).scalars())


def newest(connection: sa.Connection, name: str) -> int:
    """Return the newest version of a model.

    Raises:
        NotFoundError: There is no such model; the hint names the nearest.
    """
    found = connection.execute(
        sa.select(sa.func.max(versions.c.version)).where(versions.c.name == name)
    ).scalar()
    if found is None:
        raise NotFoundError(f"no model {name!r} in the registry", hint=nearest(name, names(connection)))
    return int(found)


def number(connection: sa.Connection, name: str, wanted: str | None) -> int:
    """Resolve the part of a reference behind the @ to a version number; None is the newest.

    Raises:
        NotFoundError: There is no such model, version or alias.
    """
    last = newest(connection, name)
    if wanted is None:
        return last
    if wanted.isascii() and wanted.isdigit():
        asked = min(int(wanted[:20]), _MAX_VERSION)
        same = (versions.c.name == name, versions.c.version == asked)
        if connection.execute(sa.select(versions.c.version).where(*same)).scalar() is None:
            raise NotFoundError(f"{name} has no version {wanted}", hint=f"the newest is {last}")
        return asked
    found = alias(connection, name, wanted)
    if found is None:
        known = [each.alias for each in all_aliases(connection, name)]
        raise NotFoundError(f"{name} has no alias {wanted!r}", hint=nearest(wanted, known))
    return found.version


def version(connection: sa.Connection, name: str, wanted: int) -> ModelVersion:
    """Return a version that exists."""
    row = connection.execute(
        sa.select(versions).where(versions.c.name == name, versions.c.version == wanted)
    ).one()
    return _record(row, _alias_names(connection, name))


def all_versions(connection: sa.Connection, name: str, limit: int | None) -> list[ModelVersion]:
    """Return the versions of a model, newest first.

    Raises:
        NotFoundError: There is no such model.
    """
    newest(connection, name)
    query = sa.select(versions).where(versions.c.name == name).order_by(versions.c.version.desc())
    named = _alias_names(connection, name)
    return [_record(row, named) for row in connection.execute(query.limit(limit))]


def with_digest(connection: sa.Connection, digest: str, *, name: str | None = None) -> list[ModelVersion]:
    """Return the versions, of one model or of any, that are the bundle with this digest."""
    query = sa.select(versions).where(versions.c.digest == digest)
    if name is not None:
        query = query.where(versions.c.name == name)
    rows = connection.execute(query.order_by(versions.c.name)).all()
    return [_record(row, _alias_names(connection, row.name)) for row in rows]


def add_version(connection: sa.Connection, name: str, manifest: Manifest) -> ModelVersion:
    """Give a bundle the next number of a model."""
    last = connection.execute(
        sa.select(sa.func.max(versions.c.version)).where(versions.c.name == name)
    ).scalar()
    added = ModelVersion(
        name=name,
        version=(last or 0) + 1,
        digest=manifest.digest,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parent=manifest.parent,
        aliases=(),
        manifest_json=manifest.to_json(),
    )
    connection.execute(
        sa.insert(versions).values(
            name=name,
            version=added.version,
            digest=added.digest,
            created=added.created,
            parent=added.parent,
            manifest=added.manifest_json,
        )
    )
    return added


def alias(connection: sa.Connection, name: str, wanted: str) -> Alias | None:
    """Return an alias, or None when there is none."""
    row = connection.execute(
        sa.select(aliases).where(aliases.c.name == name, aliases.c.alias == wanted)
    ).first()
    return None if row is None or row.version is None else Alias(*row)


def all_aliases(connection: sa.Connection, name: str) -> list[Alias]:
    """Return all aliases of a model."""
    query = sa.select(aliases).where(aliases.c.name == name, aliases.c.version.is_not(None))
    return [Alias(*row) for row in connection.execute(query.order_by(aliases.c.alias))]


def move_alias(
    connection: sa.Connection, name: str, wanted: str, version: int | None
) -> tuple[int | None, int]:
    """Point an alias to a version, or to none; return where it pointed last, and its new generation."""
    same = (aliases.c.name == name, aliases.c.alias == wanted)
    row = connection.execute(sa.select(aliases).where(*same)).first()
    if row is None:
        values = {"version": version, "previous": None, "generation": 1}
        connection.execute(sa.insert(aliases).values(name=name, alias=wanted, **values))
        return None, 1
    previous, generation = row.version or row.previous, row.generation + 1
    values = {"version": version, "previous": previous, "generation": generation}
    connection.execute(sa.update(aliases).where(*same).values(**values))
    return previous, generation


def _alias_names(connection: sa.Connection, name: str) -> dict[int, list[str]]:
    named: dict[int, list[str]] = {}
    for each in all_aliases(connection, name):
        named.setdefault(each.version, []).append(each.alias)
    return named


def _record(row: Any, named: dict[int, list[str]]) -> ModelVersion:
    return ModelVersion(
        name=row.name,
        version=row.version,
        digest=row.digest,
        created=row.created,
        parent=row.parent,
        aliases=tuple(named.get(row.version, ())),
        manifest_json=row.manifest,
    )
