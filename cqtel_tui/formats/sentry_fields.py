"""The fields of Sentry's envelopes: https://develop.sentry.dev/sdk/data-model/envelopes/.

An error's text, and the names of functions around it, are error text: they leave in debug mode
only. Who used the program, on which machine, with what and after what (`user`, `server_name`,
`request`, `extra`, `breadcrumbs`, `tags`, paths of files) never does.
"""

from __future__ import annotations

from .fields import (
    BOOLEAN,
    CLASS_NAME,
    COUNT,
    ERROR_TEXT,
    ID,
    MOMENT,
    NAME,
    ONE_OF,
    VERSION,
    Field,
    message,
)

_SDK = message({"name": Field(NAME, "sentry.sdk.name"), "version": Field(VERSION, "sentry.sdk")})
_FRAME = {
    "function": Field(ERROR_TEXT, "sentry.frame.function"),
    "module": Field(ERROR_TEXT, "sentry.frame.module"),
    "lineno": Field(COUNT, "sentry.frame.line"),
    "in_app": Field(BOOLEAN, "sentry.frame.in_app"),
}
_EXCEPTION = {
    "type": Field(CLASS_NAME, "sentry.exception.type"),
    "value": Field(ERROR_TEXT, "sentry.exception.value"),
    "stacktrace": message({"frames": message(_FRAME, is_list=True)}),
}
_RUNTIME = message(
    {"name": Field(NAME, "sentry.runtime.name"), "version": Field(VERSION, "sentry.runtime")}
)
_LEVELS = frozenset({"debug", "error", "fatal", "info", "warning"})

EVENT = message(
    {
        "event_id": Field(ID, "sentry.event_id"),
        "timestamp": Field(MOMENT, "sentry.timestamp"),
        "level": Field(ONE_OF, "sentry.level", options=_LEVELS),
        "platform": Field(NAME, "sentry.platform"),
        "release": Field(VERSION, "sentry.release"),
        "sdk": _SDK,
        "contexts": message({"runtime": _RUNTIME}),
        "message": Field(ERROR_TEXT, "sentry.message"),
        "exception": message({"values": message(_EXCEPTION, is_list=True, group="error")}),
    }
)
"""An event: an error, or a message."""
_SESSION = {
    "sid": Field(ID, "sentry.session.id"),
    "init": Field(BOOLEAN, "sentry.session.init"),
    "started": Field(MOMENT, "sentry.session.started"),
    "timestamp": Field(MOMENT, "sentry.timestamp"),
    "status": Field(
        ONE_OF, "sentry.session.status", options=frozenset({"ok", "exited", "crashed", "abnormal"})
    ),
    "errors": Field(COUNT, "sentry.session.errors"),
    "attrs": message({"release": Field(VERSION, "sentry.release")}),
}
ITEMS = frozenset({"event", "session"})
"""The types of items of which something may leave."""
_ITEM = {
    "header": message({"type": Field(ONE_OF, "sentry.item", options=ITEMS)}),
    "payload": message({**EVENT.members, **_SESSION}),
}
ENVELOPE = message(
    {
        "header": message(
            {
                "event_id": Field(ID, "sentry.event_id"),
                "sent_at": Field(MOMENT, "sentry.sent_at"),
                "sdk": _SDK,
            }
        ),
        "items": message(_ITEM, is_list=True, group="item"),
    }
)
"""What may leave of an envelope."""
