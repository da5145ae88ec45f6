"""OpenTelemetry's traces, logs and metrics: over HTTP as JSON or protobuf, by gRPC as protobuf.

https://opentelemetry.io/docs/specs/otlp/. Protobuf is read by `opentelemetry-proto`, an
extra; without it such a request is held as it came. Both encodings are redacted as one document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.encodings import UndecodableError, decoded
from ...formats.fields import SPAN_ID
from ...formats.grpc import CONTENT_TYPE as GRPC
from ...formats.otlp_fields import REQUESTS
from ...formats.otlp_protobuf import UnreadableMessageError, read_message, to_protobuf
from ...formats.strict_json import UnreadableError, parse
from ...formats.values import as_json, unsigned
from ..field_shapes import schema_of, status_code
from ..pseudonyms import id_text
from ..redaction import Redaction, Removal, keep
from ..responses import JSON, PROTOBUF, SIGNALS, is_json
from .described import NANOSECONDS_PER_MILLISECOND, Description, Document

if TYPE_CHECKING:
    from ..redaction import Rules
    from ..requests import Request

_ROOTS = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}
_ERROR = 2

_UNREAD = "not on the list of what may leave"


def read(intercepted: Request) -> Document | None:
    """Read a request as OTLP/JSON has it; None if it is none, or if it cannot be read here."""
    signal = SIGNALS[intercepted.path.partition("?")[0]]
    try:
        body = decoded(intercepted.body, intercepted.encoding)
        notes: tuple[str, ...] = ()
        if is_json(intercepted.header("content-type")):
            value, encoding = parse(body), "json"
        else:
            value, notes = read_message(body, signal)
            encoding = "protobuf"
    except (UndecodableError, UnreadableError, UnreadableMessageError):
        return None
    if not isinstance(value, dict) or not value.keys() <= {_ROOTS[signal]}:
        return None
    content_type = JSON if encoding == "json" else GRPC if intercepted.is_grpc else PROTOBUF
    return Document(f"otlp-{signal}-{encoding}", content_type, value, notes)


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
    kept = keep(document.value, schema_of(REQUESTS[signal]), rules)
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
