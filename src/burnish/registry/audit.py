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


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change."""

    seq: int
    at: str
    """UTC, ISO 8601."""
    actor: str
    action: str
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


def entries(connection: sa.Connection, name: str | None) -> list[AuditEntry]:
    """Return the entries of one model, or of all, oldest first."""
    table = schema.audit
    query = sa.select(table).order_by(table.c.seq)
    if name is not None:
        query = query.where(table.c.name == name)
    return [
        AuditEntry(row.seq, row.at, row.actor, row.action, row.name, json.loads(row.facts), row.hash)
        for row in connection.execute(query)
    ]


def verify(connection: sa.Connection) -> int:
    """Check the whole chain and return its length.

    Raises:
        ArtifactError: An entry was changed, removed or put in between; the text names the first bad one.
    """
    expected, count = _GENESIS, 0
    for row in connection.execute(sa.select(schema.audit).order_by(schema.audit.c.seq)).mappings():
        count += 1
        sealed = {key: value for key, value in row.items() if key != "hash"}
        if row["seq"] != count or row["previous_hash"] != expected or row["hash"] != _seal(sealed):
            raise ArtifactError(
                f"the audit log is broken at entry {count}: it was changed or removed after it was written",
                hint="compare with a backup of the registry",
            )
        expected = row["hash"]
    return count


def _seal(row: Mapping[str, Any]) -> str:
    return sha256_bytes(json.dumps(dict(row), sort_keys=True).encode())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
