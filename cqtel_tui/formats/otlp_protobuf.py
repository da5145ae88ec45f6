"""OTLP as protobuf: read into the document that OTLP/JSON has for it, and written again.

`opentelemetry-proto` and protobuf are an extra, and imported only when a message is read: without
them no message can be read. Both encodings are one document to everybody else.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .protobuf_wire import has_too_many_fields

if TYPE_CHECKING:
    from .strict_json import JsonValue

MAX_FIELDS = 500_000
"""Fields of one message, with those of all messages in it; more are refused."""

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_UNKNOWN_FIELDS = "fields that this release of OpenTelemetry's protocol does not have"


class UnreadableMessageError(ValueError):
    """A body is no protobuf message of its signal, or cannot be read here."""


def message_of(signal: str) -> Any:  # a protobuf message, which ships no types
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


def read_message(body: bytes, signal: str) -> tuple[JsonValue, tuple[str, ...]]:
    """Read a message as OTLP/JSON has it, and say what of it cannot be read."""
    message = message_of(signal)
    from google.protobuf.json_format import Error, MessageToDict
    from google.protobuf.message import DecodeError

    if has_too_many_fields(body, message.DESCRIPTOR, MAX_FIELDS):
        raise UnreadableMessageError(f"it has more than {MAX_FIELDS:,} fields")
    try:
        message.ParseFromString(body)
        size = message.ByteSize()
        message.DiscardUnknownFields()
        value = MessageToDict(message, use_integers_for_enums=True)
    except (DecodeError, Error, RecursionError, ValueError, TypeError) as error:
        raise UnreadableMessageError(str(error)) from None
    notes = (_UNKNOWN_FIELDS,) if message.ByteSize() != size else ()
    return with_ids(value, to_hex), notes


def from_protobuf(kind: str, payload: bytes) -> JsonValue | None:
    """Return what a message says, as OTLP/JSON has it; None if it cannot be read here."""
    try:
        return read_message(payload, kind.split("-")[1])[0]
    except UnreadableMessageError:
        return None


def to_protobuf(kind: str, value: JsonValue) -> bytes:
    """Return a document as a message of its kind."""
    message = message_of(kind.split("-")[1])
    from google.protobuf.json_format import ParseDict

    ParseDict(with_ids(value, to_base64), message)
    return bytes(message.SerializeToString(deterministic=True))


def with_ids(value: Any, change: Any) -> Any:
    """Return a document with its ids written otherwise: protobuf's own JSON has them in base64."""
    if isinstance(value, Mapping):
        return {
            key: change(inner)
            if key in _IDS and isinstance(inner, str)
            else with_ids(inner, change)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [with_ids(inner, change) for inner in value]
    return value


def to_hex(text: str) -> str:
    """Return an id in hex, as OTLP/JSON has it."""
    return binascii.a2b_base64(text).hex()


def to_base64(text: str) -> str:
    """Return an id in base64, as protobuf's own JSON has it; empty for what is none."""
    try:
        return binascii.b2a_base64(bytes.fromhex(text), newline=False).decode()
    except (ValueError, binascii.Error):
        return ""
