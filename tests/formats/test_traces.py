from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.formats.inspection import Inspection, read_inspection
from cqtel_tui.formats.otlp_traces import read_otlp
from cqtel_tui.formats.spans import Event, TraceSpan
from cqtel_tui.formats.stdouttrace import read_stdouttrace

if TYPE_CHECKING:
    from cqtel_tui.formats.strict_json import JsonValue

# Two spans as CloudQuery 0.19 wrote them with --inspect-telemetry in December 2021. Made by hand
# from that release's sources; the form was compared with what opentelemetry-go 1.2.0 really writes.
WRITTEN_IN_2021 = """\
{
	"Name": "fetch",
	"SpanContext": {
		"TraceID": "9099c48374597e33aa8869b6aee8d83d",
		"SpanID": "a5211c25a1be919d",
		"TraceFlags": "01",
		"TraceState": "",
		"Remote": false
	},
	"Parent": {
		"TraceID": "9099c48374597e33aa8869b6aee8d83d",
		"SpanID": "f1db62c7764dbab9",
		"TraceFlags": "01",
		"TraceState": "",
		"Remote": false
	},
	"SpanKind": 1,
	"StartTime": "2021-12-09T14:03:21.885161273+02:00",
	"EndTime": "2021-12-09T14:03:24.0864+02:00",
	"Attributes": [
		{
			"Key": "provider",
			"Value": {
				"Type": "STRING",
				"Value": "aws"
			}
		},
		{
			"Key": "resource_count",
			"Value": {
				"Type": "INT64",
				"Value": 9007199254740993
			}
		},
		{
			"Key": "share",
			"Value": {
				"Type": "FLOAT64",
				"Value": 1
			}
		},
		{
			"Key": "regions",
			"Value": {
				"Type": "STRINGSLICE",
				"Value": [
					"eu-west-1",
					"\\u003call\\u003e"
				]
			}
		}
	],
	"Events": [
		{
			"Name": "exception",
			"Attributes": [
				{
					"Key": "exception.type",
					"Value": {
						"Type": "STRING",
						"Value": "*errors.errorString"
					}
				}
			],
			"DroppedAttributeCount": 0,
			"Time": "2021-12-09T14:03:24.086412062+02:00"
		}
	],
	"Links": null,
	"Status": {
		"Code": "Error",
		"Description": "auth"
	},
	"DroppedAttributes": 0,
	"DroppedEvents": 0,
	"DroppedLinks": 0,
	"ChildSpanCount": 0,
	"Resource": [
		{
			"Key": "ci",
			"Value": {
				"Type": "BOOL",
				"Value": false
			}
		},
		{
			"Key": "service.name",
			"Value": {
				"Type": "STRING",
				"Value": "cloudquery"
			}
		},
		{
			"Key": "service.version",
			"Value": {
				"Type": "STRING",
				"Value": "0.19.1"
			}
		}
	],
	"InstrumentationLibrary": {
		"Name": "cloudquery.io/internal/telemetry",
		"Version": "",
		"SchemaURL": ""
	}
}
{
	"Name": "cloudquery",
	"SpanContext": {
		"TraceID": "9099c48374597e33aa8869b6aee8d83d",
		"SpanID": "f1db62c7764dbab9",
		"TraceFlags": "01",
		"TraceState": "",
		"Remote": false
	},
	"Parent": {
		"TraceID": "00000000000000000000000000000000",
		"SpanID": "0000000000000000",
		"TraceFlags": "00",
		"TraceState": "",
		"Remote": false
	},
	"SpanKind": 1,
	"StartTime": "2021-12-09T14:03:21+02:00",
	"EndTime": "2021-12-09T14:03:24.5+02:00",
	"Attributes": null,
	"Events": null,
	"Links": null,
	"Status": {
		"Code": "Ok",
		"Description": ""
	},
	"DroppedAttributes": 0,
	"DroppedEvents": 0,
	"DroppedLinks": 0,
	"ChildSpanCount": 1,
	"Resource": [
		{
			"Key": "ci",
			"Value": {
				"Type": "BOOL",
				"Value": false
			}
		},
		{
			"Key": "service.name",
			"Value": {
				"Type": "STRING",
				"Value": "cloudquery"
			}
		},
		{
			"Key": "service.version",
			"Value": {
				"Type": "STRING",
				"Value": "0.19.1"
			}
		}
	],
	"InstrumentationLibrary": {
		"Name": "cloudquery.io/internal/telemetry",
		"Version": "",
		"SchemaURL": ""
	}
}
"""

# What we record ourselves (record/__init__.py): 64-bit integers as strings, enums as numbers.
OURS = """\
{
  "resourceSpans": [
    {
      "resource": {
        "attributes": [
          {"key": "service.name", "value": {"stringValue": "cloudquery"}},
          {"key": "cloudquery.ci", "value": {"boolValue": true}},
          {"key": "cloudquery.plugins", "value": {"arrayValue": {"values": [
            {"stringValue": "cloudquery/source/aws@v1"}
          ]}}}
        ]
      },
      "scopeSpans": [
        {
          "scope": {"name": "cqtel"},
          "spans": [
            {
              "traceId": "9099c48374597e33aa8869b6aee8d83d",
              "spanId": "f1db62c7764dbab9",
              "name": "sync",
              "kind": 1,
              "startTimeUnixNano": "1639051401000000001",
              "endTimeUnixNano": "1639051404500000002",
              "attributes": [{"key": "process.exit.code", "value": {"intValue": "1"}}],
              "status": {"code": 2}
            },
            {
              "traceId": "9099c48374597e33aa8869b6aee8d83d",
              "spanId": "a5211c25a1be919d",
              "parentSpanId": "f1db62c7764dbab9",
              "name": "tables",
              "kind": 1,
              "startTimeUnixNano": "1639051402000000000",
              "endTimeUnixNano": "1639051403000000000",
              "status": {"code": 1}
            }
          ]
        }
      ]
    }
  ]
}
"""

quick = settings(deadline=None, database=None)

# Wrong values in right places get further into a reader than random keys would.
KEYS = [
    *("resourceSpans", "resource", "attributes", "scopeSpans", "scope", "name", "spans", "status"),
    *("code", "key", "value", "intValue", "doubleValue", "arrayValue", "kvlistValue", "values"),
    *("events", "traceId", "kind", "startTimeUnixNano", "endTimeUnixNano", "boolValue"),
    *("Name", "SpanContext", "TraceID", "SpanID", "Parent", "SpanKind", "StartTime", "EndTime"),
    *("Attributes", "Key", "Value", "Type", "Events", "Time", "Status", "Code", "Resource"),
]
WORDS = ["", "INT64", "BOOLSLICE", "SLICE", "NaN", "0" * 32, "-1", "9" * 20, "2021-02-30T00:00:00Z"]
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner),
    max_leaves=40,
)


def otlp_with(**fields: JsonValue) -> TraceSpan:
    """Read the first span of ours with some of its fields replaced."""
    document = json.loads(OURS)
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(fields)
    return read_otlp(document)[0].spans[0]


def go_with(**fields: JsonValue) -> TraceSpan:
    """Read the first span of 2021 with some of its fields replaced."""
    document, _ = json.JSONDecoder().raw_decode(WRITTEN_IN_2021)
    return read_stdouttrace(document | fields).spans[0]


def otlp_value(value: JsonValue) -> tuple[JsonValue, tuple[str, ...]]:
    span = otlp_with(attributes=[{"key": "k", "value": value}])
    [(key, read)] = span.attributes
    assert key == "k"
    return read, span.problems


def go_value(value: JsonValue) -> tuple[JsonValue, tuple[str, ...]]:
    span = go_with(Attributes=[{"Key": "k", "Value": value}])
    [(key, read)] = span.attributes
    assert key == "k"
    return read, span.problems


def every_problem(inspection: Inspection) -> list[str]:
    told = [str(problem) for problem in inspection.problems]
    for trace in inspection.traces:
        told += [*trace.problems, *(problem for span in trace.spans for problem in span.problems)]
    return told


# A 2021 release's file


def test_a_file_of_2021_is_read_as_one_trace_with_nothing_wrong() -> None:
    inspection = read_inspection(WRITTEN_IN_2021.encode())
    assert inspection.shape == "stdouttrace"
    assert inspection.unknown == ()
    assert every_problem(inspection) == []
    [trace] = inspection.traces
    assert trace.scope_name == "cloudquery.io/internal/telemetry"
    assert trace.resource == (
        ("ci", False),
        ("service.name", "cloudquery"),
        ("service.version", "0.19.1"),
    )
    assert [span.name for span in trace.spans] == ["fetch", "cloudquery"]


def test_a_span_of_2021_keeps_its_nanoseconds_and_the_types_of_its_values() -> None:
    [trace] = read_inspection(WRITTEN_IN_2021.encode()).traces
    assert trace.spans[0] == TraceSpan(
        name="fetch",
        trace_id="9099c48374597e33aa8869b6aee8d83d",
        span_id="a5211c25a1be919d",
        parent_span_id="f1db62c7764dbab9",
        start_unix_nano=1_639_051_401_885_161_273,
        end_unix_nano=1_639_051_404_086_400_000,
        kind="internal",
        status_code="error",
        status_message="auth",
        attributes=(
            ("provider", "aws"),
            ("resource_count", 9_007_199_254_740_993),
            ("share", 1.0),
            ("regions", ["eu-west-1", "<all>"]),
        ),
        events=(
            Event(
                "exception",
                1_639_051_404_086_412_062,
                (("exception.type", "*errors.errorString"),),
            ),
        ),
        other=(
            ("SpanContext.TraceFlags", "01"),
            ("SpanContext.TraceState", ""),
            ("SpanContext.Remote", False),
            ("Parent.TraceID", "9099c48374597e33aa8869b6aee8d83d"),
            ("Parent.TraceFlags", "01"),
            ("Parent.TraceState", ""),
            ("Parent.Remote", False),
            ("Links", None),
            ("DroppedAttributes", 0),
            ("DroppedEvents", 0),
            ("DroppedLinks", 0),
            ("ChildSpanCount", 0),
            ("InstrumentationLibrary.SchemaURL", ""),
        ),
    )
    assert trace.spans[0].duration_nano == 2_201_238_727


def test_a_parent_of_zeros_is_no_parent() -> None:
    [trace] = read_inspection(WRITTEN_IN_2021.encode()).traces
    assert trace.spans[1].parent_span_id is None
    assert trace.spans[1].status_code == "ok"


def test_spans_of_another_resource_or_library_are_another_trace() -> None:
    other_resource = WRITTEN_IN_2021.replace('"Value": false', '"Value": 0').replace(
        "BOOL", "INT64"
    )
    other_library = WRITTEN_IN_2021.replace("internal/telemetry", "other")
    inspection = read_inspection((WRITTEN_IN_2021 + other_resource + other_library).encode())
    assert [len(trace.spans) for trace in inspection.traces] == [2, 2, 2]


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2021-12-09T12:03:21Z", 1_639_051_401_000_000_000),
        ("2021-12-09T12:03:21.1Z", 1_639_051_401_100_000_000),
        ("2021-12-09T06:33:21.123456789-05:30", 1_639_051_401_123_456_789),
        ("2021-12-09T12:03:21.1234567899Z", 1_639_051_401_123_456_789),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond(written: str, nanoseconds: int) -> None:
    assert go_with(EndTime=written).end_unix_nano == nanoseconds


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("0001-01-01T00:00:00Z", "EndTime is not set"),
        ("1969-12-31T23:59:59Z", "EndTime is out of the range of OTLP times"),
        ("9999-12-31T23:59:59Z", "EndTime is out of the range of OTLP times"),
        ("2021-02-30T00:00:00Z", "EndTime is an impossible date"),
        ("2021-12-09T24:00:00Z", "EndTime is not an RFC 3339 time"),
        ("2021-12-09T12:03:21", "EndTime is not an RFC 3339 time"),
        ("٢٠٢١-12-09T12:03:21Z", "EndTime is not an RFC 3339 time"),
        (None, "EndTime is not an RFC 3339 time"),
    ],
)
def test_what_is_no_time_is_told_and_lasts_nothing(written: str | None, problem: str) -> None:
    span = go_with(EndTime=written)
    assert span.problems == (problem,)
    assert (span.end_unix_nano, span.duration_nano) == (0, 0)


@pytest.mark.parametrize(
    ("code", "read"), [(0, "unset"), (1, "error"), (2, "ok"), ("Unset", "unset"), ("Ok", "ok")]
)
def test_go_numbers_its_status_codes_in_an_order_of_its_own(code: JsonValue, read: str) -> None:
    assert go_with(Status={"Code": code}).status_code == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"Type": "BOOLSLICE", "Value": [True, False]}, [True, False]),
        ({"Type": "INT64SLICE", "Value": []}, []),
        ({"Type": "FLOAT64SLICE", "Value": [1, 0.5]}, [1.0, 0.5]),
        ({"Type": "STRINGSLICE", "Value": None}, []),
    ],
)
def test_slices_are_read_as_lists(value: JsonValue, read: JsonValue) -> None:
    assert go_value(value) == (read, ())


@pytest.mark.parametrize(
    ("value", "read", "problem"),
    [
        ({"Type": "INT64", "Value": "x"}, "x", "Value.Value is not a 64-bit integer"),
        ({"Type": "BOOL", "Value": 1}, 1, "Value.Value is a number, not true or false"),
        ({"Type": "STRING"}, None, "Value.Value is null, not a string"),
        (
            {"Type": "MAP", "Value": 1},
            {"Type": "MAP", "Value": 1},
            "Value has an unknown Type",
        ),
        ("text", "text", "Value has an unknown Type"),
    ],
)
def test_a_value_of_the_wrong_type_is_kept_as_it_stands(
    value: JsonValue, read: JsonValue, problem: str
) -> None:
    assert go_value(value) == (read, (f"Attributes[0].{problem}",))


def test_a_later_release_says_scope_instead_of_library() -> None:
    assert read_stdouttrace({"InstrumentationScope": {"Name": "new"}}).scope_name == "new"


def test_what_is_no_object_is_no_span() -> None:
    trace = read_stdouttrace([1], where="documents[3]")
    assert trace.spans == ()
    assert trace.problems == ("documents[3] is an array, not an object",)


# OTLP/JSON


def test_what_we_record_is_read_with_nothing_wrong() -> None:
    inspection = read_inspection(OURS.encode())
    assert inspection.shape == "otlp"
    assert every_problem(inspection) == []
    [trace] = inspection.traces
    assert (trace.scope_name, trace.scope_version) == ("cqtel", "")
    assert trace.resource == (
        ("service.name", "cloudquery"),
        ("cloudquery.ci", True),
        ("cloudquery.plugins", ["cloudquery/source/aws@v1"]),
    )
    root, child = trace.spans
    assert (root.parent_span_id, child.parent_span_id) == (None, "f1db62c7764dbab9")
    assert (root.status_code, child.status_code) == ("error", "ok")
    assert root.duration_nano == 3_500_000_001
    assert root.attributes == (("process.exit.code", 1),)


def test_several_payloads_in_one_file_stay_traces_of_their_own() -> None:
    inspection = read_inspection((OURS + OURS).encode())
    assert [len(trace.spans) for trace in inspection.traces] == [2, 2]


@pytest.mark.parametrize("time", [1_639_051_401_000_000_001, "1639051401000000001"])
def test_64_bit_integers_may_be_numbers_or_strings(time: JsonValue) -> None:
    assert otlp_with(startTimeUnixNano=time).start_unix_nano == 1_639_051_401_000_000_001


@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT"])
@pytest.mark.parametrize("code", [1, "STATUS_CODE_OK"])
def test_enums_may_be_numbers_or_names(kind: JsonValue, code: JsonValue) -> None:
    span = otlp_with(kind=kind, status={"code": code, "message": "fine"})
    assert (span.kind, span.status_code, span.status_message) == ("client", "ok", "fine")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"stringValue": "text"}, "text"),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(1 << 63)),
        ({"intValue": 5}, 5),
        ({"doubleValue": 3}, 3.0),
        ({"doubleValue": "NaN"}, "NaN"),
        ({"bytesValue": "AAE="}, "AAE="),
        ({"arrayValue": {}}, []),
        ({"arrayValue": {"values": [{"intValue": "1"}, {}]}}, [1, None]),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}, {"a": 1}),
        ({}, None),
        (None, None),
    ],
)
def test_every_kind_of_value_is_read(value: JsonValue, read: JsonValue) -> None:
    assert otlp_value(value) == (read, ())


@pytest.mark.parametrize(
    ("value", "read", "problem"),
    [
        ("bare", "bare", "is a string, not an object"),
        ({"stringValue": 1}, 1, "stringValue is a number, not a string"),
        ({"boolValue": "true"}, "true", "boolValue is a string, not true or false"),
        ({"intValue": " 7"}, " 7", "intValue is not a 64-bit integer"),
        ({"intValue": True}, True, "intValue is not a 64-bit integer"),
        ({"intValue": 1 << 63}, 1 << 63, "intValue is not a 64-bit integer"),
        ({"doubleValue": 10**400}, 10**400, "doubleValue is not a number of double precision"),
        ({"doubleValue": []}, [], "doubleValue is not a number of double precision"),
        ({"arrayValue": [1]}, [], "arrayValue is an array, not an object"),
        ({"int": 1}, {"int": 1}, "has not exactly one of stringValue, boolValue, intValue,"),
        ({"intValue": 1, "boolValue": True}, {"intValue": 1, "boolValue": True}, "has not exactly"),
    ],
)
def test_what_is_no_value_is_told_and_kept_as_it_stands(
    value: JsonValue, read: JsonValue, problem: str
) -> None:
    kept, [told] = otlp_value(value)
    assert kept == read
    path = "resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value"
    assert told.removeprefix(path).lstrip(" .").startswith(problem)


def test_a_list_of_pairs_with_a_key_twice_loses_neither() -> None:
    pair: JsonValue = {"key": "a", "value": {"intValue": 1}}
    value, [problem] = otlp_value({"kvlistValue": {"values": [pair, pair]}})
    assert value == [["a", 1], ["a", 1]]
    assert problem.endswith("kvlistValue.values[1] has a duplicate key")


def test_an_attribute_that_stands_twice_is_there_twice() -> None:
    pair: JsonValue = {"key": "a", "value": {"intValue": 1}}
    assert otlp_with(attributes=[pair, pair]).attributes == (("a", 1), ("a", 1))


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("endTimeUnixNano", "soon", "is not a time in nanoseconds since 1970"),
        ("endTimeUnixNano", -1, "is not a time in nanoseconds since 1970"),
        ("endTimeUnixNano", str(1 << 64), "is not a time in nanoseconds since 1970"),
        ("endTimeUnixNano", "0", "is not set"),
        ("startTimeUnixNano", None, "is not set"),
        ("traceId", "abc", "is not an id of 32 hex digits"),
        ("traceId", "0" * 32, "is not set"),
        ("spanId", 7, "is a number, not a string"),
        ("parentSpanId", "g" * 16, "is not an id of 16 hex digits"),
        ("name", ["sync"], "is an array, not a string"),
        ("kind", 6, "is none of unspecified, internal, server, client, producer, consumer"),
        ("kind", True, "is none of unspecified, internal, server, client, producer, consumer"),
        ("status", 2, "is a number, not an object"),
        ("attributes", {}, "is an object, not an array"),
        ("events", "none", "is a string, not an array"),
    ],
)
def test_a_field_of_the_wrong_type_is_told_with_its_path(
    field: str, value: JsonValue, problem: str
) -> None:
    problems = otlp_with(**{field: value}).problems
    assert f"resourceSpans[0].scopeSpans[0].spans[0].{field} {problem}" in problems


def test_ids_are_compared_in_lower_case() -> None:
    assert otlp_with(parentSpanId="F1DB62C7764DBAB9").parent_span_id == "f1db62c7764dbab9"


def test_a_span_that_ends_before_it_starts_lasts_nothing_and_is_told() -> None:
    span = otlp_with(endTimeUnixNano="1")
    assert span.duration_nano == 0
    assert span.problems == ("resourceSpans[0].scopeSpans[0].spans[0] ends before it starts",)


def test_events_are_read_with_their_time_and_attributes() -> None:
    attribute: JsonValue = {"key": "exception.type", "value": {"stringValue": "E"}}
    events: JsonValue = [{"name": "exception", "timeUnixNano": "5", "attributes": [attribute]}]
    assert otlp_with(events=events).events == (Event("exception", 5, (("exception.type", "E"),)),)


def test_a_resource_without_spans_is_shown_all_the_same() -> None:
    [trace] = read_otlp(
        {
            "resourceSpans": [
                {
                    "resource": {
                        "attributes": [{"key": "host.name", "value": {"stringValue": "laptop"}}]
                    }
                }
            ]
        }
    )
    assert (trace.resource, trace.spans) == ((("host.name", "laptop"),), ())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "the document is an array, not an object"),
        ({"resourceSpans": 1}, "resourceSpans is a number, not an array"),
        ({"resourceSpans": [1]}, "resourceSpans[0] is a number, not an object"),
        (
            {"resourceSpans": [{"resource": 1}]},
            "resourceSpans[0].resource is a number, not an object",
        ),
        (
            {"resourceSpans": [{"scopeSpans": [{"spans": [None]}]}]},
            "resourceSpans[0].scopeSpans[0].spans[0] is null, not an object",
        ),
    ],
)
def test_what_is_wrong_outside_the_spans_is_told_by_the_trace(
    document: JsonValue, problem: str
) -> None:
    assert [told for trace in read_otlp(document) for told in trace.problems] == [problem]


def test_a_flood_is_bounded_and_what_was_left_out_is_told() -> None:
    many_spans: Any = {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 10_001}]}]}
    [trace] = read_otlp(many_spans)
    assert len(trace.spans) == 10_000
    assert trace.problems == (
        "resourceSpans[0].scopeSpans[0].spans has 10,001 items, of which 10,000 are read",
    )
    many_scopes: Any = {"resourceSpans": [{"scopeSpans": [{}] * 600}] * 2}
    *traces, told = read_otlp(many_scopes)
    assert len(traces) == 1_000
    assert told.problems == ("resourceSpans[1] and what follows is not read: 1,000 traces were",)
    many_problems = otlp_with(attributes=[1] * 100).problems
    assert len(many_problems) == 51
    assert many_problems[-1] == "there are more problems, which are not listed"


def test_a_flood_of_payloads_in_one_file_is_bounded_too() -> None:
    payload = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 600}]}]})
    *traces, told = read_inspection((payload * 20).encode()).traces
    assert len(traces) == 17
    assert told.problems == (
        "documents[17] and what follows is not read: there are too many traces or spans",
    )


# Whole files


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("[]", "empty"),
        ("hello", "unknown"),
        ('{"some": "thing"}', "unknown"),
        (OURS, "otlp"),
        (WRITTEN_IN_2021, "stdouttrace"),
        (OURS + WRITTEN_IN_2021, "mixed"),
        (OURS + "{}", "mixed"),
        (WRITTEN_IN_2021 + "and then", "stdouttrace"),
    ],
)
def test_the_shape_of_a_file_is_that_of_its_documents(text: str, shape: str) -> None:
    assert read_inspection(text.encode()).shape == shape


def test_a_document_of_neither_shape_is_kept_as_it_is() -> None:
    assert read_inspection(b'{"some": ["thing"]}').unknown == ({"some": ["thing"]},)


def test_with_several_documents_a_problem_says_in_which() -> None:
    broken = OURS.replace('"kind": 1', '"kind": "x"', 1)
    [problem] = every_problem(read_inspection((OURS + broken).encode()))
    assert problem.startswith(
        "documents[1].resourceSpans[0].scopeSpans[0].spans[0].kind is none of"
    )


@pytest.mark.parametrize("text", [WRITTEN_IN_2021, OURS + OURS])
def test_a_file_torn_at_any_byte_gives_the_documents_before_the_tear(text: str) -> None:
    data = text.encode()
    whole = read_inspection(data)
    before = [span for trace in whole.traces for span in trace.spans]
    for length in range(len(data)):
        torn = read_inspection(data[:length])
        spans = [span for trace in torn.traces for span in trace.spans]
        assert [span.name for span in spans] == [span.name for span in before[: len(spans)]]
        assert len(torn.problems) <= 1


@settings(quick, max_examples=60)
@given(any_json)
def test_no_value_at_all_makes_a_reader_raise(document: JsonValue) -> None:
    read_otlp(document)
    read_stdouttrace(document)


@settings(quick, max_examples=40)
@given(any_json, st.sampled_from(KEYS))
def test_no_field_of_the_wrong_type_makes_a_reader_raise(value: JsonValue, key: str) -> None:
    for text in (OURS, WRITTEN_IN_2021):
        document, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
        replaced = json.loads(
            json.dumps(document),
            object_hook=lambda found: found | ({key: value} if key in found else {}),
        )
        read_otlp(replaced)
        read_stdouttrace(replaced)


@quick
@given(st.binary() | any_json.map(lambda value: json.dumps(value).encode()))
def test_no_file_at_all_makes_an_inspection_raise(data: bytes) -> None:
    read_inspection(data)
