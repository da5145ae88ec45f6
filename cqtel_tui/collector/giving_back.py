"""Give back what is kept of a cookie to whoever has the cookie."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .arrivals import digest_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


def mine(
    connection: sqlite3.Connection, cookie: str, after: tuple[int, int], most: int
) -> list[tuple[tuple[int, int], dict[str, Any]]]:
    """Return what is kept of a cookie, oldest first: one row a request, with its spans.

    The keys are those of the catalogue; times are UTC, durations nanoseconds.

    Args:
        connection: of the store.
        cookie: whose.
        after: the place of the row before; each row is returned with its own.
        most: how many rows.
    """
    arrivals = connection.execute(
        "SELECT arrivals.id, received, said FROM installations"
        " JOIN contexts ON installation = installations.id JOIN arrivals ON context = contexts.id"
        " WHERE key = ? AND (received, arrivals.id) > (?, ?)"
        " ORDER BY received, arrivals.id LIMIT ?",
        (digest_of(cookie), *after, most),
    )
    return [
        (
            (received, arrival),
            {
                "received": _moment(received * 1_000_000_000),
                **json.loads(context),
                "spans": list(_spans(connection, arrival)),
            },
        )
        for arrival, received, context in arrivals.fetchall()
    ]


def _spans(connection: sqlite3.Connection, arrival: int) -> Iterator[dict[str, Any]]:
    own: dict[int, dict[str, Any]] = {}
    fields = "SELECT number, text FROM own_fields WHERE arrival = ?"
    for number, text in connection.execute(fields, (arrival,)):
        _, key, value = text.split(" ", 2)
        own.setdefault(number, {})[key] = json.loads(value)
    rows = connection.execute(
        "SELECT number, trace_id, span_id, parent_id, traits.text, started, duration, failed,"
        " exit_code, error_type, messages.text FROM spans JOIN traits ON traits.id = name"
        " LEFT JOIN messages USING (arrival, number) WHERE arrival = ? ORDER BY number",
        (arrival,),
    )
    for number, trace, span, parent, name, started, duration, failed, code, error, message in rows:
        yield {
            **own.get(number, {}),
            "trace_id": trace,
            "span_id": span,
            "parent_id": parent,
            "name": name.partition(" ")[2],
            "started": _moment(started),
            "duration_ns": duration,
            "success": not failed,
            "process.exit.code": code,
            "error.type": error,
            "exception.message": message,
        }


def _moment(nanoseconds: int) -> str:
    """Return a moment as ISO 8601 in UTC, to the microsecond."""
    try:
        moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
        moment = moment.replace(microsecond=nanoseconds // 1_000 % 1_000_000)
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)
    return moment.isoformat()
