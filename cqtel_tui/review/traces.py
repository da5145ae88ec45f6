"""Read spans out of documents: OTLP/JSON, and what a 2021 release wrote into cq-telemetry.txt.

Documents come from `documents.parse` or `parse_concatenated`, so their depth is bounded. Beyond
that they may hold anything: what has the wrong type never raises. It is told as a problem, with
its path, and its value is kept as it stands wherever there is room for it, so that it can be seen.
All text is as untrusted as before: show it through `cqtel_tui.sanitize`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypeVar

from .documents import JsonObject, JsonValue, Problem, parse_concatenated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Attributes",
    "Event",
    "Inspection",
    "Shape",
    "Span",
    "SpanKind",
    "StatusCode",
    "Trace",
    "read_inspection",
    "read_otlp",
    "read_stdouttrace",
]

Attributes: TypeAlias = tuple[tuple[str, JsonValue], ...]
SpanKind: TypeAlias = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
StatusCode: TypeAlias = Literal["unset", "ok", "error"]
Shape: TypeAlias = Literal["otlp", "stdouttrace", "mixed", "unknown", "empty"]

MAX_TRACES = 1_000
MAX_SPANS = 10_000
MAX_ITEMS = 10_000
MAX_PROBLEMS = 50
"""Told of one span, or of one trace outside its spans."""

_MAX_UNIX_NANO = (1 << 64) - 1  # OTLP times are fixed64


class Event(NamedTuple):
    """Something that happened at one moment of a span; time in ns since 1970, 0 if not known."""

    name: str
    time_unix_nano: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """A timed part of an operation.

    Attributes:
        trace_id: 32 lowercase hex digits; "" if there is none, or the text that stood there.
        span_id: 16 lowercase hex digits, with the same exceptions.
        parent_span_id: As `span_id`; None for a root.
        start_unix_nano: Nanoseconds since 1970; 0 if not known.
        end_unix_nano: As `start_unix_nano`.
        attributes: In the document's order; a key that stands there twice is here twice.
        problems: What was wrong with it, each a sentence that begins with a path.
    """

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    start_unix_nano: int
    end_unix_nano: int
    kind: SpanKind = "unspecified"
    status_code: StatusCode = "unset"
    status_message: str = ""
    attributes: Attributes = ()
    events: tuple[Event, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def duration_nano(self) -> int:
        """Nanoseconds from start to end: never negative, and 0 where either is not known."""
        if not self.start_unix_nano or not self.end_unix_nano:
            return 0
        return max(0, self.end_unix_nano - self.start_unix_nano)


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans that one scope (instrumentation library) of one resource (program) recorded."""

    resource: Attributes
    scope_name: str
    scope_version: str
    spans: tuple[Span, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspection file holds.

    Attributes:
        unknown: The documents that are neither of the two shapes, as they were parsed.
        problems: What could not be read as JSON; what was wrong inside a document is told by its
            traces and spans.
        shape: What all documents are; `mixed` if they differ, `unknown` also if none could be
            read, `empty` if there is nothing in the file but whitespace or an empty array.
    """

    traces: tuple[Trace, ...]
    unknown: tuple[JsonObject, ...]
    problems: tuple[Problem, ...]
    shape: Shape


def read_inspection(data: bytes) -> Inspection:
    """Read a whole cq-telemetry.txt, ours or a 2021 release's; bounded, and never raising.

    Spans of the 2021 shape come one to a document; those of equal resource and library are put
    together, in the order of the file, which is that in which they ended: children come first.
    """
    documents = parse_concatenated(data)
    groups: dict[str, list[Trace]] = {}
    unknown = []
    shapes: set[Shape] = set()
    spans = 0
    for index, document in enumerate(documents.values):
        where = f"documents[{index}]" if len(documents.values) > 1 else ""
        if len(groups) >= MAX_TRACES or spans >= MAX_SPANS:
            clause = f"{where} and what follows is not read: there are too many traces or spans"
            groups["not read"] = [Trace((), "", "", (), (clause,))]
            break
        shape = _shape_of(document)
        shapes.add(shape)
        if shape == "unknown":
            unknown.append(document)
        for origin, trace in _traces_of(document, shape, index, where):
            groups.setdefault(origin, []).append(trace)
            spans += len(trace.spans)
    return Inspection(
        traces=tuple(_together(traces) for traces in groups.values()),
        unknown=tuple(unknown),
        problems=documents.problems,
        shape=_common_shape(shapes, is_empty=not documents.problems),
    )


def _traces_of(
    document: JsonObject, shape: Shape, index: int, where: str
) -> Iterator[tuple[str, Trace]]:
    """Give traces, each with its origin: those of one origin are put together."""
    if shape == "otlp":
        # A payload is what is sent at once, so its traces stay its own.
        for number, trace in enumerate(read_otlp(document, where=where)):
            yield f"documents[{index}], trace {number}", trace
    elif shape == "stdouttrace":
        trace = read_stdouttrace(document, where=where)
        # As text, for a value may be an array; and unlike ==, this does not take 1 for true.
        yield json.dumps([trace.resource, trace.scope_name, trace.scope_version]), trace


def _shape_of(document: JsonObject) -> Shape:
    if "resourceSpans" in document:
        return "otlp"
    return "stdouttrace" if "SpanContext" in document else "unknown"


def _common_shape(shapes: set[Shape], *, is_empty: bool) -> Shape:
    if not shapes:
        return "empty" if is_empty else "unknown"
    return shapes.pop() if len(shapes) == 1 else "mixed"


def _together(traces: list[Trace]) -> Trace:
    # Problems outside the spans are those of the resource, which is equal: they are told once.
    return replace(traces[0], spans=tuple(span for trace in traces for span in trace.spans))


# A place in a document ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A value, its path, and the list that problems with it are added to."""

    value: JsonValue
    path: str
    problems: list[str]

    def tell(self, clause: str) -> None:
        """Add a problem, up to a bound."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{self.path or 'the document'} {clause}")
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append("there are more problems, which are not listed")

    def refuse(self, wanted: str) -> None:
        self.tell(f"is {_type_of(self.value)}, not {wanted}")

    def member(self, *names: str) -> _Place:
        """Give the first of these members that is there; without any, a place that holds None."""
        members = self.value if isinstance(self.value, dict) else {}
        name = next((name for name in names if name in members), names[0])
        path = f"{self.path}.{name}" if self.path else name
        return _Place(members.get(name), path, self.problems)

    def part(self, *names: str) -> _Place:
        """Give a member that is an object, or null or absent as if it were an empty one."""
        member = self.member(*names)
        if member.value is not None:
            member.is_object()
        return member

    def items(self, bound: int = MAX_ITEMS) -> list[_Place]:
        """Give the items of an array; null has none, in protobuf's JSON and in Go's alike."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.refuse("an array")
            return []
        if len(self.value) > bound:
            self.tell(f"has {len(self.value):,} items, of which {bound:,} are read")
        return [
            _Place(item, f"{self.path}[{index}]", self.problems)
            for index, item in enumerate(self.value[:bound])
        ]

    def is_object(self) -> bool:
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return isinstance(self.value, dict)

    def telling(self, problems: list[str]) -> _Place:
        return replace(self, problems=problems)


def _type_of(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else "a number"


# What both shapes have ----------------------------------------------------------------------------

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_HEX = re.compile(r"[0-9a-fA-F]*")
_Name = TypeVar("_Name", bound=str)

_SPAN_KINDS: tuple[SpanKind, ...] = (
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
)


def _text(place: _Place) -> str:
    if isinstance(place.value, str):
        return place.value
    if place.value is not None:
        place.refuse("a string")
    return ""


def _integer(value: JsonValue) -> int | None:
    """Read a 64-bit integer as protobuf's JSON may have it: a number, or a string of digits."""
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _identifier(place: _Place, digits: int) -> str:
    """Read an id; one of zeros only is what Go writes, and OTLP forbids, for none at all."""
    text = _text(place)
    if not text.strip("0"):
        return ""
    if len(text) != digits or not _HEX.fullmatch(text):
        place.tell(f"is not an id of {digits} hex digits")
        return text
    return text.lower()


def _own_identifier(place: _Place, digits: int) -> str:
    identifier = _identifier(place, digits)
    if not identifier:
        place.tell("is not set")
    return identifier


def _choice(place: _Place, names: tuple[_Name, ...], prefix: str = "") -> _Name:
    """Read an enum: the index of a name, or the name itself; nothing stands for the first."""
    value = place.value
    if value is None:
        return names[0]
    if isinstance(value, str):
        wanted = value.removeprefix(prefix).lower()
        chosen = next((name for name in names if name == wanted), None)
    else:
        index = _integer(value)
        chosen = names[index] if index is not None and 0 <= index < len(names) else None
    if chosen is None:
        place.tell(f"is none of {', '.join(names)}")
    return chosen or names[0]


def _attributes(
    place: _Place, key: str, value: str, read_value: Callable[[_Place], JsonValue]
) -> Attributes:
    attributes = []
    keys = set()
    for item in place.items():
        if not item.is_object():
            attributes.append(("", item.value))
            continue
        name = _text(item.member(key))
        if name in keys:
            item.tell("has a key that was there before")
        keys.add(name)
        attributes.append((name, read_value(item.member(value))))
    return tuple(attributes)


def _check_times(place: _Place, start: int, end: int) -> None:
    if start and end and end < start:
        place.tell("ends before it starts")


# OTLP/JSON ----------------------------------------------------------------------------------------

_MAX_DOUBLE = 1 << 1023
_OTLP_STATUS_CODES: tuple[StatusCode, ...] = ("unset", "ok", "error")


def read_otlp(document: JsonValue, *, where: str = "") -> tuple[Trace, ...]:
    """Read an OTLP/JSON `ExportTraceServiceRequest`: one trace for each scope of each resource.

    Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and trace.proto. It is
    lenient where exporters differ: 64-bit integers as strings or numbers, enums as numbers or
    names. What is wrong with the document itself is told by a trace without spans.

    Args:
        document: Whatever `parse` gave.
        where: A path that all paths in problems begin with.
    """
    traces: list[Trace] = []
    outside: list[str] = []
    root = _Place(document, where, outside)
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
        for scope_spans in scopes or [_Place({}, "", problems)]:
            if len(traces) >= MAX_TRACES:
                resource_spans.tell(f"and what follows is not read: {MAX_TRACES:,} traces were")
                break
            trace = _otlp_trace(scope_spans, resource, spans_left)
            spans_left -= len(trace.spans)
            traces.append(trace)
    if outside:
        traces.append(Trace((), "", "", (), tuple(outside)))
    return tuple(traces)


def _otlp_trace(place: _Place, resource: Attributes, spans_left: int) -> Trace:
    problems = list(place.problems)
    place = place.telling(problems)
    place.is_object()
    scope = place.part("scope")
    return Trace(
        resource=resource,
        scope_name=_text(scope.member("name")),
        scope_version=_text(scope.member("version")),
        spans=tuple(
            _otlp_span(span) for span in place.member("spans").items(spans_left) if span.is_object()
        ),
        problems=tuple(problems),
    )


def _otlp_span(place: _Place) -> Span:
    place = place.telling([])
    start = _unix_nano(place.member("startTimeUnixNano"))
    end = _unix_nano(place.member("endTimeUnixNano"))
    _check_times(place, start, end)
    status = place.part("status")
    return Span(
        name=_text(place.member("name")),
        trace_id=_own_identifier(place.member("traceId"), 32),
        span_id=_own_identifier(place.member("spanId"), 16),
        parent_span_id=_identifier(place.member("parentSpanId"), 16) or None,
        start_unix_nano=start,
        end_unix_nano=end,
        kind=_choice(place.member("kind"), _SPAN_KINDS, "SPAN_KIND_"),
        status_code=_choice(status.member("code"), _OTLP_STATUS_CODES, "STATUS_CODE_"),
        status_message=_text(status.member("message")),
        attributes=_otlp_attributes(place.member("attributes")),
        events=tuple(
            Event(
                name=_text(event.member("name")),
                time_unix_nano=_unix_nano(event.member("timeUnixNano")),
                attributes=_otlp_attributes(event.member("attributes")),
            )
            for event in place.member("events").items()
            if event.is_object()
        ),
        problems=tuple(place.problems),
    )


def _unix_nano(place: _Place) -> int:
    time = 0 if place.value is None else _integer(place.value)
    if time is None or not 0 <= time <= _MAX_UNIX_NANO:
        place.tell("is not a time in nanoseconds since 1970")
        return 0
    if not time:
        place.tell("is not set")
    return time


def _otlp_attributes(place: _Place) -> Attributes:
    return _attributes(place, "key", "value", _any_value)


def _any_value(place: _Place) -> JsonValue:
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


def _any_string(place: _Place) -> JsonValue:
    if not isinstance(place.value, str):
        place.refuse("a string")
    return place.value


def _any_bool(place: _Place) -> JsonValue:
    if not isinstance(place.value, bool):
        place.refuse("true or false")
    return place.value


def _any_int(place: _Place) -> JsonValue:
    number = _integer(place.value)
    if number is None or not -(1 << 63) <= number < 1 << 63:
        place.tell("is not a 64-bit integer")
        return place.value
    return number


def _any_double(place: _Place) -> JsonValue:
    value = place.value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_DOUBLE:
        return float(value)
    # Infinity and NaN stay the strings that protobuf's JSON has for them.
    if not isinstance(value, float) and value not in ("NaN", "Infinity", "-Infinity"):
        place.tell("is not a number of double precision")
    return value


def _any_array(place: _Place) -> JsonValue:
    place.is_object()
    return [_any_value(item) for item in place.member("values").items()]


def _any_kvlist(place: _Place) -> JsonValue:
    place.is_object()
    pairs = _otlp_attributes(place.member("values"))
    value = dict(pairs)
    return value if len(value) == len(pairs) else [list(pair) for pair in pairs]


_ANY_VALUES: dict[str, Callable[[_Place], JsonValue]] = {
    "stringValue": _any_string,
    "boolValue": _any_bool,
    "intValue": _any_int,
    "doubleValue": _any_double,
    "arrayValue": _any_array,
    "kvlistValue": _any_kvlist,
    "bytesValue": _any_string,
}


# What opentelemetry-go's stdouttrace wrote in 2021 ------------------------------------------------

# Go's own numbers, which are not OTLP's (opentelemetry-go v1.2.0, codes/codes.go).
_GO_STATUS_CODES: tuple[StatusCode, ...] = ("unset", "error", "ok")
_GO_VALUES: dict[str, Callable[[_Place], JsonValue]] = {
    "BOOL": _any_bool,
    "INT64": _any_int,
    "FLOAT64": _any_double,
    "STRING": _any_string,
}
_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))",
    re.IGNORECASE,
)
_EPOCH = date(1970, 1, 1).toordinal()


def read_stdouttrace(document: JsonValue, *, where: str = "") -> Trace:
    """Read one object that Go's stdouttrace wrote: a trace with one span, or none if it is no span.

    Source: opentelemetry-go v1.0 to v1.3, sdk/trace/tracetest `SpanStub` as encoding/json writes
    it; later releases say InstrumentationScope as well as InstrumentationLibrary.

    Args:
        document: Whatever `parse_concatenated` gave.
        where: A path that all paths in problems begin with.
    """
    root = _Place(document, where, [])
    if not root.is_object():
        return Trace((), "", "", (), tuple(root.problems))
    library = root.part("InstrumentationScope", "InstrumentationLibrary")
    return Trace(
        resource=_go_attributes(root.member("Resource")),
        scope_name=_text(library.member("Name")),
        scope_version=_text(library.member("Version")),
        spans=(_go_span(root.telling([])),),
        problems=tuple(root.problems),
    )


def _go_span(place: _Place) -> Span:
    start = _rfc_3339(place.member("StartTime"))
    end = _rfc_3339(place.member("EndTime"))
    _check_times(place, start, end)
    context = place.part("SpanContext")
    status = place.part("Status")
    return Span(
        name=_text(place.member("Name")),
        trace_id=_own_identifier(context.member("TraceID"), 32),
        span_id=_own_identifier(context.member("SpanID"), 16),
        parent_span_id=_identifier(place.part("Parent").member("SpanID"), 16) or None,
        start_unix_nano=start,
        end_unix_nano=end,
        kind=_choice(place.member("SpanKind"), _SPAN_KINDS),
        status_code=_choice(status.member("Code"), _GO_STATUS_CODES),
        status_message=_text(status.member("Description")),
        attributes=_go_attributes(place.member("Attributes")),
        events=tuple(
            Event(
                name=_text(event.member("Name")),
                time_unix_nano=_rfc_3339(event.member("Time")),
                attributes=_go_attributes(event.member("Attributes")),
            )
            for event in place.member("Events").items()
            if event.is_object()
        ),
        problems=tuple(place.problems),
    )


def _go_attributes(place: _Place) -> Attributes:
    return _attributes(place, "Key", "Value", _go_value)


def _go_value(place: _Place) -> JsonValue:
    """Read `{"Type": "INT64", "Value": 1}`; what is not one stands for itself."""
    kind = _text(place.member("Type"))
    read = _GO_VALUES.get(kind.removesuffix("SLICE"))
    if read is None:
        place.tell("has no Type that is known")
        return place.value
    value = place.member("Value")
    return [read(item) for item in value.items()] if kind.endswith("SLICE") else read(value)


def _rfc_3339(place: _Place) -> int:
    """Read a time as nanoseconds since 1970, in integers: a float would lose the last three."""
    found = _RFC_3339.fullmatch(_text(place))
    if not found:
        place.tell("is not a time as RFC 3339 has it")
        return 0
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = found.groups()[6:]
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        place.tell("is a day that no calendar has")
        return 0
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    if sign:
        zone = (int(zone_hours) * 60 + int(zone_minutes)) * 60
        seconds += zone if sign == "-" else -zone
    time = seconds * 1_000_000_000 + int(f"{fraction or 0:0<9}"[:9])
    if not 0 < time <= _MAX_UNIX_NANO:
        # Go writes the year 1 for a time that was never set.
        place.tell("is not set" if year == 1 else "is not a time that OTLP can hold")
        return 0
    return time
