"""Read what opentelemetry-go's stdouttrace wrote into cq-telemetry.txt in 2021, one span each."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from .members import Place, attributes_of, text_of
from .otlp_traces import any_bool, any_double, any_int, any_string
from .span_reading import Words, read_span
from .spans import Trace, TraceSpan
from .values import MAX_UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spans import Attributes
    from .strict_json import JsonValue

_GO_VALUES: dict[str, Callable[[Place], JsonValue]] = {
    "BOOL": any_bool,
    "INT64": any_int,
    "FLOAT64": any_double,
    "STRING": any_string,
}
_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))",
    re.IGNORECASE,
)
MAX_OTHER = 100
_READ: dict[str, tuple[str, ...]] = {
    "SpanContext": ("TraceID", "SpanID"),
    "Parent": ("SpanID",),
    "Status": ("Code", "Description"),
    "InstrumentationScope": ("Name", "Version"),
    "InstrumentationLibrary": ("Name", "Version"),
    **dict.fromkeys(
        ("Name", "SpanKind", "StartTime", "EndTime", "Attributes", "Events", "Resource"), ()
    ),
}
"""The members of a span that are read, each with those of its own that are; none for all."""
_EPOCH = date(1970, 1, 1).toordinal()


def read_stdouttrace(document: JsonValue, *, where: str = "") -> Trace:
    """Read one object that Go's stdouttrace wrote: a trace with one span, or none if it is no span.

    Source: opentelemetry-go v1.0 to v1.3, sdk/trace/tracetest `SpanStub` as encoding/json writes
    it; later releases say InstrumentationScope as well as InstrumentationLibrary.

    Args:
        document: Whatever `parse_concatenated` gave.
        where: A path that all paths in problems begin with.
    """
    root = Place(document, where, [])
    if not root.is_object():
        return Trace((), "", "", (), tuple(root.problems))
    library = root.part("InstrumentationScope", "InstrumentationLibrary")
    return Trace(
        resource=_go_attributes(root.member("Resource")),
        scope_name=text_of(library.member("Name")),
        scope_version=text_of(library.member("Version")),
        spans=(_go_span(root.telling([])),),
        problems=tuple(root.problems),
    )


def _go_span(place: Place) -> TraceSpan:
    context = place.part("SpanContext")
    parent = place.part("Parent").member("SpanID")
    ids = (context.member("TraceID"), context.member("SpanID"), parent)
    return replace(read_span(place, _WORDS, ids), other=_other(place))


def _other(place: Place) -> Attributes:
    """Return the members that are read nowhere else, so that they are shown all the same."""
    members = place.value if isinstance(place.value, dict) else {}
    other: list[tuple[str, JsonValue]] = []
    for name, value in members.items():
        known = _READ.get(name)
        if known is None:
            other.append((name, value))
        elif known and isinstance(value, dict):
            other += [(f"{name}.{key}", each) for key, each in value.items() if key not in known]
    return tuple(other[:MAX_OTHER])


def _go_attributes(place: Place) -> Attributes:
    return attributes_of(place, "Key", "Value", _go_value)


def _go_value(place: Place) -> JsonValue:
    """Read `{"Type": "INT64", "Value": 1}`; what is not one stands for itself."""
    kind = text_of(place.member("Type"))
    read = _GO_VALUES.get(kind.removesuffix("SLICE"))
    if read is None:
        place.tell("has an unknown Type")
        return place.value
    value = place.member("Value")
    return [read(item) for item in value.items()] if kind.endswith("SLICE") else read(value)


def _rfc_3339(place: Place) -> int:
    """Read a time as nanoseconds since 1970, in integers: a float would lose the last three."""
    match = _RFC_3339.fullmatch(text_of(place))
    if not match:
        place.tell("is not an RFC 3339 time")
        return 0
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        place.tell("is an impossible date")
        return 0
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    if sign:
        zone = (int(zone_hours) * 60 + int(zone_minutes)) * 60
        seconds += zone if sign == "-" else -zone
    time = seconds * 1_000_000_000 + int(f"{fraction or 0:0<9}"[:9])
    if not 0 < time <= MAX_UNSIGNED:
        # Go writes the year 1 for a time that was never set.
        place.tell("is not set" if year == 1 else "is out of the range of OTLP times")
        return 0
    return time


_WORDS = Words(
    name="Name",
    start="StartTime",
    end="EndTime",
    kind="SpanKind",
    status=("Status", "Code", "Description"),
    attributes="Attributes",
    events="Events",
    event_time="Time",
    # Go's own numbers, which are not OTLP's (opentelemetry-go v1.2.0, codes/codes.go).
    codes=("unset", "error", "ok"),
    prefixes=("", ""),
    read_time=_rfc_3339,
    read_attributes=_go_attributes,
)
