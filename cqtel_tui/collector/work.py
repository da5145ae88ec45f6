"""What the writer of a store is asked for, and how it is answered."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from .arrivals import Arrival


@dataclass(frozen=True, slots=True)
class Work:
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


def pass_on(future: Future[Any], done: Future[int], none: int) -> None:
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
