"""The document that a payload is, whatever it is encoded in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import OPAQUE, UNREDACTED, otlp_protobuf
from .cloudquery_fields import read_summary, write_summary
from .readers import (
    NotOfKindError,
    read_envelope,
    read_form,
    read_posthog,
    read_snowplow,
    write_envelope,
    write_form,
    write_snowplow,
)
from .strict_json import UnreadableError, parse
from .values import as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from .strict_json import JsonValue

CLOUDQUERY = "cloudquery-protobuf"
RUDDERSTACK = "rudderstack"
SENTRY = "sentry"
SENTRY_EVENT = "sentry-event"
POSTHOG = "posthog"
SNOWPLOW = "snowplow"
OWN_JSON = "own-json"
OWN_FORM = "own-form"
OWN_QUERY = "own-query"
"""The kinds of payloads beside OTLP's; `own` is a program's own form."""

_PROTOBUF = "-protobuf"
_READ: dict[str, Callable[[bytes], JsonValue]] = {
    CLOUDQUERY: read_summary,
    SENTRY: read_envelope,
    POSTHOG: read_posthog,
    SNOWPLOW: read_snowplow,
    OWN_FORM: read_form,
}
_WRITE: dict[str, Callable[[JsonValue], bytes]] = {
    CLOUDQUERY: write_summary,
    SENTRY: write_envelope,
    SNOWPLOW: write_snowplow,
    OWN_FORM: write_form,
}


def is_plain_json(kind: str) -> bool:
    """Tell whether a payload of this kind is JSON as it is, with nothing to open in it."""
    return kind not in {*_WRITE, OPAQUE, UNREDACTED} and not kind.endswith(_PROTOBUF)


def as_document(kind: str, payload: bytes) -> JsonValue | None:
    """Return what a payload of ours, or one that is to be sent, says; None if nobody can read it.

    Args:
        kind: the envelope's.
        payload: the exact bytes that would be sent.
    """
    if kind in {OPAQUE, UNREDACTED}:
        return None
    if kind.endswith(_PROTOBUF) and kind not in _READ:
        return otlp_protobuf.from_protobuf(kind, payload)
    try:
        return _READ.get(kind, parse)(payload)
    except (UnreadableError, NotOfKindError):
        return None


def as_payload(kind: str, document: JsonValue) -> bytes:
    """Return the bytes of a document, in the encoding of its kind."""
    if kind.endswith(_PROTOBUF) and kind not in _WRITE:
        return otlp_protobuf.to_protobuf(kind, document)
    return _WRITE.get(kind, as_json)(document)
