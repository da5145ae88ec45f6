from __future__ import annotations

import json
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui import Telemetry
from cqtel_tui.formats.documents import as_document, as_payload
from cqtel_tui.formats.otlp_traces import read_otlp
from cqtel_tui.formats.strict_json import parse
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.paths import places

if TYPE_CHECKING:
    from cqtel_tui.formats.spans import Trace

KIND = "otlp-traces"
"""Followed by the encoding."""

hex_digits = st.text("0123456789abcdef", min_size=16, max_size=16).filter(lambda t: t.strip("0"))
names = st.text("abc.-_ /\u00e9", max_size=8)
nanoseconds = st.integers(1, (1 << 64) - 1).map(str)
plain_values = st.one_of(
    st.builds(lambda v: {"stringValue": v}, names),
    st.builds(lambda v: {"boolValue": v}, st.booleans()),
    st.builds(lambda v: {"intValue": str(v)}, st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(lambda v: {"doubleValue": v}, st.floats(allow_nan=False, allow_infinity=False)),
)
any_values = st.recursive(
    plain_values,
    lambda inner: st.one_of(
        st.builds(lambda v: {"arrayValue": {"values": v}}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda v: {"kvlistValue": {"values": [{"key": k, "value": i} for k, i in v.items()]}},
            st.dictionaries(names, inner, min_size=1, max_size=3),
        ),
    ),
    max_leaves=4,
)
attributes = st.dictionaries(names, any_values, max_size=3).map(
    lambda pairs: [{"key": key, "value": value} for key, value in pairs.items()]
)
events = st.fixed_dictionaries(
    {"name": names, "timeUnixNano": nanoseconds, "attributes": attributes}
)
spans = st.fixed_dictionaries(
    {
        "traceId": st.tuples(hex_digits, hex_digits).map("".join),
        "spanId": hex_digits,
        "parentSpanId": st.one_of(st.just(""), hex_digits),
        "name": names,
        "kind": st.integers(0, 5),
        "startTimeUnixNano": nanoseconds,
        "endTimeUnixNano": nanoseconds,
        "attributes": attributes,
        "events": st.lists(events, max_size=2),
        "status": st.fixed_dictionaries({"code": st.integers(0, 2), "message": names}),
    }
)
requests = st.fixed_dictionaries(
    {
        "resourceSpans": st.lists(
            st.fixed_dictionaries(
                {
                    "resource": st.fixed_dictionaries({"attributes": attributes}),
                    "scopeSpans": st.lists(
                        st.fixed_dictionaries(
                            {
                                "scope": st.fixed_dictionaries({"name": names, "version": names}),
                                "spans": st.lists(spans, max_size=3),
                            }
                        ),
                        max_size=2,
                    ),
                }
            ),
            max_size=2,
        )
    }
)


def model(encoding: str, payload: bytes) -> tuple[Trace, ...]:
    document = as_document(f"{KIND}-{encoding}", payload)
    assert document is not None
    return read_otlp(document or {"resourceSpans": []})


@given(requests)
def test_json_and_protobuf_of_the_same_request_give_the_same_model(request: Any) -> None:
    as_protobuf = as_payload(f"{KIND}-protobuf", request)
    read = model("json", as_payload(f"{KIND}-json", request))
    assert model("protobuf", as_protobuf) == read
    spans = [
        span for one in request["resourceSpans"] for s in one["scopeSpans"] for span in s["spans"]
    ]
    assert [span.name for trace in read for span in trace.spans] == [one["name"] for one in spans]


@given(requests)
def test_a_message_is_written_as_it_was_read(request: Any) -> None:
    payload = as_payload(f"{KIND}-protobuf", request)
    document = as_document(f"{KIND}-protobuf", payload)
    assert as_payload(f"{KIND}-protobuf", document) == payload


@pytest.mark.parametrize("kind", ["unknown", "otlp-traces-protobuf", "otlp-traces-json"])
def test_what_nobody_can_read_is_no_document(kind: str) -> None:
    assert as_document(kind, b"\xff\xff") is None


def recorded(parts: list[tuple[str, int]]) -> bytes:
    """Record an operation of these parts, each with a number, and return its payload."""
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        for name in ("CI", "DO_NOT_TRACK", "CQ_NO_TELEMETRY"):
            patch.delenv(name, raising=False)
        patch.setenv("CQ_TELEMETRY_HOME", home)
        patch.chdir(home)
        with Telemetry("cloudquery", version="0.20.0").operation("fetch") as operation:
            for name, number in parts:
                with operation.span(name) as part:
                    part.set("process.exit.code", number)
        outbox = Outbox(places().state)
        [label] = outbox.labels(PENDING)
        return outbox.open(PENDING, label).payload


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z_]{0,12}", fullmatch=True), st.integers(0, 255)),
        min_size=1,
        max_size=5,
    )
)
def test_what_the_recorder_writes_is_read_back_the_same(parts: list[tuple[str, int]]) -> None:
    payload = recorded(parts)
    [trace] = read_otlp(parse(payload))
    assert trace.problems == ()
    assert [problem for span in trace.spans for problem in span.problems] == []
    root, *rest = sorted(trace.spans, key=lambda span: span.parent_span_id is not None)
    assert root.name == "fetch"
    assert sorted(span.name for span in rest) == sorted(name for name, _ in parts)
    assert {span.trace_id for span in trace.spans} == {root.trace_id}
    assert {span.parent_span_id for span in rest} == {root.span_id}
    written = json.loads(payload)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    times = {(span["startTimeUnixNano"], span["endTimeUnixNano"]) for span in written}
    assert {(str(s.start_unix_nano), str(s.end_unix_nano)) for s in trace.spans} == times
