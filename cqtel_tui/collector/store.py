"""The store: what was acknowledged is on disk, once, until it is erased or expires.

One thread writes. It takes all that waits, writes it in one transaction, and resolves the promises
when the commit has returned (SQLite with WAL and `synchronous=FULL`: `fsync`). Several processes
may have the same store open; each waits for the others' transactions.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from . import checking, giving_back, keeping, removing, settling
from .health import DAMAGED, GoneError, Health, StorePlace, is_damage
from .keeping import RowCache
from .kinds import DAY_SECONDS, day_of
from .logs import tell, tell_error
from .overwriting import Overwriter
from .schema import StoreError, connect_to_write, connected_to_read, transaction
from .settings import ERROR_DAYS, RETENTION_DAYS
from .sinks import BusyError, KeepResult
from .turns import turn
from .waiting import Promise
from .work import Work, is_locked, pass_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from .arrivals import Arrival

T = TypeVar("T")
__all__ = ["KeepResult", "Store", "StoreBusyError", "StoreError"]

MOST_WAITING = 20_000
"""Spans that may wait to be written; beyond them a sender is asked to come again."""

STEP_SECONDS = 0.04
"""How long one step of a removal takes; others write in between."""

_MOST_AT_ONCE = 4_000
_SIBLINGS = 4
_GATHER_SECONDS = 0.001
"""How long requests wait for others to be committed with, where as many as `_SIBLINGS` were before:
one `fsync` is then enough for all, and the thread that reads them is not disturbed by each."""
_ROWS_AT_ONCE = 200
_IDLE_SECONDS = 0.5
MOST_UNSETTLED = 5_000
"""The most requests that are not counted yet, which a report has to count first."""
_PAGES_AT_ONCE = 500
_LONGEST_REST = 1.0
_TRIES = 3
_OF_THE_STORE = (sqlite3.OperationalError, GoneError, OSError)
"""Errors of the store itself, not of what was to be written."""
_INCREMENTAL = 2


class StoreBusyError(StoreError, BusyError):
    """Too much waits to be written: nothing was taken, and the sender should come again."""


class Store:
    """Keeps arrivals; gives back, erases and expires what it kept.

    Args:
        path: the SQLite file; made, with its folder, if it is not there.
        clock: seconds since 1970.
        retention_days: how long spans are kept.
        error_days: how long error texts are kept.
        monotonic: seconds, as they go by.
        believes_clock: whether retention goes by the clock from the start, however far ahead it is.

    Raises:
        StoreError: it cannot be opened, is no store, or is of a newer version.
    """

    def __init__(  # noqa: PLR0913  # all but the first by keyword
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        retention_days: int = RETENTION_DAYS,
        error_days: int = ERROR_DAYS,
        monotonic: Callable[[], float] = time.monotonic,
        believes_clock: bool = False,
    ) -> None:
        self.path = path
        self.retention_days = retention_days
        self.error_days = error_days
        self._clock = clock
        self._monotonic = monotonic
        self._believed_at = float("-inf") if believes_clock else None
        self._connection = connect_to_write(path)
        self._place = StorePlace(path)
        self._health = Health(path, self._place, self._do)
        self._is_damaged = False
        self._unsettled = 1
        self._known = RowCache()
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._together = 0
        self._is_closed = False
        self._overwriter = Overwriter(path)
        self._writer = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._writer.start()

    def keep(self, arrivals: Sequence[Arrival]) -> Promise[KeepResult]:
        """Keep the spans that are not kept yet; resolved when they are on disk.

        The future fails with StoreError if they could not be written: none of them was.

        Raises:
            StoreBusyError: too much waits already.
            StoreError: the store is closed.
        """
        return self._put(Work(keeping.RequestRows(self._known, tuple(arrivals))))

    def trouble(self) -> str:
        """Say why nothing can be kept, without a path; empty if it can."""
        trouble = DAMAGED if self._is_damaged else self._health.trouble()
        self._is_damaged = trouble == DAMAGED
        return trouble

    def mine(self, cookie: str) -> list[dict[str, Any]]:
        """Return everything that is kept of a cookie, as rows for JSON.

        Raises:
            StoreError: the store cannot be read.
        """
        return [row for page in self.pages(cookie) for row in page]

    def pages(self, cookie: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the same, some rows at a time: nothing waits for whoever reads them slowly.

        Raises:
            StoreError: the store cannot be read.
        """
        after = (-1, -1)
        while True:
            with connected_to_read(self.path) as connection:
                rows = giving_back.mine(connection, cookie, after, _ROWS_AT_ONCE)
            if rows:
                yield [row for _, row in rows]
            if len(rows) < _ROWS_AT_ONCE:
                return
            after = rows[-1][0]

    def erase(self, cookie: str) -> Promise[int]:
        """Erase all of a cookie; resolves to the number of its spans.

        It is done in small steps; what breaks off is done with `expire`. The bytes are overwritten
        in the journal and the file before that resolves, unless somebody reads or it was done just
        before: then soon after. What comes of the cookie from then on is dropped: its SHA-256 stays
        for that.

        Raises:
            StoreError: the store is closed.
        """
        done: Promise[int] = Promise()

        def begin(connection: sqlite3.Connection) -> int | None:
            self._known.forget()
            return removing.begin_erasing(connection, cookie)

        def begun(future: Promise[int | None]) -> None:
            if future.exception() is None and (installation := future.result()) is not None:
                self._erase_on(installation, done, 0)
            else:
                pass_on(future, done, 0)

        self._do(begin).add_done_callback(begun)
        return done

    def expire(self) -> int:
        """Remove what is older than its retention; return how many spans and error texts went.

        Others write in between: it is done in small steps, and rests as long as each takes. The
        clock is believed as far as time can have gone by since the store was last looked at: one
        that jumps ahead removes nothing.

        Raises:
            StoreError: it could not be done.
        """
        today = day_of(self._do(self._believe).result())

        def spans(connection: sqlite3.Connection) -> tuple[int, bool]:
            self._known.forget()
            before = today - self.retention_days
            return removing.expire(connection, before, time.perf_counter() + STEP_SECONDS)

        while self._do(settling.settle).result():
            pass
        for installation in self._do(removing.half_erased).result():
            erased: Promise[int] = Promise()
            self._erase_on(installation, erased, 0)
            erased.result()
        oldest = today - self.error_days
        total = self._do(lambda each: removing.expire_messages(each, oldest)).result()
        is_done = False
        while not is_done:
            begun = time.perf_counter()
            expired, is_done = self._do(spans).result()
            total += expired
            time.sleep(0 if is_done else min(time.perf_counter() - begun, _LONGEST_REST))
        self._shrink()
        if total:
            overwritten = threading.Event()
            self._overwriter.ask(overwritten.set)
            overwritten.wait()
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
        self._overwriter.close()

    def _erase_on(self, installation: int, done: Promise[int], before: int) -> None:
        """Erase some of an installation, and have the rest erased after what waits meanwhile."""

        def step(connection: sqlite3.Connection) -> tuple[int, bool]:
            self._known.forget()
            return removing.erase(connection, installation, time.perf_counter() + STEP_SECONDS)

        def went_on(future: Promise[tuple[int, bool]]) -> None:
            if future.exception() is not None:
                pass_on(future, done, before)
                return
            erased, is_done = future.result()
            if is_done:
                self._overwriter.ask(lambda: done.set_result(before + erased))
            else:
                self._erase_on(installation, done, before + erased)

        try:
            self._do(step).add_done_callback(went_on)
        except StoreError as error:
            done.set_exception(error)

    def _believe(self, connection: sqlite3.Connection) -> float:
        """Return up to when retention may go."""
        now = self._monotonic()
        most = None if self._believed_at is None else now - self._believed_at
        clock = self._clock()
        believed = removing.believe(connection, clock, most)
        self._believed_at = now
        if clock - believed > DAY_SECONDS:
            days = int((clock - believed) // DAY_SECONDS)
            tell("the clock is ahead of what is believed: --believe-clock changes that", days=days)
        return believed

    def _shrink(self) -> None:
        """Give back to the file system what is not used, some pages at a time."""

        def step(connection: sqlite3.Connection) -> bool:
            connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
            free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
            is_able = connection.execute("PRAGMA auto_vacuum").fetchone()[0] == _INCREMENTAL
            return is_able and free > 0

        while self._do(step).result():
            time.sleep(STEP_SECONDS)

    def _do(self, write: Callable[[sqlite3.Connection], T]) -> Promise[T]:
        """Have the writer do something in a transaction of its own."""
        return self._put(Work(write=write))

    def _put(self, work: Work) -> Promise[Any]:
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
                self._together = len(work)
                if not work and is_open:
                    self._settle()
                    continue
                together = [each for each in work if each.write is None]
                self._write(together)
                self._write(work[len(together) :])
                with self._lock:
                    self._waiting -= sum(each.weight for each in work)

    def _next(self) -> tuple[list[Work], bool]:
        """Wait for work: much to be kept, then at most one of another kind; False at the end."""
        work: list[Work] = []
        weight = 0
        while weight < _MOST_AT_ONCE:
            try:
                if work:
                    each = self._work.get_nowait()
                elif self._unsettled > MOST_UNSETTLED:
                    self._settle()
                    continue
                else:
                    each = self._work.get(timeout=_IDLE_SECONDS if self._unsettled else None)
            except queue.Empty:
                break
            if each is None:
                return work, False
            if not work and each.write is None and self._together >= _SIBLINGS:
                time.sleep(_GATHER_SECONDS)
            work.append(each)
            weight += each.weight + 1
            if each.write is not None:
                break
        return work, True

    def _write(self, work: Sequence[Work]) -> None:
        if not work:
            return
        try:
            answers = self._transacted(work)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is passed to whoever waits
            if len(work) > 1 and not isinstance(error, _OF_THE_STORE):
                for each in work:  # one of them is what cannot be written
                    self._write([each])
                return
            self._health.doubt()
            self._is_damaged = self._is_damaged or is_damage(error)
            failure: Exception = error
            if not isinstance(error, GoneError):
                failure = StoreError(f"Nothing was written to the store {self.path}: {error}.")
                failure.__cause__ = error
            for each in work:
                each.done.set_exception(failure)
            return
        for each, answer in zip(work, answers, strict=True):
            each.done.set_result(answer)

    def _transacted(self, work: Sequence[Work]) -> list[Any]:
        """Write some work in one transaction, and return the answers."""
        tried = 0
        while True:
            tried += 1
            try:
                with turn(self.path):
                    self._place.check()
                    answers = self._written(work)
                    self._place.check()  # what was written to is still what its path names
                    return answers
            except BaseException as error:
                self._known.forget()
                if tried == _TRIES or not is_locked(error):
                    raise

    def _settle(self) -> None:
        """Count some of what was acknowledged into what a report reads."""
        try:
            with turn(self.path):
                self._place.check()
                with transaction(self._connection):
                    has_more = settling.settle(self._connection)
            self._unsettled = max(self._unsettled - settling.ARRIVALS_AT_ONCE, 1) if has_more else 0
        except Exception as error:  # noqa: BLE001  # whoever reads counts what is left
            self._unsettled = 0
            tell_error("what was acknowledged could not be counted", error)

    def _written(self, work: Sequence[Work]) -> list[Any]:
        if self._is_damaged:
            raise StoreError("it is damaged")
        with transaction(self._connection):
            self._known.check(self._connection)
            write = work[0].write
            if write is not None:
                return [write(self._connection)]
            requests = [each.request for each in work if each.request is not None]
            self._unsettled += sum([len(each.arrivals) for each in requests])
            return [*keeping.keep(self._connection, self._known, requests)]
