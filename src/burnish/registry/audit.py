"""The audit log: who changed what when, each entry sealed with the hash of the one before."""

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from burnish.errors import ArtifactError
from burnish.files import sha256_bytes
from burnish.registry import schema

_GENESIS = "0" * 64
_RESTORE = "compare with a backup of the registry"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change."""

    seq: int
    at: str
    """UTC, ISO 8601."""
    actor: str
    action: str
    """``push``, ``alias`` or ``drop_alias``."""
    name: str
    facts: dict[str, Any]
    hash: str


def append(
    connection: sa.Connection, action: str, name: str, facts: Mapping[str, Any], *, actor: str = ""
) -> None:
    """Add an entry inside the transaction that makes the change, so that neither exists without the other."""
    table = schema.audit
    last = connection.execute(sa.select(table).order_by(table.c.seq.desc()).limit(1)).first()
    row = {
        "seq": last.seq + 1 if last else 1,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "actor": actor or _user(),
        "action": action,
        "name": name,
        "facts": json.dumps(facts, sort_keys=True),
        "previous_hash": last.hash if last else _GENESIS,
    }
    connection.execute(sa.insert(table).values(**row, hash=_seal(row)))


def entries(connection: sa.Connection, name: str | None, limit: int | None) -> list[AuditEntry]:
    """Return the newest entries of one model, or of all, oldest first."""
    table = schema.audit
    query = sa.select(table).order_by(table.c.seq.desc()).limit(limit)
    if name is not None:
        query = query.where(table.c.name == name)
    rows = connection.execute(query).all()
    return [
        AuditEntry(row.seq, row.at, row.actor, row.action, row.name, json.loads(row.facts), row.hash)
        for row in reversed(rows)
    ]


def verify(connection: sa.Connection) -> int:
    """Check that the chain is whole and that it accounts for every version and alias.

    The chain alone cannot show that its end was cut off; the tables, which the same transactions wrote, can.

    Returns:
        The number of entries.

    Raises:
        ArtifactError: An entry was changed, removed or put in between, or the log and the tables disagree.
    """
    expected, count = _GENESIS, 0
    pushed: set[tuple[Any, ...]] = set()
    pointed: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in connection.execute(sa.select(schema.audit).order_by(schema.audit.c.seq)).mappings():
        count += 1
        sealed = {key: value for key, value in row.items() if key != "hash"}
        if row["seq"] != count or row["previous_hash"] != expected or row["hash"] != _seal(sealed):
            raise ArtifactError(
                f"the audit log is broken at entry {count}: it was changed or removed after it was written",
                hint=_RESTORE,
            )
        expected, facts = row["hash"], json.loads(row["facts"])
        if row["action"] == "push":
            pushed.add((row["name"], facts["version"], facts["digest"]))
        else:
            pointed[row["name"], facts["alias"]] = (facts["to"], facts["generation"])
    _compare("version", pushed, _versions(connection))
    _compare("alias", set(pointed.items()), set(_aliases(connection).items()))
    return count


def _compare(what: str, logged: set[Any], stored: set[Any]) -> None:
    if logged != stored:
        wrong = sorted(map(str, logged ^ stored))[0]
        raise ArtifactError(f"the audit log does not account for {what} {wrong}", hint=_RESTORE)


def _versions(connection: sa.Connection) -> set[tuple[Any, ...]]:
    table = schema.versions
    return {
        tuple(row) for row in connection.execute(sa.select(table.c.name, table.c.version, table.c.digest))
    }


def _aliases(connection: sa.Connection) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = connection.execute(sa.select(schema.aliases))
    return {(row.name, row.alias): (row.version, row.generation) for row in rows}


def _seal(row: Mapping[str, Any]) -> str:
    return sha256_bytes(json.dumps(dict(row), sort_keys=True).encode())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
