"""The store's file: its tables, how an older file becomes a newer one, and how it is opened.

What a report reads is kept beside the spans by triggers, in the transaction that adds or removes
them: it cannot drift from the rows, and goes down when a cookie is erased or a day expires.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
from typing import TYPE_CHECKING

from ..errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x63717374
"""`cqst`, in the file's header: what else is a SQLite file is none of ours."""

BUSY_SECONDS = 15
_CACHE_KIB = 32 * 1024
_CHECKPOINT_PAGES = 4_000

MIGRATIONS = (
    """
    -- Who: SHA-256 of the cookie, or the hash of the address where there was no cookie.
    CREATE TABLE installations (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE
    ) STRICT;

    -- SHA-256 of each cookie that was erased: what comes late is dropped.
    CREATE TABLE erased (cookie BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

    -- What operations have in common, by which a report groups: a name, a version, a country ...
    -- Not a foreign key of what refers to it: each would need an index of its own.
    CREATE TABLE traits (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (kind, text)
    ) STRICT;

    -- All that a request says but its spans, as JSON; `digest` is BLAKE2 of it.
    CREATE TABLE contexts (
        id INTEGER PRIMARY KEY,
        installation INTEGER NOT NULL REFERENCES installations,
        digest BLOB NOT NULL,
        said TEXT NOT NULL,
        UNIQUE (installation, digest)
    ) STRICT;

    CREATE TABLE context_traits (
        context INTEGER NOT NULL REFERENCES contexts ON DELETE CASCADE,
        trait INTEGER NOT NULL,
        PRIMARY KEY (context, trait)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE arrivals (
        id INTEGER PRIMARY KEY,
        context INTEGER NOT NULL REFERENCES contexts,
        day INTEGER NOT NULL,       -- since 1970, of what is told
        received INTEGER NOT NULL   -- seconds since 1970
    ) STRICT;
    CREATE INDEX arrivals_of_context ON arrivals (context, day);

    CREATE TABLE spans (
        arrival INTEGER NOT NULL REFERENCES arrivals,
        number INTEGER NOT NULL,
        installation INTEGER NOT NULL,  -- as the arrival's, for the triggers
        day INTEGER NOT NULL,           -- as the arrival's
        trace_id BLOB NOT NULL,
        span_id BLOB NOT NULL,
        parent_id BLOB,             -- none: the operation itself
        name INTEGER NOT NULL,      -- a trait
        started INTEGER NOT NULL,   -- nanoseconds since 1970
        duration INTEGER NOT NULL,  -- nanoseconds
        bucket INTEGER NOT NULL,    -- of the duration
        failed INTEGER NOT NULL,
        exit_code INTEGER,
        error_type TEXT,
        PRIMARY KEY (arrival, number)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX spans_once ON spans (trace_id, span_id);

    -- Error texts, from debug mode alone; they go sooner than their spans.
    CREATE TABLE messages (
        arrival INTEGER NOT NULL,
        number INTEGER NOT NULL,
        day INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (arrival, number),
        FOREIGN KEY (arrival, number) REFERENCES spans ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX messages_by_day ON messages (day);

    -- How many, by day: spans of a name by the bucket of their duration; operations of any other
    -- trait in bucket -1.
    CREATE TABLE counts (
        trait INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        day INTEGER NOT NULL,
        spans INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        PRIMARY KEY (trait, bucket, day)
    ) STRICT, WITHOUT ROWID;

    -- The last day on which an installation had a trait. All periods end today, so that it had the
    -- trait in a period if that day is in it.
    CREATE TABLE seen (
        installation INTEGER NOT NULL,
        trait INTEGER NOT NULL,
        last_day INTEGER NOT NULL,
        PRIMARY KEY (installation, trait)
    ) STRICT, WITHOUT ROWID;

    -- How many installations had a trait last on a day. Summed up from a day on: how many had it in
    -- that period.
    CREATE TABLE recency (
        trait INTEGER NOT NULL,
        last_day INTEGER NOT NULL,
        installations INTEGER NOT NULL,
        PRIMARY KEY (trait, last_day)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE days (
        day INTEGER NOT NULL,
        installation INTEGER NOT NULL,
        spans INTEGER NOT NULL,
        operations INTEGER NOT NULL,
        failed INTEGER NOT NULL,    -- operations
        PRIMARY KEY (day, installation)
    ) STRICT, WITHOUT ROWID;

    CREATE TRIGGER span_kept AFTER INSERT ON spans BEGIN
        INSERT INTO counts VALUES (NEW.name, NEW.bucket, NEW.day, 1, NEW.failed)
            ON CONFLICT DO UPDATE SET spans = spans + 1, failed = failed + excluded.failed;
        INSERT INTO seen VALUES (NEW.installation, NEW.name, NEW.day)
            ON CONFLICT DO UPDATE SET last_day = excluded.last_day
                WHERE excluded.last_day > last_day;
        INSERT INTO days VALUES (NEW.day, NEW.installation, 1, NEW.parent_id IS NULL,
                                 NEW.parent_id IS NULL AND NEW.failed)
            ON CONFLICT DO UPDATE SET spans = spans + 1,
                operations = operations + excluded.operations, failed = failed + excluded.failed;
    END;

    CREATE TRIGGER operation_kept AFTER INSERT ON spans WHEN NEW.parent_id IS NULL BEGIN
        INSERT INTO counts
            SELECT trait, -1, NEW.day, 1, NEW.failed FROM context_traits
            WHERE context = (SELECT context FROM arrivals WHERE id = NEW.arrival)
            ON CONFLICT DO UPDATE SET spans = spans + 1, failed = failed + excluded.failed;
        INSERT INTO seen
            SELECT NEW.installation, trait, NEW.day FROM context_traits
            WHERE context = (SELECT context FROM arrivals WHERE id = NEW.arrival)
            ON CONFLICT DO UPDATE SET last_day = excluded.last_day
                WHERE excluded.last_day > last_day;
    END;

    CREATE TRIGGER span_gone BEFORE DELETE ON spans BEGIN
        UPDATE counts SET spans = spans - 1, failed = failed - OLD.failed
            WHERE (trait, bucket, day) = (OLD.name, OLD.bucket, OLD.day);
        UPDATE days SET spans = spans - 1, operations = operations - (OLD.parent_id IS NULL),
                failed = failed - (OLD.parent_id IS NULL AND OLD.failed)
            WHERE (day, installation) = (OLD.day, OLD.installation);
    END;

    CREATE TRIGGER operation_gone BEFORE DELETE ON spans WHEN OLD.parent_id IS NULL BEGIN
        UPDATE counts SET spans = spans - 1, failed = failed - OLD.failed
            WHERE bucket = -1 AND day = OLD.day AND trait IN (
                SELECT trait FROM context_traits
                WHERE context = (SELECT context FROM arrivals WHERE id = OLD.arrival));
    END;

    CREATE TRIGGER counted_none AFTER UPDATE ON counts WHEN NEW.spans = 0 BEGIN
        DELETE FROM counts WHERE (trait, bucket, day) = (NEW.trait, NEW.bucket, NEW.day);
    END;

    CREATE TRIGGER seen_first AFTER INSERT ON seen BEGIN
        INSERT INTO recency VALUES (NEW.trait, NEW.last_day, 1)
            ON CONFLICT DO UPDATE SET installations = installations + 1;
    END;

    CREATE TRIGGER seen_again AFTER UPDATE ON seen BEGIN
        UPDATE recency SET installations = installations - 1
            WHERE (trait, last_day) = (OLD.trait, OLD.last_day);
        INSERT INTO recency VALUES (NEW.trait, NEW.last_day, 1)
            ON CONFLICT DO UPDATE SET installations = installations + 1;
    END;

    CREATE TRIGGER seen_no_more AFTER DELETE ON seen BEGIN
        UPDATE recency SET installations = installations - 1
            WHERE (trait, last_day) = (OLD.trait, OLD.last_day);
    END;

    CREATE TRIGGER recent_none AFTER UPDATE ON recency WHEN NEW.installations = 0 BEGIN
        DELETE FROM recency WHERE (trait, last_day) = (NEW.trait, NEW.last_day);
    END;

    -- An installation loses whole days: all of them when it is erased, its first ones by retention.
    CREATE TRIGGER day_gone AFTER UPDATE ON days WHEN NEW.spans = 0 BEGIN
        DELETE FROM days WHERE (day, installation) = (NEW.day, NEW.installation);
        DELETE FROM seen WHERE installation = NEW.installation AND last_day <= NEW.day;
    END;
    """,
    """
    -- How far retention goes: up to when, by a clock that is not believed to run faster than time.
    CREATE TABLE believed (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        time REAL NOT NULL,     -- seconds since 1970
        clock REAL NOT NULL     -- what the clock said then
    ) STRICT;

    -- Written anew to see whether there is room for a request.
    CREATE TABLE room (id INTEGER PRIMARY KEY CHECK (id = 1), filler BLOB NOT NULL) STRICT;
    """,
)
"""What makes each version of the schema from the one before; the first one from nothing."""

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
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path} is not a file. Give another path with --store.") from None
        if mode & 0o077:
            path.chmod(0o600)
        return
    os.close(made)
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
