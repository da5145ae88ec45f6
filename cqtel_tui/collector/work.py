"""What the writer of a store is asked for, and how it is answered."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from .waiting import Promise

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keeping import RequestRows
    from .waiting import Awaited


class Work:
    """What the writer is asked for.

    Attributes:
        done: resolved after the commit.
        request: to be kept, in a transaction with others.
        write: else called in a transaction of its own; what it returns is the answer.
        weight: how many spans it is about.
    """

    __slots__ = ("done", "request", "weight", "write")

    def __init__(
        self,
        request: RequestRows | None = None,
        write: Callable[[sqlite3.Connection], Any] | None = None,
    ) -> None:
        self.done: Promise[Any] = Promise()
        self.request = request
        self.write = write
        self.weight = 0
        if request is not None:
            self.weight = sum([len(arrival.spans) for arrival in request.arrivals])


def pass_on(future: Awaited[Any], done: Promise[int], none: int) -> None:
    """Resolve a future as another one, where that has nothing to count."""
    error = future.exception()
    if error is None:
        done.set_result(none)
    else:
        done.set_exception(error)


def is_locked(error: BaseException) -> bool:
    """Tell whether another process was in the way."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
