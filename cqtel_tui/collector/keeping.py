"""What is written into the store, and what is taken out again: each within a transaction."""

from __future__ import annotations

import hashlib
import json
from operator import not_
from typing import TYPE_CHECKING, Any

from . import rows
from .arrivals import Columns, digest_of
from .kinds import (
    CI,
    COUNTRY,
    FIELD,
    FIELD_VALUE,
    OPERATION,
    PROGRAM,
    PROVIDER,
    PROVIDER_VERSION,
    SPAN,
    TOTAL,
    VERSION,
    day_of,
)
from .sinks import KeepResult

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from .arrivals import Arrival, ArrivedSpan

MOST_DAYS_HELD = 60
"""How old the front lets an operation be (`allowing.OLDEST_DAYS`); an older one is told as that."""

_MOST_KNOWN = 50_000
_REMOVED_AT_ONCE = 20
_ASKED_AT_ONCE = 500
_INSERTED_AT_ONCE = 128
MOST_PARTS = 512
"""Requests that one trace may come in."""
_TOO_MANY_PARTS = f"its trace came in more than {MOST_PARTS} requests"
_SHA1_HEX = 40


class RowCache:
    """The numbers of rows that were looked up before; nothing is true of them after a rollback."""

    def __init__(self) -> None:
        self.traits: dict[tuple[str, str], int] = {}
        self.contexts: dict[tuple[Any, ...], int] = {}
        self.names: dict[str, dict[tuple[str, bool], int]] = {}  # read by other threads, too
        self.taken: dict[bytes, set[str]] = {}
        self.forgotten = 0
        self._spans = 0
        self._version = -1

    def forget(self) -> None:
        """Look up everything anew."""
        self.traits.clear()
        self.names.clear()
        self.taken.clear()
        self._spans = 0
        self.contexts.clear()
        # Last: another thread that sees this number sees nothing of what was known before.
        self.forgotten += 1

    def check(self, connection: sqlite3.Connection) -> None:
        """Forget what another process may have changed, and what grew too long."""
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        grown = len(self.contexts) + len(self.traits) * 2 + self._spans
        if version != self._version or grown > _MOST_KNOWN:
            self._version = version
            self.forget()

    def names_of(self, app: str) -> dict[tuple[str, bool], int]:
        """Return the names of a program's operations (true) and of their parts."""
        return self.names.setdefault(app, {})

    def new_of(self, spans: Sequence[ArrivedSpan]) -> Sequence[ArrivedSpan]:
        """Return the spans that are not there yet; from now on they count as there.

        Their traces were looked up.
        """
        if isinstance(spans, Columns):
            taken, ids = self.taken[bytes.fromhex(spans.trace)], set(spans.ids)
            if len(ids) == len(spans) and taken.isdisjoint(ids):  # nearly always
                taken |= ids
                self._spans += len(ids)
                return spans
        return [span for span in spans if self._is_new(span)]

    def _is_new(self, span: ArrivedSpan) -> bool:
        taken, span_id = self.taken[span.trace_id], span.span_id.hex()
        if span_id in taken:
            return False
        taken.add(span_id)
        self._spans += 1
        return True


class RequestRows:
    """What came in one request, with as much of its rows as can be made before it is written.

    Attributes:
        arrivals: what came.
        bodies: the spans of each as its row has them, where all names were known.
        forgotten: how often the names had been forgotten by then.
    """

    __slots__ = ("arrivals", "bodies", "forgotten")

    def __init__(self, known: RowCache, arrivals: Sequence[Arrival]) -> None:
        self.arrivals = arrivals
        self.forgotten = known.forgotten
        self.bodies = [_body_of_known(known, arrival) for arrival in arrivals]

    def body(self, known: RowCache, place: int, spans: Sequence[ArrivedSpan]) -> str | None:
        """Return what was made of spans, if it still says the same."""
        if self.forgotten != known.forgotten or spans is not self.arrivals[place].spans:
            return None
        return self.bodies[place]


def keep(
    connection: sqlite3.Connection, known: RowCache, requests: Sequence[RequestRows]
) -> list[KeepResult]:
    """Write the spans of some requests that are not there yet; tell what became of each.

    As few statements as can be: Python's lock is free only while one of them runs.
    """
    made = _Rows(_next_row(connection))
    full = _look_up(connection, known, requests)
    kept = []
    for request in requests:
        new = duplicates = erased = refused = 0
        for place, arrival in enumerate(request.arrivals):
            who = _installation_key(arrival)
            context = known.contexts.get(_key(who, arrival))
            if context is None and _is_erased(connection, who):
                erased += len(arrival.spans)
                continue
            came = arrival.spans
            if full:
                came = tuple(span for span in came if span.trace_id not in full)
                refused += len(arrival.spans) - len(came)
            spans = known.new_of(came) if came else came
            duplicates += len(came) - len(spans)
            if spans:
                if context is None:
                    context = _context(connection, known, who, arrival)
                    known.contexts[_key(who, arrival)] = context
                body = request.body(known, place, spans)
                body = body or _body(connection, known, arrival.app, spans)
                made.add(context, arrival, spans, body)
                new += len(spans)
        kept.append(
            KeepResult(new, duplicates, erased, refused, _TOO_MANY_PARTS if refused else "")
        )
    made.insert(connection)
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
        row, day = self._next, _day(arrival)
        self._next += 1
        if isinstance(spans, Columns):
            trace, began = spans.trace, spans.starts[0]
        else:
            trace, began = spans[0].trace_id.hex(), spans[0].started
        self._arrivals.append((row, context, day, arrival.received, trace, began, body))
        self._traces += [(each, row) for each in rows.traces_of(spans)]
        if isinstance(spans, Columns):
            return  # it has no error text
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
    """Return what two contexts must share to be the same."""
    return (who, arrival.app, arrival.version, arrival.build_date, arrival.ci, arrival.plugins,
            arrival.origin)  # fmt: skip


def _next_row(connection: sqlite3.Connection) -> int:
    """Return the number of the next arrival: none is used again, or it would not be counted."""
    last: int = connection.execute(
        "SELECT max(arrival, (SELECT ifnull(max(id), 0) FROM arrivals)) FROM settled"
    ).fetchone()[0]
    return last + 1


def _look_up(
    connection: sqlite3.Connection, known: RowCache, requests: Sequence[RequestRows]
) -> set[bytes]:
    """Look up the spans that are there of each trace; return those traces that have too many rows.

    A trace may come in parts, but not in so many that looking for duplicates costs more with
    each.
    """
    traces: set[bytes] = set()
    for request in requests:
        for arrival in request.arrivals:
            traces |= rows.traces_of(arrival.spans)
    unknown = [trace for trace in traces if trace not in known.taken]
    parts: dict[bytes, list[int]] = {}
    for at in range(0, len(unknown), _ASKED_AT_ONCE):
        some = unknown[at : at + _ASKED_AT_ONCE]
        places = ", ".join("?" * len(some))
        for trace, arrival in connection.execute(
            f"SELECT trace, arrival FROM traces WHERE trace IN ({places})",  # noqa: S608  # ours
            some,
        ):
            parts.setdefault(trace, []).append(arrival)
    known.taken.update((trace, set()) for trace in unknown)
    full = {trace for trace, arrivals in parts.items() if len(arrivals) >= MOST_PARTS}
    for trace in full:
        del known.taken[trace]
        del parts[trace]
    for row in {one for arrivals in parts.values() for one in arrivals}:
        for trace, span in connection.execute(
            "SELECT trace_id, span_id FROM spans WHERE arrival = ?", (row,)
        ):
            # Of another trace that it has a span of, not all is known by that.
            if (ids := known.taken.get(bytes.fromhex(trace))) is not None:
                ids.add(span)
    return full


def _body_of_known(known: RowCache, arrival: Arrival) -> str | None:
    """Return the spans of an arrival as its row has them, if all their names are known."""
    spans = arrival.spans
    if isinstance(spans, Columns):
        names = known.names_of(arrival.app)
        numbers = list(map(names.get, zip(spans.names, map(not_, spans.parents), strict=True)))
        if None not in numbers:
            return rows.body(spans, numbers)
    return None


def _body(
    connection: sqlite3.Connection, known: RowCache, app: str, spans: Sequence[ArrivedSpan]
) -> str:
    """Return the spans of an arrival as its row has them; see the table."""
    columns = spans if isinstance(spans, Columns) else rows.columns_of(spans)
    numbers = known.names_of(app)
    names = [
        numbers.get((name, not parent)) or _name(connection, known, app, name, parent)
        for name, parent in zip(columns.names, columns.parents, strict=True)
    ]
    own = {
        (key, value): (
            _trait(connection, known, FIELD, f"{app} {key}"),
            _trait(connection, known, FIELD_VALUE, f"{app} {key} {value}"),
        )
        for span in ([] if isinstance(spans, Columns) else spans)
        for key, value in rows.own_texts(span)
    }
    return rows.body(spans, names, own)


def _attributes(arrival: Arrival) -> dict[str, Any]:
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

    What is unknown is an empty text. No name or version holds a space.
    """
    yield TOTAL, ""
    yield PROGRAM, arrival.app
    yield VERSION, f"{arrival.app} {arrival.version or ''}"
    yield CI, "" if arrival.ci is None else "yes" if arrival.ci else "no"
    yield COUNTRY, arrival.origin.country or ""
    for plugin in dict.fromkeys(arrival.plugins):
        yield PROVIDER_VERSION, plugin.replace("@", " ", 1)
    for provider in dict.fromkeys(plugin.partition("@")[0] for plugin in arrival.plugins):
        yield PROVIDER, provider


def _name(  # who writes it, where, and what
    connection: sqlite3.Connection, known: RowCache, app: str, name: str, parent: str
) -> int:
    number = _trait(connection, known, SPAN if parent else OPERATION, f"{app} {name}")
    known.names_of(app)[name, not parent] = number
    return number


def _trait(connection: sqlite3.Connection, known: RowCache, kind: str, text: str) -> int:
    number = known.traits.get((kind, text))
    if number is None:
        connection.execute(
            "INSERT INTO traits (kind, text) VALUES (?, ?) ON CONFLICT DO NOTHING", (kind, text)
        )
        number = known.traits[kind, text] = connection.execute(
            "SELECT id FROM traits WHERE kind = ? AND text = ?", (kind, text)
        ).fetchone()[0]
    return number


def _installation_key(arrival: Arrival) -> bytes:
    """Return what stands for an installation."""
    cookie = arrival.cookie
    return arrival.origin.address_hash.encode() if cookie is None else digest_of(cookie)


def _is_erased(connection: sqlite3.Connection, who: bytes) -> bool:
    row = connection.execute("SELECT 1 FROM erased WHERE cookie = ?", (who,)).fetchone()
    return row is not None


def _context(connection: sqlite3.Connection, known: RowCache, who: bytes, arrival: Arrival) -> int:
    """Return the row of what a request says, made if it is new."""
    document = json.dumps(_attributes(arrival), separators=(",", ":"))
    connection.execute("INSERT INTO installations (key) VALUES (?) ON CONFLICT DO NOTHING", (who,))
    installation = installation_of(connection, who)
    digest = hashlib.blake2b(document.encode(), digest_size=16).digest()
    made = connection.execute(
        "INSERT INTO contexts (installation, digest, said) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (installation, digest, document),
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
    spans = arrival.spans
    if isinstance(spans, Columns):
        began = spans.starts[spans.parents.index("") if "" in spans.parents else 0]
    else:
        began = next((span.started for span in spans if not span.parent_id), spans[0].started)
    today = day_of(arrival.received)
    return min(max(day_of(began // 1_000_000_000), today - MOST_DAYS_HELD), today)


def _insert(connection: sqlite3.Connection, table: str, new: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, many by one statement."""
    for at in range(0, len(new), _INSERTED_AT_ONCE):
        some = new[at : at + _INSERTED_AT_ONCE]
        places = f"({', '.join('?' * len(some[0]))})"
        connection.execute(
            f"INSERT INTO {table} VALUES {', '.join([places] * len(some))}",  # noqa: S608  # ours
            [value for row in some for value in row],
        )


def installation_of(connection: sqlite3.Connection, who: bytes) -> int | None:
    """Return the row of an installation, if there is one."""
    row = connection.execute("SELECT id FROM installations WHERE key = ?", (who,)).fetchone()
    return None if row is None else row[0]
