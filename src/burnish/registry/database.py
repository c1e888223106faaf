"""The database under the registry: durable, and safe for several writers at once."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from burnish.errors import ArtifactError, BurnishError, CapacityError, InputError, NotFoundError
from burnish.registry import schema

_READS_ONLY = "burnish_reads_only"


def open_database(path: Path, *, create: bool, busy_timeout_s: float) -> sa.Engine:
    """Open the SQLite database at ``path``.

    Args:
        path: The file.
        create: Whether it is made when it is missing.
        busy_timeout_s: How long a writer waits for another.

    Raises:
        NotFoundError: It is missing and may not be made.
        InputError: The folder cannot be written.
        CapacityError: Another writer held the database for too long.
        ArtifactError: The file is not a registry's database, or is damaged or of a newer burnish.
    """
    if not create and not path.exists():
        raise NotFoundError(
            f"{path.parent}: no registry here", hint="burnish registry push makes one; or give --registry"
        )
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_timeout_s}
    )
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    try:
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if _stored_schema(engine, path) == 0:
                _create(engine, busy_timeout_s)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run a block as one write transaction; writers wait for one another.

    Raises:
        CapacityError: Another writer held the database for too long.
        InputError: The database is read-only or its disk is full; nothing was changed.
        ArtifactError: The database is damaged.
    """
    with _translated(Path(str(engine.url.database))), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run a block over one unchanging view of the database, without waiting for writers.

    Raises:
        InputError: The database cannot be read.
        ArtifactError: It is damaged.
    """
    with (
        _translated(Path(str(engine.url.database))),
        engine.connect().execution_options(**{_READS_ONLY: True}) as connection,
    ):
        yield connection


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A writer takes the lock at once: one that had only read so far could be refused without waiting.
    reads = connection.get_execution_options().get(_READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _stored_schema(engine: sa.Engine, path: Path) -> int:
    with engine.connect().execution_options(**{_READS_ONLY: True}) as connection:
        found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if found > schema.SCHEMA:
        raise ArtifactError(
            f"{path}: has schema {found}; this burnish knows up to {schema.SCHEMA}", hint="upgrade burnish"
        )
    return found


def _create(engine: sa.Engine, busy_timeout_s: float) -> None:
    """Make the tables; of several processes that try at once, one does and the others find them made."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            _switch_to_wal(engine)
            break
        except sqlite3.OperationalError as error:  # SQLite does not wait by itself for this one switch
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA}")


def _switch_to_wal(engine: sa.Engine) -> None:
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sa.exc.DatabaseError as error:
        if not isinstance(error.orig, sqlite3.DatabaseError):
            raise
        raise _explain(error.orig, path) from error
    except sqlite3.DatabaseError as error:
        raise _explain(error, path) from error
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written: {error.strerror}", hint="choose another registry"
        ) from error


def _explain(error: sqlite3.DatabaseError, path: Path) -> BurnishError:
    if _is_busy(error):
        return CapacityError(f"{path}: the database is locked by another writer", hint="try again")
    if isinstance(error, sqlite3.OperationalError):
        hint = "check permissions and free space; nothing was changed"
        return InputError(f"{path}: the database cannot be used: {error}", hint=hint)
    hint = "restore the registry from a backup"
    return ArtifactError(f"{path}: is damaged or not a registry's database: {error}", hint=hint)


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
