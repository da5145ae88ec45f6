"""The fields of RudderStack's and Segment's messages.

https://www.rudderstack.com/docs/api/http-api/: a message, or `{"batch": [message, …]}`. The order
is that in which the fields are explained. Browsers and pixels have the key of the program in the
message, where others have it in a header.
"""

from __future__ import annotations

from .fields import EVENT, ID, KEY, NAME, ONE_OF, PROPERTIES, TIME, VERSION, Field, message

CALLS = ("track", "identify", "page", "screen", "group", "alias")
_CHANNELS = frozenset({"browser", "mobile", "sdk", "server", "source", "sources", "web"})
_LIBRARY = {
    "name": Field(NAME, "context.library.name"),
    "version": Field(VERSION, "context.library.version"),
}
_MESSAGE = {
    "event": Field(EVENT, "event", is_operation=True),
    "type": Field(ONE_OF, "type", options=frozenset(CALLS)),
    "properties": Field(PROPERTIES, "properties"),
    "context": message({"library": message(_LIBRARY)}),
    "channel": Field(ONE_OF, "channel", options=_CHANNELS),
    "timestamp": Field(TIME, "timestamp"),
    "originalTimestamp": Field(TIME, "originalTimestamp"),
    "sentAt": Field(TIME, "sentAt"),
    "anonymousId": Field(ID, "anonymousId"),
    "messageId": Field(ID, "messageId"),
    "writeKey": Field(KEY, "segment.writeKey"),
}

MESSAGE = message(_MESSAGE)
"""One message by itself."""
BATCH = message(
    {
        "batch": message(_MESSAGE, is_list=True, group="event"),
        "sentAt": _MESSAGE["sentAt"],
        "writeKey": _MESSAGE["writeKey"],
    }
)
