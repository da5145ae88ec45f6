"""Give people their data from ClickHouse behind the edges, and erase it there.

A cookie is erased for all edges at once: what says so stands in a table that each of them looks at
before it hands anything on, and that the views of ClickHouse look at before they keep anything.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .allowing import NO_FIELDS
from .arrivals import digest_of
from .clickhouse_asking import ClickHouse
from .logs import tell_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from ..consent.contracts import Shape
    from .allowing import OwnFields
    from .clickhouse_asking import DatabasePlace

TRACES_AT_ONCE = 200
_OVERLAP = timedelta(minutes=5)
"""How much later than a newer row an older one may become visible."""
_REST_SECONDS = 10.0
"""How long ClickHouse is left alone after it did not answer, so that payloads do not wait."""
_FORCED = {"mutations_sync": 2}
"""Have a statement return only after all replicas have rewritten the rows."""
_SHA1_DIGITS = 40
_TABLES = ("errors", "dead_letters", "spans")

_TRACES = """
SELECT trace_id FROM {database}.spans FINAL WHERE installation = {who:String}
GROUP BY trace_id ORDER BY min(started), trace_id
"""
_SPANS = """
SELECT trace_id, span_id, parent_id, program, name, started, duration, failed, exit_code,
    error_type, version, build_date, ci, plugins, address_hash, country, region, city, text, own
FROM (
    SELECT * FROM {database}.spans FINAL
    WHERE installation = {who:String} AND trace_id IN {traces:Array(String)}
) AS span
LEFT JOIN (
    SELECT trace_id, span_id, text FROM {database}.errors FINAL WHERE installation = {who:String}
) AS error USING (trace_id, span_id)
ORDER BY parent_id != '', started, span_id
"""
_COUNT = "SELECT count() FROM {database}.spans FINAL WHERE installation = {who:String}"
_NOTE = "INSERT INTO {database}.erased VALUES ({who:String}, {had:Bool}, now64(3))"
_DELETE = "ALTER TABLE {database}.%s DELETE WHERE installation = {who:String}"
_ERASED = """
SELECT toString(installation), erased_at FROM {database}.erased
WHERE erased_at >= {since:DateTime64(3)}
"""
# What was on its way past a view while its cookie was erased.
_LATE = """
SELECT DISTINCT installation FROM {database}.%s
WHERE installation IN (SELECT toString(installation) FROM {database}.erased)
"""


class Rights:
    """What is kept of a cookie in ClickHouse.

    Args:
        place: where that is.
        own: the own fields of each program that has a contract here.
    """

    def __init__(self, place: DatabasePlace, own: OwnFields = NO_FIELDS) -> None:
        self._place = place
        self._own = own
        self._lock = threading.Lock()
        self._connected: ClickHouse | None = None
        self._erasing = ThreadPoolExecutor(2, "erasing")
        self._erased: set[str] = set()
        self._since = datetime.fromtimestamp(0, UTC)
        self._rests_until = float("-inf")

    def pages(self, cookie: str) -> Iterator[list[dict[str, Any]]]:
        """Yield all that is kept of a cookie, some operations at a time: a row for each.

        Raises:
            StoreError: ClickHouse does not answer, or refuses the query.
        """
        who = digest_of(cookie).hex()
        clickhouse = self._clickhouse()
        traces = [_text(trace) for (trace,) in clickhouse.rows(_TRACES, who=who)]
        for at in range(0, len(traces), TRACES_AT_ONCE):
            some = traces[at : at + TRACES_AT_ONCE]
            spans: dict[str, list[Sequence[Any]]] = {trace: [] for trace in some}
            for row in clickhouse.rows(_SPANS, who=who, traces=some):
                spans[_text(row[0])].append(row)
            yield [_operation(rows, self._own) for rows in spans.values() if rows]

    def erase(self, cookie: str) -> Future[int]:
        """Erase all spans of a cookie, those to come included; resolves to how many there were."""
        return self._erasing.submit(self._erase, digest_of(cookie).hex())

    def erase_late(self) -> int:
        """Erase what slipped past while its cookie was erased; return of how many cookies."""
        clickhouse = self._clickhouse()
        late: set[str] = set()
        for table in _TABLES:
            late.update(_text(who) for (who,) in clickhouse.rows(_LATE % table))
        for who in sorted(late):
            self._delete(clickhouse, who)
        return len(late)

    def erased(self) -> set[str]:
        """Return the digests of all cookies that were erased by now, as lower-case hex.

        Where ClickHouse does not answer, those that are known: it drops the others itself.
        """
        with self._lock:
            if time.monotonic() < self._rests_until:
                return self._erased
            try:
                rows = self._clickhouse().rows(_ERASED, since=self._since - _OVERLAP)
            except Exception as error:  # noqa: BLE001  # whatever it is, payloads go on
                tell_error("whether an installation ID was erased could not be looked up", error)
                self._rests_until = time.monotonic() + _REST_SECONDS
                return self._erased
            for who, when in rows:
                self._erased.add(_text(who))
                self._since = max(self._since, when.replace(tzinfo=UTC))
            return self._erased

    def trouble(self) -> str:
        """Say why nobody can be given their data; empty if they can."""
        try:
            self._clickhouse().rows("SELECT 1 FROM {database}.erased LIMIT 0")
        except Exception as error:  # noqa: BLE001  # logged without its message, which names addresses
            tell_error("ClickHouse does not answer", error)
            return "ClickHouse does not answer"
        return ""

    def close(self) -> None:
        """Finish what is being erased."""
        self._erasing.shutdown()
        if self._connected is not None:
            self._connected.close()

    def _erase(self, who: str) -> int:
        clickhouse = self._clickhouse()
        ((count,),) = clickhouse.rows(_COUNT, who=who)
        clickhouse.do(_NOTE, who=who, had=bool(count))
        with self._lock:
            self._erased.add(who)
        self._delete(clickhouse, who)
        return int(count)

    def _delete(self, clickhouse: ClickHouse, who: str) -> None:
        for table in _TABLES:
            clickhouse.do(_DELETE % table, _FORCED, who=who)

    def _clickhouse(self) -> ClickHouse:
        # An edge starts while ClickHouse is down.
        if self._connected is None:
            self._connected = ClickHouse(self._place)
        return self._connected


def _operation(rows: Sequence[Sequence[Any]], own: OwnFields) -> dict[str, Any]:
    """Return an operation under the keys of the catalogue, as a store gives it back."""
    first = rows[0]
    program, (version, build_date, ci, plugins, address, country, region, city) = (
        first[3],
        first[10:18],
    )
    return {
        "service.name": program,
        "service.version": version or None,
        "cloudquery.build_date": build_date or None,
        "cloudquery.ci": None if ci is None else bool(ci),
        "cloudquery.plugins": list(plugins),
        "cloudquery.ip_sha1" if len(address) == _SHA1_DIGITS else "address_hash": address,
        "geo.country.iso_code": country or None,
        "geo.region.name": region or None,
        "geo.locality.name": city or None,
        "spans": [
            {
                **_typed(row[19], own.get(program, {})),
                "trace_id": _text(row[0]),
                "span_id": _text(row[1]),
                "parent_id": row[2] or None,
                "name": row[4],
                "started": row[5].replace(tzinfo=UTC).isoformat(),
                "duration_ns": row[6],
                "success": not row[7],
                "process.exit.code": row[8],
                "error.type": row[9] or None,
                "exception.message": row[18] or None,
            }
            for row in rows
        ],
    }


def _typed(texts: Mapping[str, str], own: Mapping[str, Shape]) -> dict[str, Any]:
    """Return a program's own fields as its contract types them: ClickHouse has texts alone."""
    return {
        key: _value(text, own[key].type) if key in own else text
        for key, text in sorted(texts.items())
    }


def _value(text: str, kind: str) -> Any:
    """Return what a text stands for; itself where it is nothing of that kind."""
    reads: dict[str, Callable[[str], Any]] = {
        "boolean": lambda text: text == "true",
        "integer": int,
        "array of strings": json.loads,
    }
    try:
        return reads.get(kind, str)(text)
    except ValueError:  # what came past the engine's list
        return text


def _text(value: str | bytes) -> str:
    """Return what is in a column of texts of one length, which come as bytes."""
    return value.decode("ascii") if isinstance(value, bytes) else value
