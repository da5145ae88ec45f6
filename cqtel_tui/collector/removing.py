"""What is taken out of the store again, in small steps: each within a transaction of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import settling
from .arrivals import digest_of
from .keeping import installation_of
from .kinds import DAY_SECONDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_REMOVED_AT_ONCE = 20


def begin_erasing(connection: sqlite3.Connection, cookie: str) -> int | None:
    """Note that payloads of a cookie are dropped from now on; return its installation's row.

    A cookie of which nothing is kept is not noted: else each try would leave a row for ever.
    """
    who = digest_of(cookie)
    installation = installation_of(connection, who)
    if installation is not None:
        connection.execute("INSERT INTO erased VALUES (?) ON CONFLICT DO NOTHING", (who,))
    return installation


def erase(connection: sqlite3.Connection, installation: int, ends: float) -> tuple[int, bool]:
    """Remove as much of an installation as can be until a moment of `time.perf_counter`.

    Returns:
        how many spans went, and whether that was the last of them.
    """
    where = "context IN (SELECT id FROM contexts WHERE installation = ?)"
    erased, is_done = _remove_some(connection, where, (installation,), ends)
    if is_done:
        _prune_contexts(connection, installation)
        prune_traits(connection)
    return erased, is_done


def half_erased(connection: sqlite3.Connection) -> list[int]:
    """Return whose erasure was begun, and broken off by the end of its process."""
    return [
        number
        for (number,) in connection.execute(
            "SELECT id FROM installations WHERE key IN (SELECT cookie FROM erased)"
        )
    ]


def expire(connection: sqlite3.Connection, before: int, ends: float) -> tuple[int, bool]:
    """Remove what is of a day before `before`, oldest first; as `erase`."""
    expired = 0
    while True:
        due = connection.execute(
            "SELECT day, installation FROM days WHERE day < ? ORDER BY day, installation LIMIT 1",
            (before,),
        ).fetchone()
        if due is None:
            prune_traits(connection)
            return expired, True
        where = "day = ? AND context IN (SELECT id FROM contexts WHERE installation = ?)"
        removed, is_done = _remove_some(connection, where, due, ends)
        expired += removed
        if is_done:
            _prune_contexts(connection, due[1])
        if time.perf_counter() >= ends:
            return expired, False


def believe(connection: sqlite3.Connection, clock: float, most: float | None = None) -> float:
    """Return the time that retention may believe in, and note it.

    Args:
        connection: of the store.
        clock: what the clock says, in seconds since 1970.
        most: how much time can have gone by since this process noted it last; None if it has not.
    """
    row = connection.execute("SELECT time, clock FROM believed").fetchone()
    if row is None:
        believed = clock
    else:
        gone = min(max(clock - row[1], 0.0), DAY_SECONDS) if most is None else most
        believed = min(clock, row[0] + gone)
    connection.execute("INSERT OR REPLACE INTO believed VALUES (1, ?, ?)", (believed, clock))
    return believed


def expire_messages(connection: sqlite3.Connection, before: int) -> int:
    """Remove the error texts of each day before `before`; return how many."""
    return connection.execute("DELETE FROM messages WHERE day < ?", (before,)).rowcount


def prune_traits(connection: sqlite3.Connection) -> None:
    """Remove each name, version, plugin and country that nobody has any more.

    Not while there is something that was not counted: its names are nowhere else.
    """
    if settling.settle(connection):
        return
    is_unseen = "NOT EXISTS (SELECT 1 FROM recency WHERE trait = traits.id)"
    if connection.execute(f"SELECT 1 FROM traits WHERE {is_unseen}").fetchone():  # noqa: S608  # ours
        # Parts of an operation that never came have none of the traits that their request told of.
        connection.execute(
            f"DELETE FROM traits WHERE {is_unseen}"  # noqa: S608  # ours
            " AND id NOT IN (SELECT trait FROM context_traits)"
        )


def _remove_some(
    connection: sqlite3.Connection, where: str, values: tuple[int, ...], ends: float
) -> tuple[int, bool]:
    """Remove some arrivals with their spans until a moment; how many spans, and whether all."""
    removed = 0
    while True:
        arrivals = connection.execute(
            f"SELECT id FROM arrivals WHERE {where} LIMIT {_REMOVED_AT_ONCE}",  # noqa: S608  # ours
            values,
        ).fetchall()
        removed += _remove(connection, arrivals)
        if len(arrivals) < _REMOVED_AT_ONCE:
            return removed, True
        if time.perf_counter() >= ends:
            return removed, False


def _remove(connection: sqlite3.Connection, arrivals: Sequence[tuple[int]]) -> int:
    """Remove arrivals; return how many spans they had."""
    settling.take_off(connection, [number for (number,) in arrivals])
    removed = 0
    for arrival in arrivals:
        spans = connection.execute(
            "SELECT trace_id FROM spans WHERE arrival = ?", arrival
        ).fetchall()
        removed += len(spans)
        connection.executemany(
            "DELETE FROM traces WHERE (trace, arrival) = (?, ?)",
            [(bytes.fromhex(trace), *arrival) for (trace,) in set(spans)],
        )
    connection.executemany("DELETE FROM arrivals WHERE id = ?", arrivals)
    return removed


def _prune_contexts(connection: sqlite3.Connection, installation: int | None) -> int:
    """Remove contexts that no request has any more, and installations without any."""
    pruned = connection.execute(
        "DELETE FROM contexts WHERE installation = ?"
        " AND NOT EXISTS (SELECT 1 FROM arrivals WHERE context = contexts.id)",
        (installation,),
    ).rowcount
    connection.execute(
        "DELETE FROM installations WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM contexts WHERE installation = installations.id)",
        (installation,),
    )
    return pruned
