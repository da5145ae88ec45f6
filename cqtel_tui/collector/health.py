"""Whether a store is what it was: at its place, whole, and to be written to."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from .schema import StoreError, connected_to_read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .waiting import Awaited

GONE = "the store is gone: it was removed or moved, or another one is in its place"
DAMAGED = "the store is damaged"
FULL = "the disk is full"
UNWRITABLE = "the store cannot be written to"
SILENT = "the store does not answer"

LOOK_SECONDS = 1.0
"""How long the last look counts, however often it is asked for."""
_CHECK_SECONDS = 0.1
_WRITE_SECONDS = 10.0
_STEPS = 2_000
_ROOM_BYTES = 1 << 16
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class GoneError(StoreError):
    """The store is not where it was."""


class StorePlace:
    """The files that a store has been opened as, and whether they are still those of its path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._journal = f"{path}-wal"
        self._file = _identity(self._name)
        self._log: tuple[int, int] | None = None

    def check(self) -> None:
        """Check that they are.

        Raises:
            GoneError: they are not.
        """
        journal = _identity(self._journal)
        if self._log is None:
            self._log = journal
        if _identity(self._name) != self._file or journal != self._log or self._file is None:
            raise GoneError(f"The store {self._path} is gone: {GONE.partition(': ')[2]}.")


def _identity(path: str) -> tuple[int, int] | None:
    """Return the device and inode of a file; None if it is not there, or empty."""
    try:
        status = os.stat(path)  # noqa: PTH116  # called before and after each commit
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size or path.endswith("-wal") else None


class Health:
    """Looks at a store, at most once in a while.

    Args:
        path: the store.
        place: where it was opened.
        write: has the writer write something; the future is done when it is on disk.
    """

    def __init__(
        self,
        path: Path,
        place: StorePlace,
        write: Callable[[Callable[[sqlite3.Connection], object]], Awaited[object]],
    ) -> None:
        self._path = path
        self._place = place
        self._write = write
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._trouble = ""

    def trouble(self) -> str:
        """Say what is wrong, without a path; empty if nothing is."""
        with self._lock:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._trouble = self._look()
                self._looked = time.monotonic()
            return self._trouble

    def doubt(self) -> None:
        """Look again when next asked: something could not be written since."""
        if not self._trouble:
            self._looked = float("-inf")

    def _look(self) -> str:
        try:
            self._place.check()
            if is_damaged(self._path, _CHECK_SECONDS):
                return DAMAGED
            self._write(_touch).result(_WRITE_SECONDS)
        except TimeoutError:
            return SILENT
        except StoreError as error:
            return reason(error)
        return ""


def reason(error: BaseException) -> str:
    """Say why a store could not be read or written, without a path."""
    if isinstance(error, GoneError):
        return GONE
    cause = error.__cause__ or error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGE:
        return DAMAGED
    no_room = isinstance(cause, OSError) and cause.errno in _NO_ROOM
    return FULL if code == sqlite3.SQLITE_FULL or no_room else UNWRITABLE


def refuse_damaged(path: Path, seconds: float) -> None:
    """Look for damage, at most for so long, and refuse a store that has any.

    Raises:
        StoreError: it has, or cannot be read.
    """
    if is_damaged(path, seconds):
        raise StoreError(
            f"The store {path} is damaged: nothing that it would tell is sure. "
            "See what is wrong with: cq-telemetry collector --check --store FILE"
        )


def is_damage(error: BaseException) -> bool:
    """Tell whether an error means that a store is not whole."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def is_damaged(path: Path, seconds: float) -> bool:
    """Look for damage for so long: all of a small store, the beginning of a large one.

    Raises:
        StoreError: it cannot be read for another reason.
    """
    ends = time.monotonic() + seconds
    try:
        with connected_to_read(path) as connection:
            connection.set_progress_handler(lambda: int(time.monotonic() > ends), _STEPS)
            try:
                row = connection.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                return False
            return row is not None and row[0] != "ok"
    except StoreError as error:
        if error.__cause__ is not None and is_damage(error.__cause__):
            return True
        raise


def _touch(connection: sqlite3.Connection) -> None:
    """Write as much as a request may need."""
    connection.execute("INSERT OR REPLACE INTO room VALUES (1, zeroblob(?))", (_ROOM_BYTES,))
