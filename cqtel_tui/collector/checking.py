"""Whether a store is whole: its file, what refers to what, and the counts against the spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .schema import connected_to_read

if TYPE_CHECKING:
    from pathlib import Path

_MOST_PROBLEMS = 20

_SPANS = "(SELECT * FROM spans WHERE arrival <= (SELECT settled.arrival FROM settled))"
_OWN = """(
    SELECT own.value AS trait, installation, day, json_extract(span.value, '$[6]') AS failed
        FROM arrivals JOIN contexts ON contexts.id = context, json_each(spans) AS span,
            json_each(span.value, '$[10]') AS own
        WHERE arrivals.id <= (SELECT settled.arrival FROM settled)
)"""
_COUNTS = """
    SELECT name, bucket, day, count(*), sum(failed) FROM {spans} GROUP BY 1, 2, 3
    UNION ALL
    SELECT trait, -1, arrivals.day, count(*), sum(failed)
        FROM {spans} AS span JOIN arrivals ON arrivals.id = arrival
            JOIN context_traits USING (context)
        WHERE parent_id IS NULL GROUP BY 1, 3
    UNION ALL
    SELECT trait, -1, day, count(*), sum(failed) FROM {own} GROUP BY 1, 3
"""
_SEEN = """
    SELECT installation, trait, max(day) FROM (
        SELECT installation, name AS trait, day FROM {spans}
        UNION ALL
        SELECT installation, trait, arrivals.day
            FROM {spans} AS span JOIN arrivals ON arrivals.id = arrival
                JOIN context_traits USING (context)
            WHERE parent_id IS NULL
        UNION ALL
        SELECT installation, trait, day FROM {own}
    ) GROUP BY 1, 2
"""
_DAYS = """
    SELECT day, installation, count(*), sum(parent_id IS NULL), sum(parent_id IS NULL AND failed)
        FROM {spans} GROUP BY 1, 2
"""
_RECENCY = "SELECT trait, last_day, count(*) FROM seen GROUP BY 1, 2"
_DERIVED = (("counts", _COUNTS), ("seen", _SEEN), ("days", _DAYS), ("recency", _RECENCY))

_UNSEEN = """
    SELECT count(*) FROM (
        SELECT trace_id, arrival FROM spans EXCEPT SELECT lower(hex(trace)), arrival FROM traces)
"""
_LEFT_OVER = (
    ("traces without a request", "traces", "SELECT 1 FROM arrivals WHERE id = arrival"),
    ("spans without a name", "spans", "SELECT 1 FROM traits WHERE id = name"),
    ("traits without a name", "context_traits", "SELECT 1 FROM traits WHERE id = trait"),
    ("requests without spans", "arrivals", "SELECT 1 WHERE json_array_length(spans) > 0"),
    ("contexts without requests", "contexts", "SELECT 1 FROM arrivals WHERE context = contexts.id"),
    (
        "installations without contexts",
        "installations",
        "SELECT 1 FROM contexts WHERE installation = installations.id",
    ),
    (
        "installations that were not erased",
        "installations",
        "SELECT 1 WHERE installations.key NOT IN (SELECT cookie FROM erased)",
    ),
)


def check(path: Path) -> list[str]:
    """Return what is wrong, in words; nothing if all is well.

    Raises:
        StoreError: the store cannot be read.
    """
    with connected_to_read(path) as connection:
        problems = [
            f"The file is damaged: {row[0]}."
            for row in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")
            if row[0] != "ok"
        ]
        if problems:
            return problems
        problems = [
            f"A row of {table} refers to a row of {parent} that is not there."
            for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(
                _MOST_PROBLEMS
            )
        ]
        for table, query in _DERIVED:
            connection.execute(f"CREATE TEMP TABLE told AS {query.format(spans=_SPANS, own=_OWN)}")
            wrong = connection.execute(
                f"SELECT (SELECT count(*) FROM (SELECT * FROM {table} EXCEPT SELECT * FROM told))"  # noqa: S608  # ours
                f" + (SELECT count(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM {table}))"
            ).fetchone()[0]
            connection.execute("DROP TABLE told")
            if wrong:
                problems.append(
                    f"The table {table} does not say what the spans say: {wrong:,} rows."
                )
        (unseen,) = connection.execute(_UNSEEN).fetchone()
        if unseen:
            problems.append(f"There are traces of which a second one would be kept: {unseen:,}.")
        for what, table, reason in _LEFT_OVER:
            left = connection.execute(
                f"SELECT count(*) FROM {table} WHERE NOT EXISTS ({reason})"  # noqa: S608  # ours
            ).fetchone()[0]
            if left:
                problems.append(f"There are {what}, or more than there should be: {left:,}.")
    return problems
