"""What is read by the shorter way is read alike by the longer one, which decides."""

from __future__ import annotations

import copy
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cqtel_tui import Telemetry
from cqtel_tui.collector import json_reading, keeping
from cqtel_tui.collector.allowing import Allowed, MalformedError
from cqtel_tui.collector.arrivals import Columns, Origin
from cqtel_tui.collector.schema import connect_to_write, transaction
from cqtel_tui.collector.sinks import KeepResult
from cqtel_tui.collector.usual import usual
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from .requests import as_json, attributes, request, span

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = Origin("ab" * 20, "DE")
TRACE = "0af7651916cd43dd8448eb211c80319c"
FIRST, SECOND = "b7ad6b7169203331", "00f067aa0ba902b7"


def usual_request() -> dict[str, Any]:
    failed = attributes({"process.exit.code": 3, "error.type": "OSError"})
    return request(
        span("sync", traceId=TRACE, spanId=FIRST, attributes=failed, status={"code": 2}),
        span("sync.aws", traceId=TRACE, spanId=SECOND, parentSpanId=FIRST),
        span("sync.gcp", traceId=TRACE, spanId="c7ad6b7169203331", parentSpanId="d" * 16, flags=1),
    )


def by_the_longer_way(body: bytes, now: float, monkeypatch: pytest.MonkeyPatch) -> Allowed | None:
    with monkeypatch.context() as patched:
        patched.setattr(json_reading, "usual", lambda *_: None)
        try:
            return json_reading.from_json(body, ORIGIN, now)
        except MalformedError:
            return None


def test_what_a_client_of_ours_records_is_read_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(tmp_path))
    with Telemetry("cloudquery", version="6.21.1").operation("sync") as operation:
        for part in range(9):
            with operation.span(f"sync.table_{part}"):
                pass
        operation.exit(3)
    outbox = Outbox(str(tmp_path))
    [label] = outbox.labels(PENDING)
    payload = outbox.open(PENDING, label).payload
    now = time.time()
    found = usual(payload, ORIGIN, now)
    assert found is not None
    assert found.spans == 10
    assert found == by_the_longer_way(payload, now, monkeypatch)


def test_it_says_the_same_of_each_span(monkeypatch: pytest.MonkeyPatch) -> None:
    body, now = as_json(usual_request()), time.time()
    found = usual(body, ORIGIN, now)
    assert found is not None
    [arrival] = found.arrivals
    assert isinstance(arrival.spans, Columns)
    operation, *parts = arrival.spans
    assert (operation.exit_code, operation.error_type, operation.failed) == (3, "OSError", True)
    assert [part.parent_id.hex() for part in parts] == [FIRST, "d" * 16]
    assert arrival.spans[-1] == arrival.spans[1:][1] == parts[1]
    longer = by_the_longer_way(body, now, monkeypatch)
    assert longer == found
    assert {*longer.arrivals} == {*found.arrivals}


ODD: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 3.0, 1.5, 10**30, "", " ", "1", "01", "2", "-1", "1e3"),
    *("1_000", "٣", "\u0661\u0662", "x", "x" * 41, "a b", "\ud800", "true", "null", "127.0.0.1"),
    *("0" * 16, "0" * 32, FIRST, FIRST.upper(), TRACE, TRACE.upper(), f"{FIRST[:-1]} ", FIRST[:-1]),
    *([], {}, [None], [{}], [[]], {"stringValue": "x"}, {"intValue": "5"}, {"boolValue": "true"}),
    *(
        {"boolValue": True},
        {"intValue": 5},
        {"intValue": "+5"},
        {"stringValue": "a", "intValue": 1},
    ),
    *({"arrayValue": {"values": [{"stringValue": "x"}, {}]}}, {"key": "a"}, {"code": 3}),
    *(attributes({"exception.message": "secret"}), attributes({"cloudquery.debug": True})),
    *(attributes({"service.name": "x"}), attributes({"process.exit.code": 256})),
    *("cqtel", "service.name", "exception.message", "cloudquery.debug", "error.type", "os.type"),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all that is within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, one in inner:
        found += places(one, (*path, key)) if isinstance(one, dict | list) else [(*path, key)]
    return found


PLACES = places(usual_request())
MORE = [
    "flags",
    "kind",
    "traceState",
    "events",
    "droppedLinksCount",
    "schemaUrl",
    "scope",
    "unknown",
]


@settings(max_examples=400, deadline=None)
@given(
    some.lists(
        some.tuples(
            some.sampled_from(PLACES), some.none() | some.sampled_from(MORE), some.sampled_from(ODD)
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_is_odd_is_read_as_by_the_longer_way(
    changes: list[tuple[tuple[Any, ...], str | None, Any]],
) -> None:
    changed = copy.deepcopy(usual_request())
    for path, member, odd in changes:
        value = copy.deepcopy(odd)
        holder: Any = changed
        for key in path[:-1]:
            holder = holder[key] if _has(holder, key) else {}
        within = holder[path[-1]] if _has(holder, path[-1]) else None
        if member is not None and isinstance(within, dict):
            within[member] = value
        elif _has(holder, path[-1]):
            holder[path[-1]] = value
    body, now = json.dumps(changed).encode(), time.time()
    found = usual(body, ORIGIN, now)
    if found is not None:
        with pytest.MonkeyPatch.context() as patch:
            assert found == by_the_longer_way(body, now, patch)


def _has(holder: Any, key: Any) -> bool:
    if isinstance(holder, list):
        return isinstance(key, int) and key < len(holder)
    return isinstance(holder, dict) and key in holder


@pytest.mark.parametrize(
    "members",
    [
        {"traceId": TRACE.upper()},
        {"traceId": "0" * 32},
        {"spanId": "0" * 16},
        {"parentSpanId": "0" * 16},
        {"name": "a b"},
        {"kind": 3},
        {"startTimeUnixNano": "1"},
        {"endTimeUnixNano": "1"},
        {"events": [{}]},
        {"status": {"code": 2, "message": "secret"}},
        {"attributes": attributes({"exception.message": "secret"})},
        {"attributes": attributes({"os.type": "linux"})},
    ],
    ids=str,
)
def test_what_has_to_be_told_of_is_left_to_the_longer_way(members: dict[str, Any]) -> None:
    given_span = span(**({"traceId": TRACE, "spanId": FIRST} | members))
    assert usual(as_json(request(given_span)), ORIGIN, time.time()) is None


def test_rows_that_were_made_before_names_were_forgotten_are_made_anew(tmp_path: Path) -> None:
    now = time.time()
    found = [usual(as_json(one), ORIGIN, now) for one in (usual_request(), another_request())]
    first, second = (each.arrivals for each in found if each is not None)
    connection = connect_to_write(tmp_path / "store")
    known = keeping.RowCache()
    with transaction(connection):
        keeping.keep(connection, known, [keeping.RequestRows(known, first)])
    ready = keeping.RequestRows(known, second)
    assert all(ready.bodies)
    # As where all of it was erased: what had these numbers has others, or none.
    connection.execute("UPDATE traits SET id = id + 1000")
    connection.execute("UPDATE context_traits SET trait = trait + 1000")
    known.forget()
    with transaction(connection):
        assert keeping.keep(connection, known, [ready]) == [KeepResult(3)]
    names = connection.execute(
        "SELECT DISTINCT text FROM spans JOIN traits ON traits.id = name WHERE arrival = 2"
    ).fetchall()
    connection.close()
    assert sorted(names) == [
        ("cloudquery sync",),
        ("cloudquery sync.aws",),
        ("cloudquery sync.gcp",),
    ]


def another_request() -> dict[str, Any]:
    found = usual_request()
    for one in found["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        one["traceId"] = TRACE[::-1]
    return found
