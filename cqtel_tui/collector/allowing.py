"""Keep of an OTLP request what the catalogue allows, and say what was left out, and why.

Bytes in, arrivals out: OTLP/JSON or protobuf, as https://opentelemetry.io/docs/specs/otlp/ has
them. A key that is not allowed is lost, and the span stays; a span is refused where what is left
would mean nothing or something else: no program, no id, no time, or a time far from now. Nothing
of a request is quoted but the names of its keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..catalogue import CATALOGUE_VERSION, MAX_NAME, ON_SPANS, RECORDED, allows, is_name
from ..record import SCOPE, UNNAMED
from ..sanitize import printable
from .arrivals import Arrival, ArrivedSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

    from .arrivals import Origin

    _Span: TypeAlias = tuple[
        bytes | None,
        bytes | None,
        bytes | None,
        object,
        int | None,
        int | None,
        object,
        dict[str, Any],
    ]
    """As it came: three ids, name, start, end, code, attributes; None for what cannot be read."""

MAX_SPANS = 10_000
"""Of one request; those beyond are refused."""
OLDEST_DAYS = 60
"""A payload is held for 30 days at most, and may be rejected and tried again."""
AHEAD_DAYS = 1
"""How fast a client's clock may be."""

MAX_REASONS = 20
_MAX_KEY = 60
_DAY = 86_400 * 10**9
_ERROR = 2
_KINDS = (None, 0, 1)
"""Of a span: not said, or internal."""
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_LONGEST_NUMBER = 20

_ONLY_IN_DEBUG = frozenset(key for key, (_, _, only) in RECORDED.items() if only)
_COMMON = frozenset({"service.name", "service.version", "cloudquery.build_date", "error.type"})
"""Keys whose values many requests have in common, so that they are looked at once."""
_MAX_COMMON = 100

_UNKNOWN = "not in the catalogue"
_MISPLACED = "not in the catalogue at that place"
_UNFIT_SHAPE = "not of the shape in the catalogue"
_TWICE = "there twice"
_NO_DEBUG = "kept in debug mode only"


class MalformedError(ValueError):
    """A request is no OTLP; the message says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be kept of a request.

    Attributes:
        arrivals: those with at least one span.
        spans: how many spans they have.
        rejected: how many spans were refused.
        message: what was left out and why, one line; empty if nothing was.
    """

    arrivals: tuple[Arrival, ...]
    spans: int
    rejected: int
    message: str


def _none(_: str) -> None:
    """Say of any attribute that it is not there."""


class _Unfit:
    """Stands for a value of a kind that no field has."""


_UNFIT = _Unfit()


def from_json(body: bytes, origin: Origin, received: float) -> Allowed:
    """Read a request as OTLP/JSON.

    Args:
        body: without compression.
        origin: what was derived from the address.
        received: seconds since 1970.

    Raises:
        MalformedError: it is none.
    """
    allowing = _Allowing(origin, received)
    whole = _parsed(body)
    allowing.unknown(whole, _REQUEST_KEYS, "request")
    for one in _objects(whole, "resourceSpans"):
        allowing.unknown(one, _RESOURCE_SPANS_KEYS, "resourceSpans")
        resource = _object_in(one, "resource")
        allowing.unknown(resource, _RESOURCE_KEYS, "resource")
        attributes = allowing.attributes_of_json(resource)
        allowing.take(attributes, allowing.spans_of_json(one))
    return allowing.done()


def from_protobuf(body: bytes, origin: Origin, received: float) -> Allowed:
    """Read a request as protobuf; as `from_json`."""
    allowing = _Allowing(origin, received)
    try:
        message = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise MalformedError("not a protobuf ExportTraceServiceRequest") from None
    for one in message.resource_spans:
        attributes = allowing.attributes_of_protobuf(one.resource.attributes)
        allowing.take(attributes, allowing.spans_of_protobuf(one))
    return allowing.done()


class _Allowing:
    """One request on its way through the catalogue."""

    def __init__(self, origin: Origin, received: float) -> None:
        self._origin = origin
        self._received = int(received)
        now = int(received * 10**9)
        self._earliest = now - OLDEST_DAYS * _DAY
        self._latest = now + AHEAD_DAYS * _DAY
        self._arrivals: list[Arrival] = []
        self._spans = 0
        self._refused: dict[str, int] = {}
        self._left_out: dict[tuple[str, str], int] = {}
        self._more = 0

    def take(self, resource: dict[str, Any], spans: Iterable[_Span]) -> None:
        """Take the spans of one program, and what is said of it."""
        debug = resource.get("cloudquery.debug") is True
        about = self._allowed(resource, "resource", on_span=False, debug=debug)
        if "service.name" not in about:
            for _ in spans:
                self._refuse("without a service.name that the catalogue allows")
            return
        kept: list[ArrivedSpan] = []
        most = MAX_SPANS - self._spans
        for trace_id, span_id, parent_id, name, start, end, code, said in spans:
            if len(kept) >= most:
                self._refuse(f"beyond {MAX_SPANS:,} spans in one request")
            elif trace_id is None or span_id is None or parent_id is None:
                self._refuse("without valid ids")
            elif not start or not end or end < start:
                self._refuse("without a valid start and end")
            elif start < self._earliest:
                self._refuse(f"from more than {OLDEST_DAYS} days ago")
            elif end > self._latest:
                self._refuse(f"from more than {AHEAD_DAYS} day ahead")
            else:
                get = self._allowed(said, "span", on_span=True, debug=debug).get if said else _none
                kept.append(
                    ArrivedSpan(
                        trace_id,
                        span_id,
                        parent_id,
                        self._name(name),
                        start,
                        end - start,
                        code == _ERROR,
                        get("process.exit.code"),
                        get("error.type"),
                        get("exception.message"),
                    )
                )
        if kept:
            self._spans += len(kept)
            self._arrivals.append(
                Arrival(
                    self._received,
                    self._origin,
                    about["service.name"],
                    about.get("service.version"),
                    about.get("cloudquery.build_date"),
                    about.get("cloudquery.ci"),
                    tuple(about.get("cloudquery.plugins", ())),
                    about.get("service.instance.id"),
                    tuple(kept),
                )
            )

    def done(self) -> Allowed:
        """Return what may be kept."""
        said = [f"refused {count} spans {why}" for why, count in self._refused.items()]
        said += [
            f"left out {where} ({why}{f', {count} times' if count > 1 else ''})"
            for (where, why), count in self._left_out.items()
        ]
        if self._more:
            said.append(f"and left out {self._more} more")
        return Allowed(
            tuple(self._arrivals), self._spans, sum(self._refused.values()), "; ".join(said)
        )

    def left_out(self, where: str, why: str) -> None:
        """Note that something was left out; `where` may be untrusted."""
        key = (where, why)
        if key in self._left_out or len(self._left_out) < MAX_REASONS:
            self._left_out[key] = self._left_out.get(key, 0) + 1
        else:
            self._more += 1

    def _refuse(self, why: str) -> None:
        self._refused[why] = self._refused.get(why, 0) + 1

    def _name(self, name: object) -> str:
        if type(name) is str and len(name) <= MAX_NAME and _is_name(name):
            return name
        self.left_out("name", _UNFIT_SHAPE)
        return UNNAMED

    def _allowed(
        self, said: dict[str, Any], where: str, *, on_span: bool, debug: bool
    ) -> dict[str, Any]:
        kept = {}
        for key, value in said.items():
            if (
                (key in ON_SPANS) is on_span
                and (debug or key not in _ONLY_IN_DEBUG)
                and _fits(key, value)
            ):
                kept[key] = value
            elif key != "cloudquery.debug" or value is not False:
                self.left_out(f"{where} {_quoted(key)}", _why(key, on_span=on_span, debug=debug))
        return kept

    # JSON -----------------------------------------------------------------------------------------

    def unknown(self, found: dict[str, Any], known: frozenset[str], where: str) -> None:
        """Note the members of an object that nothing is kept of."""
        for key in found.keys() - known:
            if found[key]:  # else it says nothing
                self.left_out(f"{where} {_quoted(key)}", _UNKNOWN)

    def attributes_of_json(self, holder: dict[str, Any]) -> dict[str, Any]:
        """Read OTLP's list of keys and values."""
        found: dict[str, Any] = {}
        for one in _objects(holder, "attributes"):
            key = one.get("key")
            if type(key) is not str:
                raise MalformedError("an attribute's key is not a string")
            if key in found:
                self.left_out(_quoted(key), _TWICE)
            else:
                found[key] = _value_of_json(one.get("value"))
        return found

    def spans_of_json(self, holder: dict[str, Any]) -> Iterator[_Span]:
        """Give the spans of one program, of whatever scope."""
        for scope in _objects(holder, "scopeSpans"):
            self.unknown(scope, _SCOPE_SPANS_KEYS, "scopeSpans")
            self._scope(_object_in(scope, "scope"))
            for one in _objects(scope, "spans"):
                if not one.keys() <= _SPAN_KEYS:
                    self.unknown(one, _SPAN_KEYS, "span")
                get = one.get
                if get("kind") not in _KINDS:
                    self.left_out("kind", _UNFIT_SHAPE)
                parent = get("parentSpanId")
                yield (
                    _id_of_json(get("traceId"), _NO_TRACE),
                    _id_of_json(get("spanId"), _NO_SPAN),
                    _id_of_json(parent, _NO_SPAN) if parent else b"",
                    get("name"),
                    _whole(get("startTimeUnixNano")),
                    _whole(get("endTimeUnixNano")),
                    self._code(one["status"]) if "status" in one else None,
                    self.attributes_of_json(one) if "attributes" in one else _NOTHING,
                )

    def _code(self, status: object) -> object:
        if status is None:
            return None
        if type(status) is not dict:
            raise MalformedError("a status is not an object")
        if not status.keys() <= _STATUS_KEYS:
            self.unknown(status, _STATUS_KEYS, "status")
        return status.get("code")

    def _scope(self, scope: dict[str, Any]) -> None:
        if scope and (scope.get("name") != SCOPE or len(scope) > 1):
            self.left_out("scope", _UNKNOWN)

    # Protobuf -------------------------------------------------------------------------------------

    def attributes_of_protobuf(self, attributes: Iterable[KeyValue]) -> dict[str, Any]:
        """Read OTLP's list of keys and values."""
        found: dict[str, Any] = {}
        for one in attributes:
            if one.key in found:
                self.left_out(_quoted(one.key), _TWICE)
            else:
                found[one.key] = _value_of_protobuf(one.value)
        return found

    def spans_of_protobuf(self, holder: ResourceSpans) -> Iterator[_Span]:
        """Give the spans of one program, of whatever scope."""
        if holder.schema_url:
            self.left_out("resourceSpans schemaUrl", _UNKNOWN)
        for scope in holder.scope_spans:
            about = scope.scope
            if about.name not in {"", SCOPE} or about.version or about.attributes:
                self.left_out("scope", _UNKNOWN)
            if scope.schema_url:
                self.left_out("scopeSpans schemaUrl", _UNKNOWN)
            for one in scope.spans:
                self._rest_of(one)
                yield (
                    _id(one.trace_id, _NO_TRACE),
                    _id(one.span_id, _NO_SPAN),
                    _id(one.parent_span_id, _NO_SPAN) if one.parent_span_id else b"",
                    one.name,
                    one.start_time_unix_nano,
                    one.end_time_unix_nano,
                    one.status.code,
                    self.attributes_of_protobuf(one.attributes),
                )

    def _rest_of(self, span: SpanMessage) -> None:
        """Note what a span says beyond what is read of it."""
        if span.kind not in _KINDS:
            self.left_out("kind", _UNFIT_SHAPE)
        if span.status.message:
            self.left_out("status message", _UNKNOWN)
        if span.events:
            self.left_out("span events", _UNKNOWN)
        if span.links:
            self.left_out("span links", _UNKNOWN)
        if span.trace_state:
            self.left_out("span traceState", _UNKNOWN)
        if span.flags:
            self.left_out("span flags", _UNKNOWN)


def _why(key: str, *, on_span: bool, debug: bool) -> str:
    if key not in RECORDED:
        return _UNKNOWN
    if (key in ON_SPANS) is not on_span:
        return _MISPLACED
    return _NO_DEBUG if key in _ONLY_IN_DEBUG and not debug else _UNFIT_SHAPE


def _quoted(key: str) -> str:
    return printable(key if len(key) <= _MAX_KEY else key[:_MAX_KEY] + "…")


def _fits(key: str, value: object) -> bool:
    """Tell whether the catalogue allows a value of a key, whatever the mode."""
    if type(value) is str and len(value) <= _MAX_COMMON and key in _COMMON:
        return _fits_again(key, value)
    return allows(key, value, CATALOGUE_VERSION, debug=True) and (
        type(value) is not str or _is_text(value)
    )


@lru_cache(maxsize=4096)
def _fits_again(key: str, value: str) -> bool:
    """Tell the same, from memory; it holds nothing that could tell one from another."""
    return allows(key, value, CATALOGUE_VERSION, debug=True) and _is_text(value)


@lru_cache(maxsize=4096)
def _is_name(name: str) -> bool:
    return is_name(name)


def _is_text(value: str) -> bool:
    """Tell whether a text can be written anywhere: JSON may hold half of a character."""
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


# JSON ---------------------------------------------------------------------------------------------

_NOTHING: dict[str, Any] = {}
_REQUEST_KEYS = frozenset({"resourceSpans"})
_RESOURCE_SPANS_KEYS = frozenset({"resource", "scopeSpans"})
_RESOURCE_KEYS = frozenset({"attributes"})
_SCOPE_SPANS_KEYS = frozenset({"scope", "spans"})
_STATUS_KEYS = frozenset({"code"})
_SPAN_KEYS = frozenset(
    {
        *("traceId", "spanId", "parentSpanId", "name", "kind"),
        *("startTimeUnixNano", "endTimeUnixNano", "attributes", "status"),
    }
)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("a key is in one object twice")
    return found


def _no_number(_: str) -> NoReturn:
    raise MalformedError("NaN and Infinity are no JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number).decode


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = _decode(body.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise MalformedError(f"not JSON, at line {error.lineno} column {error.colno}") from None
    except UnicodeDecodeError:
        raise MalformedError("not UTF-8") from None
    except RecursionError:
        raise MalformedError("too deep") from None
    except MalformedError:
        raise
    except ValueError:
        raise MalformedError("a number is too long") from None
    if type(found) is not dict:
        raise MalformedError("not an object")
    return found


def _objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = holder.get(key)
    if found is None:
        return []
    if type(found) is not list:
        raise MalformedError(f"{key} is not an array")
    for one in found:
        if type(one) is not dict:
            raise MalformedError(f"{key} holds something that is not an object")
    return found


def _object_in(holder: dict[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    if found is None:
        return _NOTHING
    if type(found) is not dict:
        raise MalformedError(f"{key} is not an object")
    return found


def _value_of_json(value: object) -> object:
    if type(value) is not dict or len(value) != 1:
        return _UNFIT
    [(kind, inner)] = value.items()
    if kind == "stringValue":
        return inner if type(inner) is str else _UNFIT
    if kind == "boolValue":
        return inner if type(inner) is bool else _UNFIT
    if kind == "intValue":
        number = _whole(inner)
        return _UNFIT if number is None else number
    if kind == "arrayValue" and type(inner) is dict:
        values = inner.get("values")
        return list(map(_value_of_json, values)) if type(values) is list else _UNFIT
    return _UNFIT


def _whole(value: object) -> int | None:
    """Read a whole number, which OTLP/JSON writes as a string as well."""
    if type(value) is int:
        return value
    if type(value) is str and len(value) <= _LONGEST_NUMBER and value.isascii() and value.isdigit():
        return int(value)
    return None


def _id_of_json(value: object, none: bytes) -> bytes | None:
    if type(value) is not str or len(value) != 2 * len(none):
        return None
    try:
        return _id(bytes.fromhex(value), none)
    except ValueError:
        return None


# Protobuf -----------------------------------------------------------------------------------------


def _id(value: bytes, none: bytes) -> bytes | None:
    """Return an id; None if it has another size than `none`, or is that: all zeros."""
    return value if len(value) == len(none) and value != none else None


def _value_of_protobuf(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "int_value":
        return value.int_value
    if kind == "array_value":
        return list(map(_value_of_protobuf, value.array_value.values))
    return _UNFIT
