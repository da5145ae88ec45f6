"""gRPC over HTTP/2: the calls by which OpenTelemetry reports, and how a message is framed.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and
https://opentelemetry.io/docs/specs/otlp/#otlpgrpc.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/grpc"
_PROTOBUF = f"{CONTENT_TYPE}+proto"
_SERVICE = "/opentelemetry.proto.collector"
SIGNALS = {
    f"{_SERVICE}.trace.v1.TraceService/Export": "traces",
    f"{_SERVICE}.logs.v1.LogsService/Export": "logs",
    f"{_SERVICE}.metrics.v1.MetricsService/Export": "metrics",
}
"""OTLP's, by the paths of their calls."""
SUMMARY_CALL = "/cloudquery.backend.analytics.Analytics/SendEvent"
"""CloudQuery's, that sends a summary of a sync (`cloudquery_fields`)."""
ENCODINGS = ("identity", "gzip", "deflate")
"""How a message may be compressed."""
PREFIX_BYTES = 5
_COMPRESSED = 1

OK = 0
CANCELLED = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16


class UnframedError(ValueError):
    """A body is not one message."""


def is_grpc(content_type: str) -> bool:
    """Tell whether a media type is that of a call whose messages are protobuf."""
    return content_type.partition(";")[0].strip().lower() in {CONTENT_TYPE, _PROTOBUF}


def is_call(headers: Mapping[str, str]) -> bool:
    """Tell by an envelope's headers whether its payload is the message of a call."""
    return any(name.lower() == "content-type" and is_grpc(headers[name]) for name in headers)


def framed(message: bytes) -> bytes:
    """Return a body with one message, not compressed."""
    return b"\0" + len(message).to_bytes(PREFIX_BYTES - 1, "big") + message


def unframed(body: bytes) -> tuple[bytes, bool]:
    """Return the one message of a body, and whether it is compressed.

    Raises:
        UnframedError: it is not one whole message.
    """
    compressed, length = body[:1], body[1:PREFIX_BYTES]
    message = body[PREFIX_BYTES:]
    if compressed not in {b"\0", b"\1"} or len(length) != PREFIX_BYTES - 1:
        raise UnframedError("it does not begin as a message does")
    if int.from_bytes(length, "big") != len(message):
        raise UnframedError("it is not one whole message")
    return message, compressed[0] == _COMPRESSED
