"""Whose protocol a body is of, where neither its path nor a profile tells.

Programs report by a service of their own, which hands on what it is given: the path is theirs, the
body is that of Segment, PostHog or Snowplow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...formats.documents import OWN_JSON
from ...formats.rudderstack_fields import CALLS
from ...formats.snowplow_fields import PAYLOAD_DATA
from ..responses import POSTHOG, RUDDERSTACK, SENTRY, SNOWPLOW, UNKNOWN, media_type
from .bodies import document_of

if TYPE_CHECKING:
    from ...formats.strict_json import JsonValue
    from ..requests import Request

_ENVELOPE = "application/x-sentry-envelope"
_IDS = ("anonymousId", "userId")


def protocol_by_shape(intercepted: Request) -> str:
    """Return the protocol that a body shows beyond doubt; `unknown` if it shows none."""
    if media_type(intercepted.header("content-type")) == _ENVELOPE:
        return SENTRY
    value = document_of(intercepted, OWN_JSON)
    if not isinstance(value, dict):
        return UNKNOWN
    if str(value.get("schema")).startswith(PAYLOAD_DATA):
        return SNOWPLOW
    batch = value.get("batch")
    messages = batch if isinstance(batch, list) and batch else [value]
    has_key = isinstance(value.get("api_key"), str)
    if has_key and all(isinstance(one, dict) and "event" in one for one in messages):
        return POSTHOG
    return RUDDERSTACK if all(map(_is_message, messages)) else UNKNOWN


def _is_message(value: JsonValue) -> bool:
    """Tell whether a message is one of Segment's: a call or an event, and an identity."""
    if not isinstance(value, dict):
        return False
    is_call = value.get("type") in CALLS
    is_event = isinstance(value.get("event"), str) and isinstance(value.get("properties"), dict)
    return any(isinstance(value.get(one), str) for one in _IDS) and (is_call or is_event)
