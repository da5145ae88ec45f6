"""Count what was acknowledged into the tables of a report, batch by batch.

A batch and the counter of it are one transaction: what is killed between has counted all of a batch
or nothing. What is removed is taken off again, if it was counted.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import repeat
from typing import TYPE_CHECKING

from .schema import connect_to_write, connected_to_read, transaction
from .turns import turn

try:
    from msgspec.json import decode
except ImportError:  # whoever reads a report needs no part of the collector
    decode = json.loads  # type: ignore[assignment]  # as far as it is used here

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

ARRIVALS_AT_ONCE = 400
"""Few milliseconds; others write in between."""

_PARENT, _NAME, _BUCKET, _FAILED, _OWN = 1, 2, 5, 6, 10
"""Where a span's list has these (see `migrations`)."""
_BATCH = "arrivals.id > :after AND arrivals.id <= :until"
_THESE = "arrivals.id IN (SELECT value FROM json_each(:these)) AND arrivals.id <= :until"
_ARRIVALS = """
    SELECT context, installation, day, spans
        FROM arrivals JOIN contexts ON contexts.id = context WHERE {which}
"""
_TRAITS = """
    SELECT context, trait FROM context_traits WHERE context IN (SELECT value FROM json_each(?))
"""
# One statement for all rows of a table: Python's lock is free while it runs. Of what is taken off,
# the numbers are negative.
_ADD = {
    "counts": "spans = spans + excluded.spans, failed = failed + excluded.failed",
    "days": (
        "spans = spans + excluded.spans, operations = operations + excluded.operations,"
        " failed = failed + excluded.failed"
    ),
    "seen": "last_day = excluded.last_day WHERE excluded.last_day > last_day",
}
_COLUMNS = {"counts": 5, "days": 5, "seen": 3}
_SETTLE = {
    table: (
        f"INSERT INTO {table} SELECT {', '.join(f'value ->> {at}' for at in range(columns))}"  # noqa: S608  # ours
        f" FROM json_each(?) WHERE true ON CONFLICT DO UPDATE SET {_ADD[table]}"
    )
    for table, columns in _COLUMNS.items()
}


class _Tally:
    """What some arrivals come to.

    Attributes:
        counts: how many spans of a name had a duration of a bucket on a day, or operations of
            another trait (in bucket -1), and how many of them failed.
        days: how many spans, operations and failed ones an installation had on a day.
        seen: who had what on which days.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, int, int]] = Counter()
        self.failed: Counter[tuple[int, int, int]] = Counter()
        self.spans: Counter[tuple[int, int]] = Counter()
        self.seen: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
        self._operations: Counter[tuple[int, int, int, bool]] = Counter()

    def add(self, context: int, installation: int, day: int, spans: str) -> None:
        """Add those of an arrival."""
        rows = decode(spans)
        names = [row[_NAME] for row in rows]
        self.counts.update(zip(names, [row[_BUCKET] for row in rows], repeat(day)))
        self.spans[day, installation] += len(rows)
        self.seen[day].update(zip(repeat(installation), names))
        for row in rows:
            if row[_PARENT] is None:
                self._operations[context, installation, day, row[_FAILED]] += 1
            if row[_FAILED]:
                self.failed[row[_NAME], row[_BUCKET], day] += 1
            for trait in row[_OWN] if len(row) > _OWN else ():
                self.counts[trait, -1, day] += 1
                self.failed[trait, -1, day] += row[_FAILED]
                self.seen[day].add((installation, trait))

    def write(self, connection: sqlite3.Connection, sign: int) -> None:
        """Add it to the tables, or take it off again."""
        days: Counter[tuple[int, int]] = Counter()
        failed_days: Counter[tuple[int, int]] = Counter()
        traits = self._traits(connection)
        for (context, installation, day, failed), count in self._operations.items():
            days[day, installation] += count
            failed_days[day, installation] += count * failed
            for trait in traits[context]:
                self.counts[trait, -1, day] += count
                self.failed[trait, -1, day] += count * failed
                self.seen[day].add((installation, trait))
        counts = [
            (*key, sign * count, sign * self.failed[key]) for key, count in self.counts.items()
        ]
        _write(connection, "counts", counts)
        if sign > 0:
            _write(
                connection,
                "seen",
                [(*who, day) for day, pairs in self.seen.items() for who in pairs],
            )
        _write(
            connection,
            "days",
            [
                (*key, sign * count, sign * days[key], sign * failed_days[key])
                for key, count in self.spans.items()
            ],
        )

    def _traits(self, connection: sqlite3.Connection) -> defaultdict[int, list[int]]:
        traits: defaultdict[int, list[int]] = defaultdict(list)
        contexts = sorted({context for context, *_ in self._operations})
        for context, trait in connection.execute(_TRAITS, (json.dumps(contexts),)):
            traits[context].append(trait)
        return traits


def _write(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[int, ...]]) -> None:
    if rows:
        connection.execute(_SETTLE[table], (json.dumps(rows),))


def settle(connection: sqlite3.Connection) -> bool:
    """Count the next batch, within a transaction; tell whether there is more to count."""
    (after,) = connection.execute("SELECT arrival FROM settled").fetchone()
    (until,) = connection.execute(
        "SELECT max(id) FROM (SELECT id FROM arrivals WHERE id > ? ORDER BY id LIMIT ?)",
        (after, ARRIVALS_AT_ONCE),
    ).fetchone()
    if until is None:
        return False
    _tally(connection, _BATCH, {"after": after, "until": until}).write(connection, 1)
    connection.execute("UPDATE settled SET arrival = ?", (until,))
    rest = connection.execute("SELECT 1 FROM arrivals WHERE id > ? LIMIT 1", (until,))
    return rest.fetchone() is not None


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
    _tally(connection, _THESE, {"these": these, "until": until}).write(connection, -1)


def _tally(connection: sqlite3.Connection, which: str, values: dict[str, object]) -> _Tally:
    tally = _Tally()
    for row in connection.execute(_ARRIVALS.format(which=which), values).fetchall():
        tally.add(*row)
    return tally
