"""Read a request as OTLP/JSON: only what may be kept, or is reported as left out, is decoded.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: members that nobody knows are
ignored, and null is what is not there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from ..formats.values import integer, signed
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
from .usual import MOST_USUAL_BYTES, usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .allowing import OwnFields, Read
    from .arrivals import Origin

_LONGEST_NUMBER = 20
_CODES = {
    "STATUS_CODE_UNSET": 0,
    "STATUS_CODE_OK": 1,
    "STATUS_CODE_ERROR": 2,
    "0": 0,
    "1": 1,
    "2": 2,
}
"""protobuf's JSON names a value of an enum; OTLP's has its number."""
_INTERNAL = 1
_NOBODY = "0" * 16
_NOTHING: dict[str, Any] = {}
_NO_LIST = msgspec.Raw(b"null")
MAX_DEPTH = 64
_MOST_STRIPPED = 1 << 20
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_EMPTY = (b"[]", b"{}", b"null")


class _Value(msgspec.Struct, gc=False, rename="camel"):
    string_value: Any = None
    bool_value: Any = None
    int_value: Any = None
    array_value: Any = None


class _Attribute(msgspec.Struct, gc=False):
    key: str | None = None
    value: _Value | None = None


class _Scope(msgspec.Struct, gc=False):
    name: Any = None
    version: Any = None
    attributes: msgspec.Raw = _NO_LIST


class _Status(msgspec.Struct, gc=False):
    code: Any = None
    message: Any = None


class _Span(msgspec.Struct, gc=False, rename="camel"):
    trace_id: Any = None
    span_id: Any = None
    parent_span_id: Any = None
    name: Any = None
    kind: Any = None
    start_time_unix_nano: Any = None
    end_time_unix_nano: Any = None
    attributes: list[_Attribute | None] | None = None
    status: _Status | None = None
    trace_state: Any = None
    events: msgspec.Raw = _NO_LIST
    links: msgspec.Raw = _NO_LIST


class _ScopeSpans(msgspec.Struct, gc=False, rename="camel"):
    scope: _Scope | None = None
    spans: list[_Span | None] | None = None
    schema_url: Any = None


class _Resource(msgspec.Struct, gc=False):
    attributes: list[_Attribute | None] | None = None


class _ResourceSpans(msgspec.Struct, gc=False, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans | None] | None = None
    schema_url: Any = None


class _Request(msgspec.Struct, gc=False, rename="camel"):
    resource_spans: list[_ResourceSpans | None] | None = None


_decoder = msgspec.json.Decoder(_Request | None)


def elements(part: bytes) -> int:
    """Count what may be elements in a part of a body, with such signs inside texts."""
    return part.count(b"{") + part.count(b"[") + part.count(b",")


def from_json(body: bytes, origin: Origin, received: float, own: OwnFields = NO_FIELDS) -> Allowed:
    """Read a request as OTLP/JSON.

    Args:
        body: without compression.
        origin: what was derived from the address.
        received: seconds since 1970.
        own: the own fields of each program that may be kept.

    Raises:
        MalformedError: it is not OTLP/JSON.
        TooLargeError: it has too many elements.
    """
    if len(body) > MAX_ELEMENTS and elements(body) > MAX_ELEMENTS:
        raise too_many()
    if len(body) <= MOST_USUAL_BYTES and (allowed := usual(body, origin, received)):
        return allowed
    if is_too_deep(body):
        raise MalformedError("too deep")
    allowing = Allowing(origin, received, own)
    for one in _whole(_decoded(body).resource_spans):
        if one.schema_url:
            allowing.left_out("resourceSpans schemaUrl", UNKNOWN)
        attributes = one.resource.attributes if one.resource else None
        about = _attributes(allowing, attributes) if attributes else _NOTHING
        allowing.take(about, _spans(allowing, _whole(one.scope_spans)))
    return allowing.done()


def is_too_deep(body: bytes) -> bool:
    """Tell whether JSON is nested deeper than may be, whatever the interpreter's own bound is.

    Signs in texts count at first, and are left out where they made the difference. What hides its
    depth by them is for the parser to refuse.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    if not _is_deep(body):
        return False
    return len(body) > _MOST_STRIPPED or _is_deep(_TEXT.sub(b"", body))


def _is_deep(body: bytes) -> bool:
    left = body.translate(None, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH):
        before = len(left)
        left = left.replace(b"[]", b"").replace(b"{}", b"")
        if len(left) == before:  # there is nothing left, or it is no JSON
            return left.count(b"[") + left.count(b"{") > MAX_DEPTH
    return bool(left)


def _decoded(body: bytes) -> _Request:
    try:
        return _decoder.decode(body) or _Request()
    except msgspec.ValidationError as error:
        raise MalformedError(f"not OTLP ({_place(error)})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if b"\\u" in body and isinstance(error, msgspec.DecodeError):
            return _decoded_with_half_characters(body)
        raise _malformed(error) from None


def _decoded_with_half_characters(body: bytes) -> _Request:
    """Decode JSON with lone surrogates, as Python writes a name that is not UTF-8."""
    try:
        document = json.loads(body)
        return msgspec.convert(document, _Request | None) or _Request()
    except (ValueError, RecursionError) as error:
        raise _malformed(error) from None


def _malformed(error: Exception) -> MalformedError:
    if isinstance(error, RecursionError):
        return MalformedError("too deep")
    return MalformedError("not UTF-8" if isinstance(error, UnicodeDecodeError) else "not JSON")


def _place(error: Exception) -> str:
    """Return where an error is, in the words of the schema: `$.resourceSpans[0].scopeSpans`."""
    return f"{error}".rpartition("`$")[2].strip("`.[]") or "the whole"


def _whole(messages: Sequence[Any | None] | None) -> Iterable[Any]:
    """Return the messages of a list: null stands for an empty one, of which nothing is kept."""
    if not messages:
        return ()
    return filter(None, messages) if None in messages else messages


def _spans(allowing: Allowing, scopes: Iterable[_ScopeSpans]) -> Iterator[Read]:
    """Give the spans of one program, of whatever scope."""
    ids: dict[str, bytes | None] = {}
    for holder in scopes:
        if holder.schema_url:
            allowing.left_out("scopeSpans schemaUrl", UNKNOWN)
        scope = holder.scope
        if scope is not None:
            has_more = bool(scope.version) or _has(scope.attributes)
            allowing.scope(scope.name, has_more=has_more)
        for one in holder.spans or ():
            span = one or _Span()
            status, parent = span.status, span.parent_span_id
            if (
                span.kind != _INTERNAL
                or span.trace_state
                or span.events is not _NO_LIST
                or span.links is not _NO_LIST
                or (status is not None and status.message)
            ):  # there is rarely anything to report
                _rest_of(allowing, span)
            yield (
                _known_id(ids, span.trace_id, NO_TRACE),
                _id(span.span_id, NO_SPAN),
                _parent(ids, parent) if parent else b"",
                span.name,
                _number(span.start_time_unix_nano),
                _number(span.end_time_unix_nano),
                _code(status.code) if status else None,
                _attributes(allowing, span.attributes) if span.attributes else _NOTHING,
            )


def _rest_of(allowing: Allowing, span: _Span) -> None:
    """Note what a span says beyond what is read of it."""
    allowing.kind(span.kind)
    if span.status and span.status.message:
        allowing.left_out("status message", UNKNOWN)
    if span.trace_state:
        allowing.left_out("span traceState", UNKNOWN)
    if _has(span.events):
        allowing.left_out("span events", UNKNOWN)
    if _has(span.links):
        allowing.left_out("span links", UNKNOWN)


def _has(raw: msgspec.Raw) -> bool:
    """Tell whether a list that is not read has anything in it."""
    return raw is not _NO_LIST and bytes(memoryview(raw)[:8]) not in _EMPTY


def _attributes(allowing: Allowing, listed: Iterable[_Attribute | None]) -> dict[str, Any]:
    """Read OTLP's list of keys and values."""
    attributes: dict[str, Any] = {}
    for one in listed:
        if one is None or one.key is None:
            continue
        if one.key in attributes:
            allowing.twice(one.key)
        else:
            attributes[one.key] = UNFIT if one.value is None else _value(one.value)
    return attributes


def _value(value: _Value) -> object:
    text = value.string_value
    if text is not None:
        return text if type(text) is str else UNFIT
    if value.bool_value is not None:
        return value.bool_value if type(value.bool_value) is bool else UNFIT
    if value.int_value is not None:
        number = signed(value.int_value)
        return UNFIT if number is None else number
    if type(value.array_value) is dict:
        values = value.array_value.get("values")
        return list(map(_inner, values)) if type(values) is list else UNFIT
    return UNFIT


def _inner(value: object) -> object:
    """Return what stands in an array: texts are all that a field may have there."""
    return value.get("stringValue") if type(value) is dict and len(value) == 1 else UNFIT


def _number(value: object) -> int | None:
    """Read a whole number as `formats.values` has it; the usual ones, by the shortest way."""
    if type(value) is str and len(value) < _LONGEST_NUMBER and value.isdigit() and value.isascii():
        return int(value)
    return integer(value)


def _code(code: object) -> object:
    """Return the number of a status code, which may be named; anything else as it is."""
    if type(code) is str:
        return _CODES.get(code, code)
    return UNFIT if type(code) is bool else code  # a bool is a number to Python


def _id(value: object, none: bytes) -> bytes | None:
    """Return an id; None if it has another size than `none`, or is that: all zeros."""
    if type(value) is not str or len(value) != 2 * len(none):
        return None
    try:
        identifier = bytes.fromhex(value)
    except ValueError:
        return None
    return identifier if len(identifier) == len(none) and identifier != none else None


def _known_id(ids: dict[str, bytes | None], value: object, none: bytes) -> bytes | None:
    """Return an id that many spans of a request share; each is decoded once."""
    if type(value) is not str:
        return None
    if value not in ids:
        ids[value] = _id(value, none)
    return ids[value]


def _parent(ids: dict[str, bytes | None], value: object) -> bytes | None:
    """Return the id of a parent, which is none if it is all zeros."""
    return b"" if value == _NOBODY else _known_id(ids, value, NO_SPAN)
