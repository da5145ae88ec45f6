"""Count what was acknowledged into what a report reads: in batches, each with how far it got.

A batch and the counter of it are one transaction: what is killed between has counted all of a batch
or nothing. What is removed is taken off again, if it was counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .schema import connect_to_write, connected_to_read, transaction
from .turns import turn

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

ARRIVALS_AT_ONCE = 400
"""Few milliseconds; others write in between."""

_BATCH = "arrivals.id > :after AND arrivals.id <= :until"
_THESE = "arrivals.id IN (SELECT value FROM json_each(:these)) AND arrivals.id <= :until"
# What is read of each span; a list has no names (see `migrations`).
_MAKE_BATCH = """
    CREATE TEMP TABLE IF NOT EXISTS batch (
        arrival INTEGER, context INTEGER, installation INTEGER, day INTEGER, is_operation INTEGER,
        name INTEGER, bucket INTEGER, has_failed INTEGER)
"""
_FILL_BATCH = """
    INSERT INTO batch
        SELECT arrivals.id, context, installation, day, json_extract(value, '$[1]') IS NULL,
            json_extract(value, '$[2]'), json_extract(value, '$[5]'), json_extract(value, '$[6]')
        FROM arrivals JOIN contexts ON contexts.id = context, json_each(spans)
        WHERE {which}
"""
_COUNTS = """
    SELECT name, bucket, day, count(*), sum(has_failed) FROM batch GROUP BY 1, 2, 3
"""
_TRAITS = """
    SELECT trait, -1, day, count(*), sum(has_failed)
        FROM batch JOIN context_traits USING (context)
        WHERE is_operation GROUP BY 1, 2, 3
"""
_DAYS = """
    SELECT day, installation, count(*), sum(is_operation), sum(is_operation AND has_failed)
        FROM batch GROUP BY 1, 2
"""
_SEEN = """
    SELECT installation, name, max(day) FROM batch GROUP BY 1, 2
    UNION ALL
    SELECT installation, trait, max(day) FROM batch JOIN context_traits USING (context)
        WHERE is_operation GROUP BY 1, 2
"""
_ADD = {
    "counts": "spans = spans + excluded.spans, failed = failed + excluded.failed",
    "days": (
        "spans = spans + excluded.spans, operations = operations + excluded.operations,"
        " failed = failed + excluded.failed"
    ),
    "seen": "last_day = excluded.last_day WHERE excluded.last_day > last_day",
}


_SETTLE = [
    f"INSERT INTO {table} SELECT * FROM ({query}) WHERE true"  # noqa: S608  # ours
    f" ON CONFLICT DO UPDATE SET {_ADD[table]}"
    for table, query in (
        ("counts", _COUNTS),
        ("counts", _TRAITS),
        ("days", _DAYS),
        ("seen", _SEEN),
    )
]


def settle(connection: sqlite3.Connection) -> bool:
    """Count the next batch, within a transaction; tell whether there is more to count."""
    (after,) = connection.execute("SELECT arrival FROM settled").fetchone()
    (until,) = connection.execute(
        "SELECT max(id) FROM (SELECT id FROM arrivals WHERE id > ? ORDER BY id LIMIT ?)",
        (after, ARRIVALS_AT_ONCE),
    ).fetchone()
    if until is None:
        return False
    _fill(connection, _BATCH, {"after": after, "until": until})
    for statement in _SETTLE:
        connection.execute(statement)
    connection.execute("UPDATE settled SET arrival = ?", (until,))
    found = connection.execute("SELECT 1 FROM arrivals WHERE id > ? LIMIT 1", (until,))
    return found.fetchone() is not None


def settle_all(path: Path) -> None:
    """Count all that was acknowledged before.

    Raises:
        StoreError: the store cannot be read, or not be written where there is something to count.
    """
    with connected_to_read(path) as connection:
        (has_more,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM arrivals WHERE id > (SELECT arrival FROM settled))"
        ).fetchone()
    if has_more:
        connection = connect_to_write(path)
        try:
            while has_more:
                with turn(path), transaction(connection):
                    has_more = settle(connection)
        finally:
            connection.close()


def take_off(connection: sqlite3.Connection, arrivals: Sequence[int]) -> None:
    """Take off what was counted of some arrivals, before they are removed."""
    (until,) = connection.execute("SELECT arrival FROM settled").fetchone()
    these = f"[{','.join(map(str, arrivals))}]"
    _fill(connection, _THESE, {"these": these, "until": until})
    for query in (_COUNTS, _TRAITS):
        connection.executemany(
            "UPDATE counts SET spans = spans - ?4, failed = failed - ?5"
            " WHERE (trait, bucket, day) = (?1, ?2, ?3)",
            connection.execute(query).fetchall(),
        )
    connection.executemany(
        "UPDATE days SET spans = spans - ?3, operations = operations - ?4, failed = failed - ?5"
        " WHERE (day, installation) = (?1, ?2)",
        connection.execute(_DAYS).fetchall(),
    )


def _fill(connection: sqlite3.Connection, which: str, values: dict[str, object]) -> None:
    """Read the spans of some arrivals once, for all that is counted of them."""
    connection.execute(_MAKE_BATCH)
    connection.execute("DELETE FROM batch")
    connection.execute(_FILL_BATCH.format(which=which), values)
