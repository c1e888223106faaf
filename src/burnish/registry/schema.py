"""The registry's tables. What must never change is guarded by the database itself."""

import sqlalchemy as sa

SCHEMA = 1
"""Stored as SQLite's ``user_version``; a larger one was written by a newer burnish."""

metadata = sa.MetaData()

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("parent", sa.String(80)),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("name", "digest"),
)

# A dropped alias keeps its row, without a version: its generations go on, so that a stale
# compare-and-swap can never match an alias that was dropped and set again.
aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("alias", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer),
    sa.Column("previous", sa.Integer),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["name", "version"], ["versions.name", "versions.version"]),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("name", sa.String(128), nullable=False, index=True),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)


def _forbid(table: sa.Table, operation: str) -> None:
    statement = (
        f"CREATE TRIGGER {table.name}_no_{operation.lower()} BEFORE {operation} ON {table.name} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name} are written once'); END"
    )
    sa.event.listen(table, "after_create", sa.DDL(statement).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]


for _table in (versions, audit):
    for _operation in ("UPDATE", "DELETE"):
        _forbid(_table, _operation)
