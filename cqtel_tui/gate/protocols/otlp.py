"""OpenTelemetry's traces, logs and metrics over HTTP, as JSON or as protobuf.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. Protobuf is read by `opentelemetry-proto`, an
extra; without it such a request is held as it came. Both encodings are redacted as one document.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.encodings import UndecodableError, decoded
from ...formats.protobuf_wire import has_too_many_fields
from ...formats.strict_json import UnreadableError, parse
from ...formats.values import as_json, unsigned
from ..pseudonyms import SPAN_ID, TRACE_ID, id_text
from ..redaction import (
    ATTRIBUTES,
    ERROR_TEXT,
    STATUS,
    Redaction,
    Removal,
    keep,
    status_code,
)
from ..responses import JSON, PROTOBUF, SIGNALS, is_json
from . import NANOSECONDS_PER_MILLISECOND, Description, Document

if TYPE_CHECKING:
    from ...formats.strict_json import JsonValue
    from ..redaction import Rules, Schema
    from ..requests import Request

_ROOTS = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_ERROR = 2
_UNKNOWN_FIELDS = "fields that this release of OpenTelemetry's protocol does not have"

MAX_FIELDS = 100_000
"""Of one message and all in it; more of them say less than they cost."""

_UNREAD = "not on the list of what may leave"

_RESOURCE: Schema = {"attributes": ATTRIBUTES}
_SCOPE: Schema = {"name": "name", "version": "version"}
_EVENT: Schema = {"name": "name", "timeUnixNano": "nanoseconds", "attributes": ATTRIBUTES}
_SPAN: Schema = {
    "traceId": TRACE_ID,
    "spanId": SPAN_ID,
    "parentSpanId": SPAN_ID,
    "name": "name",
    "kind": "enum",
    "startTimeUnixNano": "nanoseconds",
    "endTimeUnixNano": "nanoseconds",
    "attributes": ATTRIBUTES,
    "events": (_EVENT,),
    "status": {"code": STATUS, "message": ERROR_TEXT},
}
_LOG_RECORD: Schema = {
    # Never its body: "We don't store any logs".
    "timeUnixNano": "nanoseconds",
    "observedTimeUnixNano": "nanoseconds",
    "severityNumber": "enum",
    "severityText": "name",
    "attributes": ATTRIBUTES,
    "traceId": TRACE_ID,
    "spanId": SPAN_ID,
}
_POINT: dict[str, Schema] = {
    "attributes": ATTRIBUTES,
    "startTimeUnixNano": "nanoseconds",
    "timeUnixNano": "nanoseconds",
}
_NUMBERS: Schema = ({**_POINT, "asInt": "count", "asDouble": "number"},)
_HISTOGRAM: Schema = (
    {
        **_POINT,
        "count": "count",
        "sum": "number",
        "min": "number",
        "max": "number",
        "bucketCounts": ("count",),
        "explicitBounds": ("number",),
    },
)
_METRIC: Schema = {
    "name": "name",
    "unit": "name",
    "gauge": {"dataPoints": _NUMBERS},
    "sum": {
        "dataPoints": _NUMBERS,
        "aggregationTemporality": "enum",
        "isMonotonic": "boolean",
    },
    "histogram": {"dataPoints": _HISTOGRAM, "aggregationTemporality": "enum"},
}


def _request(root: str, scopes: str, items: str, item: Schema) -> Schema:
    scope: Schema = {"scope": _SCOPE, items: (item,)}
    return {root: ({"resource": _RESOURCE, scopes: (scope,)},)}


_SCHEMAS: dict[str, Schema] = {
    "traces": _request("resourceSpans", "scopeSpans", "spans", _SPAN),
    "logs": _request("resourceLogs", "scopeLogs", "logRecords", _LOG_RECORD),
    "metrics": _request("resourceMetrics", "scopeMetrics", "metrics", _METRIC),
}


def read(caught: Request) -> Document | None:
    """Read a request as OTLP/JSON has it; None if it is none, or if it cannot be read here."""
    signal = SIGNALS[caught.path.partition("?")[0]]
    try:
        body = decoded(caught.body, caught.header("content-encoding"))
        notes: tuple[str, ...] = ()
        if is_json(caught.header("content-type")):
            value, encoding = parse(body), "json"
        else:
            value, notes = _from_protobuf(body, signal)
            encoding = "protobuf"
    except (UndecodableError, UnreadableError, UnreadableMessageError):
        return None
    if not isinstance(value, dict) or not value.keys() <= {_ROOTS[signal]}:
        return None
    return Document(
        f"otlp-{signal}-{encoding}", JSON if encoding == "json" else PROTOBUF, value, notes
    )


def describe(document: Document, rules: Rules) -> Description:
    """Say which span it is about: the first that has no parent, else the first."""
    signal = document.kind.split("-")[1]
    if signal != "traces":
        return Description(signal)
    spans = list(_spans(document.value))
    roots = (one for one in spans if not id_text(one.get("parentSpanId"), SPAN_ID))
    span = next(roots, spans[0] if spans else {})
    status = span.get("status")
    code = status_code(status.get("code") if isinstance(status, dict) else status)
    start, end = (unsigned(span.get(key)) for key in ("startTimeUnixNano", "endTimeUnixNano"))
    duration = (end - start) // NANOSECONDS_PER_MILLISECOND if start and end else 0
    return Description(
        _operation(span.get("name"), rules),
        "failed" if code == _ERROR else "ok" if span else "",
        duration if 0 <= duration < 1 << 53 else 0,
    )


def _operation(name: object, rules: Rules) -> str:
    return str(name) if is_name(name) and not rules.names.problem(str(name)) else ""


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent, in the encoding that it came in."""
    _, signal, encoding = document.kind.split("-")
    kept = keep(document.value, _SCHEMAS[signal], rules)
    sent = as_json(kept.value) if encoding == "json" else to_protobuf(document.kind, kept.value)
    return kept.written(sent, *(Removal("the document", note, _UNREAD) for note in document.notes))


def _spans(value: Any) -> Any:
    """Give the spans of a document that may have any shape."""
    for resource in _objects(value, "resourceSpans"):
        for scope in _objects(resource, "scopeSpans"):
            yield from _objects(scope, "spans")


def _objects(value: Any, key: str) -> list[dict[str, Any]]:
    listed = value.get(key)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


# Protobuf -----------------------------------------------------------------------------------------


class UnreadableMessageError(ValueError):
    """A body is no protobuf message of its signal, or cannot be read here."""


def _message(signal: str) -> Any:  # a protobuf message, which ships no types
    """Return an empty request; what it takes to have one is imported only here."""
    try:
        if signal == "traces":
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

            return trace_service_pb2.ExportTraceServiceRequest()
        if signal == "logs":
            from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

            return logs_service_pb2.ExportLogsServiceRequest()
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    except ImportError:
        raise UnreadableMessageError("opentelemetry-proto is not installed") from None
    return metrics_service_pb2.ExportMetricsServiceRequest()


def _from_protobuf(body: bytes, signal: str) -> tuple[JsonValue, tuple[str, ...]]:
    """Read a message as OTLP/JSON has it, and say what of it cannot be read."""
    message = _message(signal)
    from google.protobuf.json_format import Error, MessageToDict
    from google.protobuf.message import DecodeError

    if has_too_many_fields(body, message.DESCRIPTOR, MAX_FIELDS):
        raise UnreadableMessageError(f"it has more than {MAX_FIELDS:,} fields")
    try:
        message.ParseFromString(body)
        whole = message.ByteSize()
        message.DiscardUnknownFields()
        value = MessageToDict(message, use_integers_for_enums=True)
    except (DecodeError, Error, RecursionError, ValueError, TypeError) as error:
        raise UnreadableMessageError(str(error)) from None
    notes = (_UNKNOWN_FIELDS,) if message.ByteSize() != whole else ()
    return _with_ids(value, _to_hex), notes


def from_protobuf(kind: str, payload: bytes) -> JsonValue | None:
    """Return what a message says, as OTLP/JSON has it; None if it cannot be read here."""
    try:
        return _from_protobuf(payload, kind.split("-")[1])[0]
    except UnreadableMessageError:
        return None


def to_protobuf(kind: str, value: JsonValue) -> bytes:
    """Return a document as a message of its kind."""
    message = _message(kind.split("-")[1])
    from google.protobuf.json_format import ParseDict

    ParseDict(_with_ids(value, _to_base64), message)
    return bytes(message.SerializeToString(deterministic=True))


def _with_ids(value: Any, change: Any) -> Any:
    """Return a document with its ids written otherwise: protobuf's own JSON has them in base64."""
    if isinstance(value, Mapping):
        return {
            key: change(inner)
            if key in _IDS and isinstance(inner, str)
            else _with_ids(inner, change)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_ids(inner, change) for inner in value]
    return value


def _to_hex(text: str) -> str:
    return binascii.a2b_base64(text).hex()


def _to_base64(text: str) -> str:
    try:
        return binascii.b2a_base64(bytes.fromhex(text), newline=False).decode()
    except (ValueError, binascii.Error):
        return ""
