from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cqtel_tui.catalogue import CATALOGUE_VERSION, RECORDED, allows, is_name
from cqtel_tui.collector.allowing import (
    AHEAD_DAYS,
    MAX_REASONS,
    MAX_SPANS,
    OLDEST_DAYS,
    Allowed,
    MalformedError,
)
from cqtel_tui.collector.arrivals import Origin
from cqtel_tui.collector.json_reading import from_json
from cqtel_tui.collector.protobuf_reading import from_protobuf

from .requests import COOKIE, PROGRAM, as_json, as_protobuf, attributes, request, span

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[dict[str, Any]], Allowed]

ORIGIN = Origin("ab" * 20, "DE")
DAY = 86_400 * 10**9


def through_json(value: Any) -> Allowed:
    return from_json(as_json(value), ORIGIN, time.time())


def through_protobuf(value: Any) -> Allowed:
    return from_protobuf(as_protobuf(value), ORIGIN, time.time())


@pytest.fixture(params=[through_json, through_protobuf], ids=["json", "protobuf"])
def read(request: pytest.FixtureRequest) -> Read:
    chosen: Read = request.param
    return chosen


def at(nanoseconds: int, lasting: int = 10**9) -> dict[str, str]:
    start = time.time_ns() + nanoseconds
    return {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + lasting)}


def test_what_the_catalogue_allows_is_kept(read: Read) -> None:
    first = span("sync", attributes=attributes({"process.exit.code": 1, "error.type": "OSError"}))
    first["status"] = {"code": 2}
    part = span("sync.aws", traceId=first["traceId"], parentSpanId=first["spanId"])
    found = read(request(first, part))
    assert (found.spans, found.rejected, found.message) == (2, 0, "")
    [arrival] = found.arrivals
    assert arrival.origin is ORIGIN
    assert abs(arrival.received - time.time()) < 60
    assert (arrival.app, arrival.version, arrival.build_date, arrival.ci) == (
        *("cloudquery", "6.21.1", "2026-01-02"),
        True,
    )
    assert arrival.plugins == ("source/cloudquery/aws@v1.2.3",)
    assert arrival.cookie == COOKIE
    operation, inner = arrival.spans
    assert operation.trace_id.hex() == first["traceId"]
    assert operation.span_id.hex() == inner.parent_id.hex() == first["spanId"]
    assert operation.parent_id == b""
    assert (operation.name, inner.name) == ("sync", "sync.aws")
    assert (operation.started, operation.duration) == (
        int(first["startTimeUnixNano"]),
        1_500_000_000,
    )
    assert (operation.failed, operation.exit_code, operation.error_type) == (True, 1, "OSError")
    assert (inner.failed, inner.exit_code, inner.error_type) == (False, None, None)


def test_what_our_own_client_records_is_kept_whole(
    scrubbed: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from cqtel_tui import Telemetry
    from cqtel_tui.outbox.store import Outbox
    from cqtel_tui.outbox.writing import PENDING

    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(tmp_path / "cqtel"))
    monkeypatch.chdir(tmp_path)
    telemetry = Telemetry("cloudquery", version="0.20.0", build_date="2021-12-01")
    with telemetry.operation("fetch") as operation, operation.span("fetch.aws"):
        operation.exit(3)
    outbox = Outbox(str(tmp_path / "cqtel"))
    [label] = outbox.labels(PENDING)
    found = from_json(outbox.open(PENDING, label).payload, ORIGIN, time.time())
    assert (found.spans, found.rejected, found.message) == (2, 0, "")
    assert found.arrivals[0].spans[0].exit_code == 3


def test_a_key_that_the_catalogue_has_not_is_lost_and_named(read: Read) -> None:
    program = PROGRAM | {"host.name": "secret-host", "telemetry.sdk.name": "opentelemetry"}
    found = read(request(span(attributes=attributes({"url": "secret"})), program=program))
    assert found.spans == 1
    assert "resource host.name (not in the catalogue)" in found.message
    assert "resource telemetry.sdk.name (not in the catalogue)" in found.message
    assert "span url (not in the catalogue)" in found.message
    assert "secret" not in f"{found}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("service.version", "latest, from /home/alice"),
        ("cloudquery.build_date", "yesterday"),
        ("cloudquery.ci", "yes"),
        ("cloudquery.ci", 1),
        ("cloudquery.plugins", ["/home/alice/plugin"]),
        ("cloudquery.plugins", "source/cloudquery/aws@v1.2.3"),
        ("service.instance.id", "alice"),
        ("service.version", 1.5),
    ],
)
def test_a_value_of_another_shape_is_lost_and_its_key_named(
    read: Read, key: str, value: object
) -> None:
    found = read(request(program=PROGRAM | {key: value}))
    assert found.spans == 1
    assert found.message == f"left out resource {key} (not of the shape in the catalogue)"
    assert "alice" not in f"{found}"


def test_a_key_in_another_place_is_lost(read: Read) -> None:
    program = PROGRAM | {"error.type": "OSError"}
    found = read(request(span(attributes=attributes({"service.name": "other"})), program=program))
    assert "resource error.type (not in the catalogue at that place)" in found.message
    assert "span service.name (not in the catalogue at that place)" in found.message
    assert found.arrivals[0].spans[0].error_type is None


def test_what_only_a_collector_may_add_is_not_taken_from_a_client(read: Read) -> None:
    found = read(request(program=PROGRAM | {"geo.country.iso_code": "XX"}))
    assert found.arrivals[0].origin.country == "DE"
    assert "geo.country.iso_code" in found.message


def test_an_error_text_is_kept_only_where_debug_was_said(read: Read) -> None:
    failed = span(attributes=attributes({"exception.message": "no such käse"}))
    silent = read(request(failed))
    assert silent.arrivals[0].spans[0].message is None
    assert silent.message == "left out span exception.message (allowed in debug mode only)"
    debug = read(request(failed, program=PROGRAM | {"cloudquery.debug": True}))
    assert debug.arrivals[0].spans[0].message == "no such käse"
    assert debug.message == ""
    refused = read(request(failed, program=PROGRAM | {"cloudquery.debug": False}))
    assert refused.arrivals[0].spans[0].message is None
    pretended = read(request(failed, program=PROGRAM | {"cloudquery.debug": "true"}))
    assert pretended.arrivals[0].spans[0].message is None


@pytest.mark.parametrize("name", [None, "", "my app", "/usr/bin/app", 5])
def test_without_a_valid_program_no_span_is_kept(read: Read, name: object) -> None:
    program = {key: value for key, value in PROGRAM.items() if key != "service.name"}
    if name is not None:
        program["service.name"] = name
    found = read(request(span(), span(), program=program))
    assert (found.arrivals, found.spans, found.rejected) == ((), 0, 2)
    assert "refused 2 spans without a service.name that the catalogue allows" in found.message


def test_a_name_that_is_none_is_lost_and_the_span_stays(read: Read) -> None:
    found = read(request(span("GET /home/alice")))
    assert found.arrivals[0].spans[0].name == "unnamed"
    assert found.message == "left out name (not of the shape in the catalogue)"


@pytest.mark.parametrize(
    "ids",
    [
        {"traceId": "00" * 16},
        {"traceId": "ab" * 15},
        {"traceId": ""},
        {"spanId": "00" * 8},
        {"spanId": "ab" * 9},
        {"parentSpanId": "abcd"},
    ],
)
def test_a_span_without_valid_ids_is_refused(read: Read, ids: dict[str, str]) -> None:
    found = read(request(span(**ids), span()))
    assert (found.spans, found.rejected) == (1, 1)
    assert found.message == "refused 1 spans without valid ids"


def test_an_id_is_hex_and_nothing_else() -> None:
    for wrong in ("zz" * 16, " " * 32, "ab cd " * 5 + "ab", 5, ["ab"]):
        assert through_json(request(span(traceId=wrong))).rejected == 1


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (at(-(OLDEST_DAYS * DAY + DAY)), f"from more than {OLDEST_DAYS} days ago"),
        (at(AHEAD_DAYS * DAY + DAY), f"from more than {AHEAD_DAYS} day ahead"),
        (at(0, lasting=AHEAD_DAYS * DAY + DAY), f"from more than {AHEAD_DAYS} day ahead"),
        (at(0, lasting=-1), "without a valid start and end"),
        ({"startTimeUnixNano": "0"}, "without a valid start and end"),
        ({"endTimeUnixNano": "0"}, "without a valid start and end"),
    ],
)
def test_a_span_from_a_time_that_cannot_be_is_refused(
    read: Read, times: dict[str, str], why: str
) -> None:
    found = read(request(span(**times)))
    assert (found.spans, found.rejected) == (0, 1)
    assert found.message == f"refused 1 spans {why}"


def test_a_payload_that_was_held_for_long_is_kept(read: Read) -> None:
    assert read(request(span(**at(-45 * DAY)), span(**at(DAY // 2)))).spans == 2


def test_all_that_a_span_says_beyond_the_catalogue_is_named(read: Read) -> None:
    found = read(
        request(
            span(
                kind=3,
                events=[{"name": "exception"}],
                links=[{}],
                traceState="a=b",
                flags=257,
                status={"code": 2, "message": "secret"},
            )
        )
    )
    assert found.arrivals[0].spans[0].failed
    for said in ("kind", "events", "links", "traceState", "message"):
        assert said in found.message
    assert "flags" not in found.message
    assert "secret" not in f"{found}"


def test_a_key_that_is_there_twice_counts_once(read: Read) -> None:
    twice = request()
    twice["resourceSpans"][0]["resource"]["attributes"] += attributes({"service.name": "other"})
    found = read(twice)
    assert found.arrivals[0].app == "cloudquery"
    assert found.message == "left out service.name (there twice)"


def test_what_is_said_about_a_request_is_bounded(read: Read) -> None:
    program = PROGRAM | {f"key.{number}{'x' * 5000}": "v" for number in range(500)}
    found = read(request(program=program))
    assert len(found.message) < 200 * MAX_REASONS
    assert f"and left out {500 - MAX_REASONS} more" in found.message


def test_a_key_cannot_write_to_a_terminal(read: Read) -> None:
    found = read(request(program=PROGRAM | {"\x1b]0;owned\x07\u202e": "v"}))
    assert found.message.isprintable()


def test_spans_beyond_the_bound_are_refused() -> None:
    found = through_protobuf(request(*(span() for _ in range(MAX_SPANS + 3))))
    assert (found.spans, found.rejected) == (MAX_SPANS, 3)


def test_several_programs_in_one_request_are_several_arrivals(read: Read) -> None:
    both = request()
    both["resourceSpans"] += request(program=PROGRAM | {"service.name": "other"})["resourceSpans"]
    assert [one.app for one in read(both).arrivals] == ["cloudquery", "other"]


def test_numbers_may_be_numbers() -> None:
    start = time.time_ns()
    numbers = span(startTimeUnixNano=start, endTimeUnixNano=start + 5)
    numbers["attributes"] = [{"key": "process.exit.code", "value": {"intValue": 7}}]
    found = through_json(request(numbers))
    assert found.arrivals[0].spans[0].duration == 5
    assert found.arrivals[0].spans[0].exit_code == 7


@pytest.mark.parametrize("number", ["+5", " 5", "5_0", "\u0665", "5.5", 5.5, True, "1" * 30, None])
def test_what_only_looks_like_a_time_is_none(number: object) -> None:
    assert through_json(request(span(startTimeUnixNano=number))).rejected == 1


def test_half_a_character_is_not_kept() -> None:
    half = span(attributes=attributes({"exception.message": "\ud800"}))
    found = through_json(request(half, program=PROGRAM | {"cloudquery.debug": True}))
    assert found.arrivals[0].spans[0].message is None
    assert "exception.message" in found.message


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b'"x"', b"5", b"\xff\xfe", b'{"a":1}x'),
        b'{"resourceSpans":{}}',
        b'{"resourceSpans":[5]}',
        b'{"resourceSpans":[{"resource":5}]}',
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":5}]}}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"status":5}]}]}]}',
        b'{"resourceSpans":NaN}',
        b'{"resourceSpans":-Infinity}',
        b'{"resourceSpans":' + b"1" * 5000 + b"}",
        b"[" * 50_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        from_json(body, ORIGIN, 0)


@pytest.mark.parametrize("body", [b"\xff", b"{}", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05\x0a"])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        from_protobuf(body, ORIGIN, 0)


def test_an_empty_request_is_one(read: Read) -> None:
    found = read({"resourceSpans": []})
    assert (found.arrivals, found.rejected, found.message) == ((), 0, "")
    assert from_json(b'{"resourceSpans":null}', ORIGIN, 0).message == ""


def values() -> some.SearchStrategy[Any]:
    leaves = (
        some.none()
        | some.booleans()
        | some.integers()
        | some.text(max_size=50)
        | some.floats(allow_nan=False, allow_infinity=False)
        | some.sampled_from(["cloudquery", "1.0.0", COOKIE, "source/a/b@1.0.0"])
    )
    return some.recursive(leaves, lambda inner: some.lists(inner, max_size=3), max_leaves=4)


def spoiled(strategy: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    return some.one_of(strategy, strategy, strategy, values())


KEYS = some.sampled_from([*RECORDED, "other"])
ATTRIBUTES = some.lists(
    some.fixed_dictionaries(
        {"key": spoiled(KEYS)},
        optional={
            "value": spoiled(
                some.dictionaries(
                    some.sampled_from(["stringValue", "intValue", "boolValue", "arrayValue"]),
                    spoiled(some.fixed_dictionaries({"values": some.lists(values())})),
                    max_size=2,
                )
            )
        },
    ),
    max_size=4,
)
SPANS = some.lists(
    some.builds(
        lambda more: span() | more,
        some.dictionaries(
            some.sampled_from(
                [*span(), "attributes", "parentSpanId", "events", "flags", "unheard-of"]
            ),
            values() | ATTRIBUTES,
            max_size=3,
        ),
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=60)
@given(ATTRIBUTES, SPANS)
def test_whatever_comes_nothing_beyond_the_catalogue_is_kept(
    resource: list[Any], spans: list[Any]
) -> None:
    named = [*resource, *attributes({"service.name": "cloudquery"})]
    whole = {
        "resourceSpans": [
            {"resource": {"attributes": named}, "scopeSpans": [{"spans": spoil}]}
            for spoil in (spans, [])
        ]
    }
    try:
        found = from_json(json.dumps(whole).encode(), ORIGIN, time.time())
    except MalformedError:
        return
    for arrival in found.arrivals:
        said: dict[str, object] = {
            "service.name": arrival.app,
            "service.version": arrival.version,
            "cloudquery.build_date": arrival.build_date,
            "cloudquery.ci": arrival.ci,
            "cloudquery.plugins": list(arrival.plugins),
            "service.instance.id": arrival.cookie,
        }
        for key, value in said.items():
            assert value is None or allows(key, value, CATALOGUE_VERSION, debug=False)
        for one in arrival.spans:
            assert is_name(one.name)
            assert (len(one.trace_id), len(one.span_id)) == (16, 8)
            assert len(one.parent_id) in {0, 8}
            assert one.started > 0 <= one.duration
            said = {
                "process.exit.code": one.exit_code,
                "error.type": one.error_type,
                "exception.message": one.message,
            }
            for key, value in said.items():
                assert value is None or allows(key, value, CATALOGUE_VERSION, debug=True)
