from __future__ import annotations

import json
import time
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict, ParseError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from cqtel_tui.collector.arrivals import Origin
from cqtel_tui.collector.json_reading import from_json
from cqtel_tui.formats import values
from cqtel_tui.formats.otlp_traces import read_otlp
from cqtel_tui.gate.pseudonyms import Pseudonyms
from cqtel_tui.gate.redaction import Rules, keep
from cqtel_tui.review.explain import explain

INTEGERS: list[tuple[object, int | None]] = [
    *((7, 7), ("7", 7), ("007", 7), (7.0, 7), ("7.0", 7), ("1e3", 1000), (1e3, 1000), ("70E-1", 7)),
    *((0, 0), ("-0", 0), (-0.0, 0), ("-7", -7), (-7, -7), ("0.0", 0), ("1.50e1", 15)),
    *(((1 << 63) - 1, (1 << 63) - 1), (str((1 << 64) - 1), (1 << 64) - 1), ("1e18", 10**18)),
    *((1 << 64, None), (str(1 << 64), None), ("1e20", None), (1e20, None), ("9" * 30, None)),
    *((-(1 << 63) - 1, None), ("1e99", None), ("1e999999999", None), ("9" * 5000, None)),
    *((" 7", None), ("7 ", None), ("+7", None), ("7_0", None), ("", None), ("-", None)),
    *((".5", None), ("5.", None), ("1e", None), ("0x7", None), ("\u0663", None), ("7\n", None)),
    *((7.5, None), ("7.5", None), ("75e-1", None), (float("inf"), None), (float("nan"), None)),
    *((True, None), (False, None), (None, None), ([], None), ({}, None), ("seven", None)),
]
START = time.time_ns() // 10**9 * 10**9
"""A whole second, so that a double holds it."""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 65), 1 << 65),
    st.floats(),
    st.from_regex(r"[-+ ]?[0-9]{0,3}(\.[0-9]{0,3})?([eE][-+]?[0-9]{0,2})?", fullmatch=True),
    st.sampled_from([value for value, _ in INTEGERS]),
    st.text(max_size=5),
)


@pytest.mark.parametrize(("value", "number"), INTEGERS, ids=lambda value: repr(value)[:30])
def test_a_64_bit_integer_is_what_protobufs_json_has_for_one(
    value: object, number: int | None
) -> None:
    assert values.integer(value) == number


@given(scalars)
def test_what_is_read_as_an_integer_protobuf_itself_reads_as_the_same(value: Any) -> None:
    number = values.signed(value)
    if number is not None:
        assert ParseDict({"intValue": value}, AnyValue()).int_value == number
    time_unix_nano = values.unsigned(value)
    if time_unix_nano is not None:
        message = ParseDict({"startTimeUnixNano": value}, SpanMessage())
        assert message.start_time_unix_nano == time_unix_nano


@given(st.integers(-(1 << 65), 1 << 65))
def test_an_integer_that_protobuf_takes_is_read(number: int) -> None:
    for value in (number, str(number)):
        try:
            ParseDict({"intValue": value}, AnyValue())
        except ParseError:
            assert values.signed(value) is None
        else:
            assert values.signed(value) == number


def with_time(value: object) -> dict[str, Any]:
    span = {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "name": "fetch",
        "kind": 1,
        "startTimeUnixNano": value,
        "endTimeUnixNano": value,
    }
    program = [{"key": "service.name", "value": {"stringValue": "cloudquery"}}]
    return {
        "resourceSpans": [{"resource": {"attributes": program}, "scopeSpans": [{"spans": [span]}]}]
    }


@pytest.mark.parametrize(
    "write",
    [int, str, float, lambda n: f"00{n}", lambda n: f"{n}.0", lambda n: f"{n // 10**9}e9"],
    ids=["number", "text", "double", "zeros", "point", "exponent"],
)
def test_review_gate_and_collector_read_the_same_time(write: Any) -> None:
    document = with_time(write(START))
    [trace] = read_otlp(document)
    assert trace.spans[0].start_unix_nano == START
    arrived = from_json(json.dumps(document).encode(), Origin("a" * 40), time.time())
    assert [span.started for arrival in arrived.arrivals for span in arrival.spans] == [START]
    sent = keep(
        document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["startTimeUnixNano"],
        "nanoseconds",
        Rules({}, Pseudonyms(b"k" * 32)),
    ).value
    assert sent in {START, str(START)}, "in one way, so that its writing says nothing"


@pytest.mark.parametrize("value", [" 7", "+7", 7.5, "7.5", True, str(1 << 64), 1 << 64, ""])
def test_what_is_no_time_is_none_to_any_of_them(value: object) -> None:
    document = with_time(value)
    [trace] = read_otlp(document)
    assert trace.spans[0].start_unix_nano == 0
    assert from_json(json.dumps(document).encode(), Origin("a" * 40), time.time()).rejected == 1
    assert keep(value, "nanoseconds", Rules({}, Pseudonyms(b"k" * 32))).removals  # type: ignore[arg-type]  # any value of JSON
    rows = explain(json.dumps(document).encode()).rows
    assert all(row.problem for row in rows if row.key.endswith("UnixNano"))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((0, 0), (1, 1), (2, 2), ("2", 2), (2.0, 2), ("STATUS_CODE_ERROR", 2), ("Ok", 1)),
        *((3, None), (-1, None), ("02", None), (True, None), ("", None), ("success", None)),
        *((1.5, None), ([], None), (None, None)),
    ],
)
def test_a_status_is_its_number_or_its_name(value: object, code: int | None) -> None:
    assert values.status_code(value) == code


@given(scalars)
def test_a_number_written_as_usual_says_the_same_and_is_written_so_again(value: Any) -> None:
    usual = values.as_usual(value)
    if values.integer(value) is None:
        assert usual is value
    else:
        assert values.integer(usual) == values.integer(value)
        assert usual in {values.integer(value), str(values.integer(value))}
