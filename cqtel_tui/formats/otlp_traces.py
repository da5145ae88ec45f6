"""Read the spans of OTLP's traces, from a document as OTLP/JSON has it.

All text is as untrusted as before: show it through `cqtel_tui.sanitize`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .members import Place, attributes_of, text_of
from .span_reading import Words, read_span
from .spans import Trace, TraceSpan
from .values import SPAN_KIND_PREFIX, STATUS_PREFIX, signed, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spans import Attributes
    from .strict_json import JsonValue

MAX_TRACES = 1_000
MAX_SPANS = 10_000
_MAX_DOUBLE = 1 << 1023


def read_otlp(document: JsonValue, *, where: str = "") -> tuple[Trace, ...]:
    """Read an OTLP/JSON `ExportTraceServiceRequest`: one trace for each scope of each resource.

    Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and trace.proto. It is
    lenient where exporters differ: 64-bit integers as strings or numbers, enums as numbers or
    names. What is wrong with the document itself is noted in a trace without spans.

    Args:
        document: Whatever `parse` gave.
        where: A path that all paths in problems begin with.
    """
    traces: list[Trace] = []
    outside: list[str] = []
    root = Place(document, where, outside)
    spans_left = MAX_SPANS
    resources = root.member("resourceSpans").items(MAX_TRACES) if root.is_object() else []
    for resource_spans in resources:
        if not resource_spans.is_object():
            continue
        problems: list[str] = []
        resource = _otlp_attributes(
            resource_spans.telling(problems).part("resource").member("attributes")
        )
        scopes = resource_spans.telling(problems).member("scopeSpans").items(MAX_TRACES)
        # A resource without any scope is in the payload all the same, so it is shown.
        for scope_spans in scopes or [Place({}, "", problems)]:
            if len(traces) >= MAX_TRACES:
                resource_spans.tell(f"and what follows is not read: {MAX_TRACES:,} traces were")
                break
            trace = _otlp_trace(scope_spans, resource, spans_left)
            spans_left -= len(trace.spans)
            traces.append(trace)
    if outside:
        traces.append(Trace((), "", "", (), tuple(outside)))
    return tuple(traces)


def _otlp_trace(place: Place, resource: Attributes, spans_left: int) -> Trace:
    problems = list(place.problems)
    place = place.telling(problems)
    place.is_object()
    scope = place.part("scope")
    return Trace(
        resource=resource,
        scope_name=text_of(scope.member("name")),
        scope_version=text_of(scope.member("version")),
        spans=tuple(
            _otlp_span(span) for span in place.member("spans").items(spans_left) if span.is_object()
        ),
        problems=tuple(problems),
    )


def _otlp_span(place: Place) -> TraceSpan:
    place = place.telling([])
    ids = (place.member("traceId"), place.member("spanId"), place.member("parentSpanId"))
    return read_span(place, _WORDS, ids)


def _unix_nano(place: Place) -> int:
    time = 0 if place.value is None else unsigned(place.value)
    if time is None:
        place.tell("is not a time in nanoseconds since 1970")
        return 0
    if not time:
        place.tell("is not set")
    return time


def _otlp_attributes(place: Place) -> Attributes:
    return attributes_of(place, "key", "value", any_value)


_WORDS = Words(
    name="name",
    start="startTimeUnixNano",
    end="endTimeUnixNano",
    kind="kind",
    status=("status", "code", "message"),
    attributes="attributes",
    events="events",
    event_time="timeUnixNano",
    codes=("unset", "ok", "error"),
    prefixes=(SPAN_KIND_PREFIX, STATUS_PREFIX),
    read_time=_unix_nano,
    read_attributes=_otlp_attributes,
)


def any_value(place: Place) -> JsonValue:
    """Read an AnyValue; what is not one stands for itself."""
    if place.value is None or place.value == {}:
        return None
    if not isinstance(place.value, dict):
        place.refuse("an object")
        return place.value
    fields = list(place.value)
    if len(fields) != 1 or fields[0] not in _ANY_VALUES:
        place.tell(f"has not exactly one of {', '.join(_ANY_VALUES)}")
        return place.value
    return _ANY_VALUES[fields[0]](place.member(fields[0]))


def any_string(place: Place) -> JsonValue:
    """Read a text."""
    if not isinstance(place.value, str):
        place.refuse("a string")
    return place.value


def any_bool(place: Place) -> JsonValue:
    """Read true or false."""
    if not isinstance(place.value, bool):
        place.refuse("true or false")
    return place.value


def any_int(place: Place) -> JsonValue:
    """Read a 64-bit integer."""
    number = signed(place.value)
    if number is None:
        place.tell("is not a 64-bit integer")
        return place.value
    return number


def any_double(place: Place) -> JsonValue:
    """Read a number of double precision; what is none stands for itself."""
    value = place.value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_DOUBLE:
        return float(value)
    # Infinity and NaN stay the strings that protobuf's JSON has for them.
    if not isinstance(value, float) and value not in ("NaN", "Infinity", "-Infinity"):
        place.tell("is not a number of double precision")
    return value


def _any_array(place: Place) -> JsonValue:
    place.is_object()
    return [any_value(item) for item in place.member("values").items()]


def _any_kvlist(place: Place) -> JsonValue:
    place.is_object()
    pairs = _otlp_attributes(place.member("values"))
    value = dict(pairs)
    return value if len(value) == len(pairs) else [list(pair) for pair in pairs]


_ANY_VALUES: dict[str, Callable[[Place], JsonValue]] = {
    "stringValue": any_string,
    "boolValue": any_bool,
    "intValue": any_int,
    "doubleValue": any_double,
    "arrayValue": _any_array,
    "kvlistValue": _any_kvlist,
    "bytesValue": any_string,
}
