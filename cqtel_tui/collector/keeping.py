"""What is written into the store, and what is taken out again: each within a transaction."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from . import settling
from .arrivals import digest_of
from .durations import bucket
from .kinds import (
    CI,
    COUNTRY,
    DAY_SECONDS,
    OPERATION,
    PROVIDER,
    PROVIDER_VERSION,
    SPAN,
    TOTAL,
    VERSION,
    day_of,
)
from .sinks import Kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from .arrivals import Arrival, ArrivedSpan

MOST_DAYS_HELD = 60
"""How old the front lets an operation be (`allowing.OLDEST_DAYS`); an older one is told as that."""

_MOST_KNOWN = 50_000
_REMOVED_AT_ONCE = 20
_ASKED_AT_ONCE = 500
MOST_PARTS = 512
"""Requests that one trace may come in."""
_TOO_MANY_PARTS = f"its trace came in more than {MOST_PARTS} requests"
_SHA1_HEX = 40


class Known:
    """The numbers of rows that were looked up before; nothing is true of them after a rollback."""

    def __init__(self) -> None:
        self.traits: dict[tuple[str, str], int] = {}
        self.contexts: dict[tuple[Any, ...], int] = {}
        self.names: dict[tuple[str, str, bool], int] = {}
        self.taken: dict[bytes, set[bytes]] = {}
        self._spans = 0
        self._version = -1

    def forget(self) -> None:
        """Look up everything anew."""
        self.traits.clear()
        self.names.clear()
        self.taken.clear()
        self._spans = 0
        self.contexts.clear()

    def check(self, connection: sqlite3.Connection) -> None:
        """Forget what another process may have changed, and what grew too long."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        grown = len(self.contexts) + len(self.traits) + len(self.names) + self._spans
        if version != self._version or grown > _MOST_KNOWN:
            self._version = version
            self.forget()

    def is_new(self, span: ArrivedSpan) -> bool:
        """Tell whether a span is not there yet; it is from now on. Its trace was looked up."""
        ids = self.taken[span.trace_id]
        if span.span_id in ids:
            return False
        ids.add(span.span_id)
        self._spans += 1
        return True


def keep(
    connection: sqlite3.Connection, known: Known, requests: Sequence[Sequence[Arrival]]
) -> list[Kept]:
    """Write the spans of some requests that are not there yet; tell what became of each.

    As few statements as can be: Python's lock is free only while one of them runs.
    """
    row = _next_row(connection)
    arrivals: list[tuple[Any, ...]] = []
    traces: list[tuple[bytes, int]] = []
    messages: list[tuple[int, int, int, str]] = []
    full = _look_up(connection, known, requests)
    kept = [Kept(0)] * len(requests)
    for request, arrived in enumerate(requests):
        new = duplicates = erased = refused = 0
        for arrival in arrived:
            who = _who(arrival)
            key = (who, arrival.app, arrival.version, arrival.build_date, arrival.ci,
                   arrival.plugins, arrival.origin)  # fmt: skip
            context = known.contexts.get(key)
            if context is None and _is_erased(connection, who):
                erased += len(arrival.spans)
                continue
            came = arrival.spans
            if full:
                came = tuple(span for span in came if span.trace_id not in full)
                refused += len(arrival.spans) - len(came)
            spans = [span for span in came if known.is_new(span)]
            duplicates += len(came) - len(spans)
            if not spans:
                continue
            if context is None:
                context = known.contexts[key] = _context(connection, known, who, arrival)
            new += len(spans)
            day = _day(arrival)
            trace = spans[0].trace_id
            body = _body(connection, known, arrival.app, spans)
            arrivals.append(
                (row, context, day, arrival.received, trace.hex(), spans[0].started, body)
            )
            traces += [(each, row) for each in {span.trace_id for span in spans}]
            messages += [
                (row, number, day, span.message)
                for number, span in enumerate(spans)
                if span.message is not None
            ]
            row += 1
        words = _TOO_MANY_PARTS if refused else ""
        kept[request] = Kept(new, duplicates, erased, refused, words)
    _insert(connection, "arrivals", arrivals)
    _insert(connection, "traces", traces)
    _insert(connection, "messages", messages)
    return kept


def _next_row(connection: sqlite3.Connection) -> int:
    """Return the number of the next arrival: none is used again, or it would not be counted."""
    found: int = connection.execute(
        "SELECT max(arrival, (SELECT ifnull(max(id), 0) FROM arrivals)) FROM settled"
    ).fetchone()[0]
    return found + 1


def _look_up(
    connection: sqlite3.Connection, known: Known, requests: Sequence[Sequence[Arrival]]
) -> set[bytes]:
    """Look up the spans that are there of each trace; return those traces that have too many rows.

    A trace may come in parts, but not in so many that to look for what came twice costs more with
    each.
    """
    traces = {
        span.trace_id for arrived in requests for arrival in arrived for span in arrival.spans
    }
    asked = list(traces - known.taken.keys())
    parts: dict[bytes, list[int]] = {}
    for at in range(0, len(asked), _ASKED_AT_ONCE):
        some = asked[at : at + _ASKED_AT_ONCE]
        places = ", ".join("?" * len(some))
        for trace, arrival in connection.execute(
            f"SELECT trace, arrival FROM traces WHERE trace IN ({places})",  # noqa: S608  # ours
            some,
        ):
            parts.setdefault(trace, []).append(arrival)
    known.taken.update((trace, set()) for trace in asked)
    full = {trace for trace, arrivals in parts.items() if len(arrivals) >= MOST_PARTS}
    for trace in full:
        del known.taken[trace]
        del parts[trace]
    for arrival in {one for arrivals in parts.values() for one in arrivals}:
        for trace, span in connection.execute(
            "SELECT trace_id, span_id FROM spans WHERE arrival = ?", (arrival,)
        ):
            known.taken.setdefault(bytes.fromhex(trace), set()).add(bytes.fromhex(span))
    return full


def _body(
    connection: sqlite3.Connection, known: Known, app: str, spans: Sequence[ArrivedSpan]
) -> str:
    """Return the spans of an arrival as its row has them; see the table."""
    began, trace = spans[0].started, spans[0].trace_id
    numbers = {span.span_id: number for number, span in enumerate(spans)}
    rows: list[list[Any]] = []
    for span in spans:
        parent: int | str | None = None
        if span.parent_id:
            number = numbers.get(span.parent_id)
            parent = span.parent_id.hex() if number is None else number
        row = [
            span.span_id.hex(),
            parent,
            _name(connection, known, app, span),
            span.started - began,
            span.duration,
            bucket(span.duration),
            int(span.failed),
        ]
        if span.exit_code is not None or span.error_type is not None or span.trace_id != trace:
            other = None if span.trace_id == trace else span.trace_id.hex()
            row += [span.exit_code, span.error_type, other]
        rows.append(row)
    return msgspec.json.encode(rows).decode("ascii")


def begin_erasing(connection: sqlite3.Connection, cookie: str) -> int | None:
    """Note that what comes of a cookie is to be dropped from now on; return whose it is.

    Nobody's, who has nothing here, is not noted: else each try would leave a row for ever.
    """
    who = digest_of(cookie)
    installation = _installation(connection, who)
    if installation is not None:
        connection.execute("INSERT INTO erased VALUES (?) ON CONFLICT DO NOTHING", (who,))
    return installation


def erase(connection: sqlite3.Connection, installation: int, ends: float) -> tuple[int, bool]:
    """Remove of an installation as much as can be until a moment of `time.perf_counter`.

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
    """Return up to when retention may go, and note it.

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
                **json.loads(said),
                "spans": list(_spans(connection, arrival)),
            },
        )
        for arrival, received, said in arrivals.fetchall()
    ]


def _spans(connection: sqlite3.Connection, arrival: int) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        "SELECT trace_id, span_id, parent_id, traits.text, started, duration, failed, exit_code,"
        " error_type, messages.text FROM spans JOIN traits ON traits.id = name"
        " LEFT JOIN messages USING (arrival, number) WHERE arrival = ? ORDER BY number",
        (arrival,),
    )
    for trace, span, parent, name, started, duration, failed, code, error, message in rows:
        found = {
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
        yield found


def _said(arrival: Arrival) -> dict[str, Any]:
    """Return all that a request says but its spans, by the keys of the catalogue."""
    origin = arrival.origin
    is_sha1 = len(origin.address_hash) == _SHA1_HEX
    return {
        "service.name": arrival.app,
        "service.version": arrival.version,
        "cloudquery.build_date": arrival.build_date,
        "cloudquery.ci": arrival.ci,
        "cloudquery.plugins": arrival.plugins,
        "cloudquery.ip_sha1" if is_sha1 else "address_hash": origin.address_hash,
        "geo.country.iso_code": origin.country,
        "geo.region.name": origin.region,
        "geo.locality.name": origin.city,
    }


def _traits(arrival: Arrival) -> Iterator[tuple[str, str]]:
    """Yield what an operation of this request is grouped by, but for its name.

    What was not said is an empty text. No name or version holds a space.
    """
    yield TOTAL, ""
    yield VERSION, f"{arrival.app} {arrival.version or ''}"
    yield CI, "" if arrival.ci is None else "yes" if arrival.ci else "no"
    yield COUNTRY, arrival.origin.country or ""
    for plugin in dict.fromkeys(arrival.plugins):
        yield PROVIDER_VERSION, plugin.replace("@", " ", 1)
    for provider in dict.fromkeys(plugin.partition("@")[0] for plugin in arrival.plugins):
        yield PROVIDER, provider


def _name(connection: sqlite3.Connection, known: Known, app: str, span: ArrivedSpan) -> int:
    key = (app, span.name, bool(span.parent_id))
    number = known.names.get(key)
    if number is None:
        kind = SPAN if span.parent_id else OPERATION
        number = known.names[key] = _trait(connection, known, kind, f"{app} {span.name}")
    return number


def _trait(connection: sqlite3.Connection, known: Known, kind: str, text: str) -> int:
    number = known.traits.get((kind, text))
    if number is None:
        connection.execute(
            "INSERT INTO traits (kind, text) VALUES (?, ?) ON CONFLICT DO NOTHING", (kind, text)
        )
        number = known.traits[kind, text] = connection.execute(
            "SELECT id FROM traits WHERE kind = ? AND text = ?", (kind, text)
        ).fetchone()[0]
    return number


def _who(arrival: Arrival) -> bytes:
    """Return what stands for an installation."""
    cookie = arrival.cookie
    return arrival.origin.address_hash.encode() if cookie is None else digest_of(cookie)


def _is_erased(connection: sqlite3.Connection, who: bytes) -> bool:
    found = connection.execute("SELECT 1 FROM erased WHERE cookie = ?", (who,)).fetchone()
    return found is not None


def _context(connection: sqlite3.Connection, known: Known, who: bytes, arrival: Arrival) -> int:
    """Return the row of what a request says, made if it is new."""
    said = json.dumps(_said(arrival), separators=(",", ":"))
    connection.execute("INSERT INTO installations (key) VALUES (?) ON CONFLICT DO NOTHING", (who,))
    installation = _installation(connection, who)
    digest = hashlib.blake2b(said.encode(), digest_size=16).digest()
    made = connection.execute(
        "INSERT INTO contexts (installation, digest, said) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (installation, digest, said),
    ).fetchone()
    if made is not None:
        traits = [(made[0], _trait(connection, known, *each)) for each in _traits(arrival)]
        _insert(connection, "context_traits", traits)
    number: int = connection.execute(
        "SELECT id FROM contexts WHERE installation = ? AND digest = ?", (installation, digest)
    ).fetchone()[0]
    return number


def _day(arrival: Arrival) -> int:
    """Return the day on which its operation began, as its clock says, if that can be."""
    whole = (span.started for span in arrival.spans if not span.parent_id)
    began = next(whole, arrival.spans[0].started) // 1_000_000_000
    today = day_of(arrival.received)
    return min(max(day_of(began), today - MOST_DAYS_HELD), today)


def _insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]], but: str = ""
) -> int:
    """Insert rows, many by one statement; return how many were."""
    inserted = at = 0
    for many in (128, 16, 1):
        while len(rows) - at >= many:
            places = f"({', '.join('?' * len(rows[at]))})"
            values = ", ".join([places] * many)
            inserted += connection.execute(
                f"INSERT INTO {table} VALUES {values} {but}",  # noqa: S608  # the words are ours
                [value for row in rows[at : at + many] for value in row],
            ).rowcount
            at += many
    return inserted


def _installation(connection: sqlite3.Connection, who: bytes) -> int | None:
    found = connection.execute("SELECT id FROM installations WHERE key = ?", (who,)).fetchone()
    return None if found is None else found[0]


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
    """Remove what is said by no request any more, and an installation that said nothing else."""
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


def _moment(nanoseconds: int) -> str:
    """Return a moment as ISO 8601 in UTC, to the microsecond."""
    try:
        found = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
        found = found.replace(microsecond=nanoseconds // 1_000 % 1_000_000)
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)
    return found.isoformat()
