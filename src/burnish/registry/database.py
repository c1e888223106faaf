"""The database under the registry: durable, and safe for several writers at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from burnish.errors import ArtifactError, CapacityError, InputError
from burnish.registry import schema

_BUSY_TIMEOUT_S = 10.0


def open_database(path: Path, *, busy_timeout_s: float = _BUSY_TIMEOUT_S) -> sa.Engine:
    """Open the SQLite database at ``path``, making it when it is missing.

    Raises:
        InputError: The folder cannot be written.
        ArtifactError: The file is not a database of ours.
    """
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": busy_timeout_s})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        schema.metadata.create_all(engine)
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written: {error.strerror}", hint="choose another registry"
        ) from error
    except sa.exc.OperationalError as error:
        raise _translate(error, path) from error
    except sa.exc.DatabaseError as error:
        raise ArtifactError(f"{path}: is not a registry's database: {error.orig}") from error
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run a block as one write transaction; writers wait for one another.

    Raises:
        CapacityError: Another writer held the database for too long.
        InputError: The database is read-only or its disk is full; nothing was changed.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise _translate(error, Path(str(engine.url.database))) from error


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # the write lock is taken at once: a reader that later wants to write could otherwise be refused
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _translate(error: sa.exc.OperationalError, path: Path) -> CapacityError | InputError:
    reason = str(error.orig)
    if "locked" in reason or "busy" in reason:
        return CapacityError(f"{path}: the database is locked by another writer", hint="try again")
    hint = "check permissions and free space; nothing was changed"
    return InputError(f"{path}: the database cannot be used: {reason}", hint=hint)
