"""Read a request as protobuf, whose elements are counted before any is made.

Two bytes can be a message within another, for which the parser makes an object of a hundred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .allowing import (
    MAX_ELEMENTS,
    NO_FIELDS,
    NO_SPAN,
    NO_TRACE,
    UNFIT,
    UNKNOWN,
    Allowed,
    Allowing,
    MalformedError,
    too_many,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

    from .allowing import OwnFields, Read
    from .arrivals import Origin

_MAX_DEPTH = 100
"""As the parser has it."""
_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 3: 0, 4: 0, 5: 4}
"""How many bytes follow the tag, by its wire type; those of a group follow as fields."""
_MORE = 0x80
_LONGEST_SHIFT = 63


def from_protobuf(
    body: bytes, origin: Origin, received: float, own: OwnFields = NO_FIELDS
) -> Allowed:
    """Read a request as protobuf; as `from_json`."""
    if len(body) > MAX_ELEMENTS and has_too_many(body):
        raise too_many()
    try:
        message = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise MalformedError("not a protobuf ExportTraceServiceRequest") from None
    allowing = Allowing(origin, received, own)
    for one in message.resource_spans:
        if one.schema_url:
            allowing.left_out("resourceSpans schemaUrl", UNKNOWN)
        attributes = _attributes(allowing, one.resource.attributes)
        allowing.take(attributes, _spans(allowing, one))
    return allowing.done()


def has_too_many(body: bytes) -> bool:
    """Tell whether a message has more fields, at any depth, than a request may have.

    What is no protobuf is for the parser to find out.
    """
    try:
        return _fields(body, 0, len(body), _ROOT, MAX_ELEMENTS, _MAX_DEPTH) < 0
    except IndexError:  # it breaks off
        return False


def _fields(body: bytes, at: int, end: int, kind: _Kind, left: int, depth: int) -> int:  # noqa: PLR0913, PLR0917
    """Count the fields between two places; return how many may follow, negative if none may."""
    while at < end and left >= 0:
        left -= 1
        tag = body[at]
        at += 1
        if tag >= _MORE:
            left -= 1  # it costs as much as two
            tag, at = _varint(body, at - 1)
        wire = tag & 7
        if wire == _LENGTH_DELIMITED:
            length = body[at]
            at += 1
            if length >= _MORE:
                length, at = _varint(body, at - 1)
            if length:
                inner = kind.get(tag >> 3)
                if inner is not None and depth:
                    left = _fields(body, at, min(at + length, end), inner, left, depth - 1)
                at += length
        elif wire == 0:
            at += 1
            if body[at - 1] >= _MORE:
                _, at = _varint(body, at - 1)
        elif wire in _FIXED:
            at += _FIXED[wire]
        else:
            break
    return left


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Read a number; return it and where it ends.

    Raises:
        IndexError: it does not end.
    """
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & (_MORE - 1)) << shift
        if byte < _MORE:
            return number, at
        shift += 7
        if shift > _LONGEST_SHIFT:
            raise IndexError


class _Kind(dict[int, "_Kind"]):
    """Which fields of a message are messages."""


def _kind_of(descriptor: Descriptor, known: dict[str, _Kind]) -> _Kind:
    kind = known.get(descriptor.full_name)
    if kind is None:
        kind = known[descriptor.full_name] = _Kind()
        for field in descriptor.fields:
            if field.message_type is not None:
                kind[field.number] = _kind_of(field.message_type, known)
    return kind


_ROOT = _kind_of(ExportTraceServiceRequest.DESCRIPTOR, {})


def _attributes(allowing: Allowing, listed: Iterable[KeyValue]) -> dict[str, Any]:
    """Read OTLP's list of keys and values."""
    attributes: dict[str, Any] = {}
    for one in listed:
        key = one.key
        if key in attributes:
            allowing.twice(key)
        else:
            attributes[key] = _value(one.value)
    return attributes


def _spans(allowing: Allowing, holder: ResourceSpans) -> Iterator[Read]:
    """Give the spans of one program, of whatever scope."""
    for scope in holder.scope_spans:
        about = scope.scope
        allowing.scope(about.name, has_more=bool(about.version or about.attributes))
        if scope.schema_url:
            allowing.left_out("scopeSpans schemaUrl", UNKNOWN)
        for one in scope.spans:
            _rest_of(allowing, one)
            parent = one.parent_span_id
            yield (
                _id(one.trace_id, NO_TRACE),
                _id(one.span_id, NO_SPAN),
                _id(parent, NO_SPAN) if parent and parent != NO_SPAN else b"",
                one.name,
                one.start_time_unix_nano,
                one.end_time_unix_nano,
                one.status.code,
                _attributes(allowing, one.attributes),
            )


def _rest_of(allowing: Allowing, span: SpanMessage) -> None:
    """Note what a span says beyond what is read of it; its flags say nothing of anybody."""
    allowing.kind(span.kind)
    if span.status.message:
        allowing.left_out("status message", UNKNOWN)
    if span.events:
        allowing.left_out("span events", UNKNOWN)
    if span.links:
        allowing.left_out("span links", UNKNOWN)
    if span.trace_state:
        allowing.left_out("span traceState", UNKNOWN)


def _id(value: bytes, none: bytes) -> bytes | None:
    """Return an id; None if it has another size than `none`, or is that: all zeros."""
    return value if len(value) == len(none) and value != none else None


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "int_value":
        return value.int_value
    if kind == "array_value":
        # Texts are all that a field may have in an array.
        return [
            one.string_value if one.HasField("string_value") else UNFIT
            for one in value.array_value.values
        ]
    return UNFIT
