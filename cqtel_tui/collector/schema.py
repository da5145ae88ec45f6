"""The store's file: how it is opened, and how an older one becomes a newer one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..files import create
from .migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x63717374
"""`cqst`, in the file's header: another SQLite file is none of ours."""

BUSY_SECONDS = 15
_CACHE_KIB = 32 * 1024
_CHECKPOINT_PAGES = 4_000

SCHEMA_VERSION = len(MIGRATIONS)


class StoreError(CqtelError):
    """The store cannot be opened, read or written; nothing of what was asked for was done."""


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open the store for writing: made (0600, its folder 0700) or migrated where it has to be.

    A commit is on disk (`fsync`) before it returns, and what is deleted is overwritten.

    Raises:
        StoreError: it cannot be opened, is no store of ours, or is of a newer version.
    """
    try:
        _make(path)
        connection = _connected(f"{path.absolute().as_uri()}?mode=rw")
    except (OSError, sqlite3.Error) as error:
        raise _cannot_be_opened(path, error) from error
    try:
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a new one
        version = _version(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        if version < SCHEMA_VERSION:
            _migrate(connection, path)
            if version:
                connection.execute("VACUUM")  # so that it can shrink from now on
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error as error:
        connection.close()
        raise _cannot_be_opened(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def connected_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the store for reading, as it stands at the first read; nothing is made or changed.

    Raises:
        StoreError: it cannot be opened or read, is no store of ours, or is of another version.
    """
    try:
        path.stat()
        with contextlib.closing(_connected(f"{path.absolute().as_uri()}?mode=ro")) as connection:
            if _version(connection, path) < SCHEMA_VERSION:
                raise StoreError(
                    f"{path} was made by an earlier version. "
                    "Start the collector once: it brings the store up to date."
                )
            connection.execute("BEGIN")
            yield connection
    except (OSError, sqlite3.Error) as error:
        raise _cannot_be_opened(path, error) from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of a block, or nothing of it; on disk when it ends."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it by itself
            connection.execute("ROLLBACK")
        raise


def _connected(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA temp_store=MEMORY")  # nothing beside the store itself
    return connection


def _make(path: Path) -> None:
    """Make the file, for its owner alone; SQLite gives its journal the same mode.

    One that is there is not opened: closing it would end the locks of this process on it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        create(path, b"")
    except FileExistsError:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path} is not a file. Give another path with --store.") from None
        if mode & 0o077:
            path.chmod(0o600)
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the file's schema, 0 if it is empty."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if owner != APPLICATION_ID and not (is_empty and owner == version == 0):
        raise StoreError(f"{path} is not a collector's store. Give another path with --store.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was made by a newer version (schema {version}, this one knows "
            f"{SCHEMA_VERSION}). Update cqtel-tui, or give another path with --store."
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        # Another process may have been first.
        for script in MIGRATIONS[_version(connection, path) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _statements(script: str) -> Iterator[str]:
    """Split a script; `executescript` would commit what is under way."""
    statement = ""
    for piece in script.split(";"):
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _cannot_be_opened(path: Path, error: Exception) -> StoreError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreError(
        f"The store {path} cannot be opened or read: {why}. "
        "Look at its owner and free space, or give another path with --store."
    )
