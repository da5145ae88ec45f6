"""The fields of PostHog's events: https://posthog.com/docs/api/capture.

An event by itself, or `{"api_key": …, "batch": [event, …]}`. Its key is the program's own, and
public: without it the service takes nothing.
"""

from __future__ import annotations

from .fields import BOOLEAN, EVENT, ID, KEY, NAME, ONE_OF, PROPERTIES, TIME, VERSION, Field, message

TYPES = frozenset({"alias", "capture", "identify", "page", "screen"})
_EVENT = {
    "event": Field(EVENT, "event", is_operation=True),
    "type": Field(ONE_OF, "type", options=TYPES),
    "properties": Field(
        PROPERTIES,
        "posthog.properties",
        members={
            "$lib": Field(NAME, "posthog.library"),
            "$lib_version": Field(VERSION, "posthog.library.version"),
            "distinct_id": Field(ID, "posthog.distinct_id"),
        },
    ),
    "timestamp": Field(TIME, "timestamp"),
    "distinct_id": Field(ID, "posthog.distinct_id"),
    "uuid": Field(ID, "posthog.uuid"),
    "library": Field(NAME, "posthog.library"),
    "library_version": Field(VERSION, "posthog.library.version"),
}
_KEY = Field(KEY, "posthog.api_key")

MESSAGE = message({**_EVENT, "api_key": _KEY})
"""One event by itself."""
BATCH = message(
    {
        "batch": message(_EVENT, is_list=True, group="event"),
        "api_key": _KEY,
        "sentAt": Field(TIME, "sentAt"),
        "sent_at": Field(TIME, "sentAt"),
        "historical_migration": Field(BOOLEAN, "posthog.historical_migration"),
    }
)
