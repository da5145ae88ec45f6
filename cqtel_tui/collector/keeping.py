"""What is written into the store, and what is taken out again: each within a transaction."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec

from .arrivals import digest_of
from .durations import bucket
from .kinds import (
    CI,
    COUNTRY,
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
    rows = _Rows(_next_row(connection))
    full = _look_up(connection, known, requests)
    kept = []
    for arrived in requests:
        new = duplicates = erased = refused = 0
        for arrival in arrived:
            who = _who(arrival)
            context = known.contexts.get(_key(who, arrival))
            if context is None and _is_erased(connection, who):
                erased += len(arrival.spans)
                continue
            came = arrival.spans
            if full:
                came = tuple(span for span in came if span.trace_id not in full)
                refused += len(arrival.spans) - len(came)
            spans = [span for span in came if known.is_new(span)]
            duplicates += len(came) - len(spans)
            if spans:
                if context is None:
                    context = _context(connection, known, who, arrival)
                    known.contexts[_key(who, arrival)] = context
                body = _body(connection, known, arrival.app, spans)
                rows.add(context, arrival, spans, body)
                new += len(spans)
        kept.append(Kept(new, duplicates, erased, refused, _TOO_MANY_PARTS if refused else ""))
    rows.insert(connection)
    return kept


class _Rows:
    """The rows of some arrivals, until all of them are known."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._arrivals: list[tuple[Any, ...]] = []
        self._traces: list[tuple[bytes, int]] = []
        self._messages: list[tuple[int, int, int, str]] = []

    def add(self, context: int, arrival: Arrival, spans: Sequence[ArrivedSpan], body: str) -> None:
        """Add those of one."""
        row, day, first = self._next, _day(arrival), spans[0]
        self._next += 1
        self._arrivals.append(
            (row, context, day, arrival.received, first.trace_id.hex(), first.started, body)
        )
        self._traces += [(each, row) for each in {span.trace_id for span in spans}]
        self._messages += [
            (row, number, day, span.message)
            for number, span in enumerate(spans)
            if span.message is not None
        ]

    def insert(self, connection: sqlite3.Connection) -> None:
        """Write them."""
        _insert(connection, "arrivals", self._arrivals)
        _insert(connection, "traces", self._traces)
        _insert(connection, "messages", self._messages)


def _key(who: bytes, arrival: Arrival) -> tuple[Any, ...]:
    """Return what tells one context from another."""
    return (who, arrival.app, arrival.version, arrival.build_date, arrival.ci, arrival.plugins,
            arrival.origin)  # fmt: skip


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
            # Of another trace that it has a span of, not all is known by that.
            if (ids := known.taken.get(bytes.fromhex(trace))) is not None:
                ids.add(bytes.fromhex(span))
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
    installation = installation_of(connection, who)
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


def installation_of(connection: sqlite3.Connection, who: bytes) -> int | None:
    """Return the row of an installation, if there is one."""
    found = connection.execute("SELECT id FROM installations WHERE key = ?", (who,)).fetchone()
    return None if found is None else found[0]
