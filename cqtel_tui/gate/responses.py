"""What the real service responds to a request that it takes, and whose protocol a path is of.

Asked by the process that answers, while a program waits: nothing of what reads or redacts a request
is loaded for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..formats import grpc
from ..formats.grpc import SUMMARY_CALL as CALL

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
CLOUDQUERY = "cloudquery"
OTLP = "otlp"
POSTHOG = "posthog"
RUDDERSTACK = "rudderstack"
SENTRY = "sentry"
SNOWPLOW = "snowplow"
OWN = "own"
"""A program's own form: JSON, a form, or a query."""
UNKNOWN = "unknown"
PROTOCOLS = (OTLP, OWN, POSTHOG, RUDDERSTACK, SENTRY, SNOWPLOW)
SIGNALS = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics", **grpc.SIGNALS}
"""OTLP's, by their paths."""
_CALLS = "batch|import|track|identify|page|screen|group|alias"
_PATHS = {
    # Segment's own library for browsers says `t` for `track`; RudderStack's beacons and pixels.
    RUDDERSTACK: re.compile(rf"/(beacon/|pixel/)?v1/({_CALLS}|[abgimpst])|/v1/pixel/({_CALLS})"),
    POSTHOG: re.compile(r"/(batch|capture|e|i/v0/e)/?"),
    SENTRY: re.compile(r"/api/[0-9]{1,20}/(envelope|store)/?"),
    # A collector may be given another path for what is posted: it has three parts, the last of
    # which is the version.
    SNOWPLOW: re.compile(r"/com\.snowplowanalytics\.snowplow/tp[12]|/i"),
}
_TEXT = "text/plain"
_RESPONSES = {
    RUDDERSTACK: ("text/plain; charset=utf-8", b"OK"),
    POSTHOG: (JSON, b'{"status":1}'),
    SENTRY: (JSON, b"{}"),
    SNOWPLOW: (_TEXT, b"ok"),
    CLOUDQUERY: (PROTOBUF, b""),
    UNKNOWN: (_TEXT, b""),
}


@dataclass(frozen=True, slots=True)
class Response:
    """What the real service responds to a request that it takes, with status 200."""

    content_type: str
    body: bytes


def protocol_of(path: str) -> str:
    """Return the protocol that a path is of, one of `PROTOCOLS`, or `unknown`.

    Args:
        path: without the secret; a query says nothing of it.
    """
    path = path.partition("?")[0]
    if path in SIGNALS:
        return OTLP
    if path == CALL:
        return CLOUDQUERY
    return next((name for name, known in _PATHS.items() if known.fullmatch(path)), UNKNOWN)


def response_to(path: str, content_type: str) -> Response:
    """Return what the real service responds: for what is unknown, a success that says nothing."""
    protocol = protocol_of(path)
    if protocol == OTLP:  # an empty message, in the encoding of the request
        return Response(JSON, b"{}") if is_json(content_type) else Response(PROTOBUF, b"")
    return Response(*_RESPONSES[protocol])


def is_json(content_type: str) -> bool:
    """Tell whether a media type, parameters and all, is that of JSON."""
    return media_type(content_type) == JSON


def media_type(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
