"""What the real service responds to a request that it takes, and whose protocol a path is of.

Asked by the process that answers, while a program waits: nothing of what reads or redacts a request
is loaded for it.
"""

from __future__ import annotations

from dataclasses import dataclass

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
RUDDERSTACK = "rudderstack"
OTLP = "otlp"
UNKNOWN = "unknown"
CALLS = ("batch", "track", "identify", "page", "screen", "group", "alias")
"""RudderStack's, each with a path of its own."""
SIGNALS = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}
"""OTLP's, by their paths."""
_CALL_PATHS = frozenset(f"/v1/{call}" for call in CALLS)


@dataclass(frozen=True, slots=True)
class Response:
    """What the real service responds to a request that it takes, with status 200."""

    content_type: str
    body: bytes


def protocol_of(path: str) -> str:
    """Return the protocol that a path is of: `rudderstack`, `otlp` or `unknown`.

    Args:
        path: without the secret; a query says nothing of it.
    """
    path = path.partition("?")[0]
    if path in _CALL_PATHS:
        return RUDDERSTACK
    return OTLP if path in SIGNALS else UNKNOWN


def response_to(path: str, content_type: str) -> Response:
    """Return what the real service responds: for what is unknown, a success that says nothing."""
    protocol = protocol_of(path)
    if protocol == RUDDERSTACK:
        return Response("text/plain; charset=utf-8", b"OK")
    if protocol == OTLP:  # an empty message, in the encoding of the request
        return Response(JSON, b"{}") if is_json(content_type) else Response(PROTOBUF, b"")
    return Response("text/plain", b"")


def is_json(content_type: str) -> bool:
    """Tell whether a media type, parameters and all, is that of JSON."""
    return content_type.partition(";")[0].strip().lower() == JSON
