"""The store: what was acknowledged is on disk, once, until it is erased or expires.

One thread writes. It takes all that waits, writes it in one transaction, and resolves the futures
when the commit has returned (SQLite with WAL and `synchronous=FULL`: `fsync`). Several processes
may have the same store open; each waits for the others' transactions.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import checking, keeping, scrubbing
from .keeping import Known
from .schema import StoreError, connect_to_write, connected_to_read, transaction
from .settings import ERROR_DAYS, RETENTION_DAYS
from .sinks import BusyError, Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .arrivals import Arrival

__all__ = ["Kept", "Store", "StoreBusyError", "StoreError"]

MOST_WAITING = 20_000
"""Spans that may wait to be written; beyond them a sender is asked to come again."""

_MOST_AT_ONCE = 4_000
_EXPIRED_AT_ONCE = 200
_TRIES = 3
_OVERWRITE_AGAIN_SECONDS = 1.0
_OVERWRITE_SHARE = 9
"""How much longer than it took is waited before it is done again."""


class StoreBusyError(StoreError, BusyError):
    """Too much waits to be written: nothing was taken, and the sender should come again."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What the writer is asked for.

    Attributes:
        done: resolved after the commit.
        arrivals: to be kept, in a transaction with others.
        write: else called in a transaction of its own; what it returns is the answer.
    """

    done: Future[Any]
    arrivals: tuple[Arrival, ...] = ()
    write: Callable[[sqlite3.Connection], Any] | None = None

    @property
    def weight(self) -> int:
        """How many spans it is about."""
        return sum(len(arrival.spans) for arrival in self.arrivals)


class Store:
    """Keeps arrivals; gives back, erases and expires what it kept.

    Args:
        path: the SQLite file; made, with its folder, if it is not there.
        clock: seconds since 1970.
        retention_days: how long spans are kept.
        error_days: how long error texts are kept.

    Raises:
        StoreError: it cannot be opened, is no store, or is of a newer version.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        retention_days: int = RETENTION_DAYS,
        error_days: int = ERROR_DAYS,
    ) -> None:
        self.path = path
        self.retention_days = retention_days
        self.error_days = error_days
        self._clock = clock
        self._connection = connect_to_write(path)
        self._known = Known()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._is_closed = False
        self._leaves_traces = False
        self._overwrites_at = 0.0
        self._writer = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._writer.start()

    def keep(self, arrivals: Sequence[Arrival]) -> Future[Kept]:
        """Keep the spans that are not kept yet; resolved when they are on disk.

        The future fails with StoreError if they could not be written: none of them was.

        Raises:
            StoreBusyError: too much waits already.
            StoreError: the store is closed.
        """
        return self._put(_Work(Future(), arrivals=tuple(arrivals)))

    def mine(self, cookie: str) -> list[dict[str, Any]]:
        """Return everything that is kept of a cookie, as rows for JSON.

        Raises:
            StoreError: the store cannot be read.
        """
        with connected_to_read(self.path) as connection:
            return keeping.mine(connection, cookie)

    def erase(self, cookie: str) -> Future[int]:
        """Erase all of a cookie; resolves to the number of its spans.

        The bytes are overwritten in the journal and the file before that, unless somebody reads or
        it was done just before: then soon after, and with `expire` at the latest. What comes of the
        cookie from then on is dropped: its SHA-256 stays for that.

        Raises:
            StoreError: the store is closed.
        """

        def write(connection: sqlite3.Connection) -> int:
            self._known.forget()
            self._leaves_traces = True
            return keeping.erase(connection, cookie)

        return self._put(_Work(Future(), write=write))

    def expire(self) -> int:
        """Remove what is older than its retention; return how many spans and error texts went.

        Others write in between: it is done in small steps.

        Raises:
            StoreError: it could not be done.
        """
        today = keeping.day_of(self._clock())

        def messages(connection: sqlite3.Connection) -> int:
            return keeping.expire_messages(connection, today - self.error_days)

        def spans(connection: sqlite3.Connection) -> tuple[int, int]:
            self._known.forget()
            self._leaves_traces = True
            before = today - self.retention_days
            return keeping.expire(connection, before, _EXPIRED_AT_ONCE)

        total: int = self._put(_Work(Future(), write=messages)).result()
        installations = _EXPIRED_AT_ONCE
        while installations == _EXPIRED_AT_ONCE:
            expired, installations = self._put(_Work(Future(), write=spans)).result()
            total += expired
        return total

    def check(self) -> list[str]:
        """Return what is wrong with the store, in words; nothing if all is well.

        Raises:
            StoreError: the store cannot be read.
        """
        return checking.check(self.path)

    def close(self) -> None:
        """Write what waits, and close the store. What is asked for afterwards is refused."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._work.put(None)
        self._writer.join()

    def _put(self, work: _Work) -> Future[Any]:
        work.done.set_running_or_notify_cancel()  # it is written, whoever has gone away meanwhile
        weight = work.weight
        with self._lock:
            if self._is_closed:
                raise StoreError(f"The store {self.path} is closed.")
            if self._waiting and self._waiting + weight > MOST_WAITING:
                raise StoreBusyError(
                    f"{self._waiting:,} spans wait to be written to {self.path}. Come again."
                )
            self._waiting += weight
            self._work.put(work)
        return work.done

    # The writer's thread -------------------------------------------------------------------------

    def _write_all(self) -> None:
        is_open = True
        with closing(self._connection):
            while is_open:
                work, is_open = self._next()
                if not is_open:
                    self._overwrites_at = 0.0
                together = [each for each in work if each.write is None]
                self._write(together)
                self._write(work[len(together) :])
                with self._lock:
                    self._waiting -= sum(each.weight for each in work)
                if self._leaves_traces:
                    self._overwrite()

    def _next(self) -> tuple[list[_Work], bool]:
        """Wait for work: much to be kept, then at most one of another kind; False at the end."""
        work: list[_Work] = []
        weight = 0
        while weight < _MOST_AT_ONCE:
            try:
                wait = max(0.01, self._overwrites_at - time.monotonic())
                each = self._work.get(not work, wait if self._leaves_traces else None)
            except queue.Empty:
                break
            if each is None:
                return work, False
            work.append(each)
            weight += each.weight + 1
            if each.write is not None:
                break
        return work, True

    def _write(self, work: Sequence[_Work]) -> None:
        if not work:
            return
        try:
            answers = self._transacted(work)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told to whoever waits
            if len(work) > 1 and not isinstance(error, sqlite3.OperationalError):
                for each in work:  # one of them is what cannot be written
                    self._write([each])
                return
            failure = StoreError(f"Nothing was written to the store {self.path}: {error}.")
            failure.__cause__ = error
            for each in work:
                each.done.set_exception(failure)
            return
        if self._leaves_traces:
            self._overwrite()
        for each, answer in zip(work, answers, strict=True):
            each.done.set_result(answer)

    def _transacted(self, work: Sequence[_Work]) -> list[Any]:
        """Write some work in one transaction, and return the answers."""
        tried = 0
        while True:
            tried += 1
            try:
                with transaction(self._connection):
                    self._known.check(self._connection)
                    write = work[0].write
                    if write is not None:
                        return [write(self._connection)]
                    requests = [each.arrivals for each in work]
                    return [*keeping.keep(self._connection, self._known, requests)]
            except BaseException as error:
                self._known.forget()
                if tried == _TRIES or not _is_locked(error):
                    raise

    def _overwrite(self) -> None:
        """Overwrite what was removed, in the journal and in the file.

        At most once in a while, as it takes a second for a large store; and again if another
        process was in the way.
        """
        now = time.monotonic()
        if now >= self._overwrites_at:
            self._leaves_traces = not scrubbing.scrub(self.path)
            took = time.monotonic() - now
            wait = _OVERWRITE_AGAIN_SECONDS if self._leaves_traces else took * _OVERWRITE_SHARE
            self._overwrites_at = time.monotonic() + wait


def _is_locked(error: BaseException) -> bool:
    """Tell whether another process was in the way."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
