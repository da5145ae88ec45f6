"""RudderStack's and Segment's events: what `analytics-go` and its kin post as JSON.

https://www.rudderstack.com/docs/api/http-api/: a message, or `{"batch": [message, …]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...encodings import UndecodableError, decoded
from ...review.documents import UnreadableError, parse
from ..redaction import ID, Redaction, Removal, as_json, keep, whole_number
from . import NANOSECONDS_PER_MILLISECOND, Answer, Description, Document

if TYPE_CHECKING:
    from ...review.documents import JsonObject, JsonValue
    from ..redaction import Rules, Schema
    from ..requests import Caught

_BATCH = "/v1/batch"
_CALLS = ("batch", "track", "identify", "page", "screen", "group", "alias")
_PATHS = frozenset(f"/v1/{call}" for call in _CALLS)
_OUTCOMES = {"success": "ok", "ok": "ok", "error": "failed", "failed": "failed"}
_STANDS_IN = "who it was is not sent; a random id stands in, as no message is taken without one"


def recognises(path: str) -> bool:
    """Tell whether a path is one of RudderStack's."""
    return path in _PATHS


def answer(content_type: str) -> Answer:
    """Return what RudderStack's data plane answers."""
    del content_type
    return Answer("text/plain; charset=utf-8", b"OK")


def read(caught: Caught) -> Document | None:
    """Read a message or a batch of them; None if it is neither."""
    try:
        value = parse(decoded(caught.body, caught.header("content-encoding")))
    except (UndecodableError, UnreadableError):
        return None
    if not isinstance(value, dict) or (_is_of_batch(caught) and not _is_batch(value)):
        return None
    return Document("rudderstack", "application/json", value)


def describe(document: Document, rules: Rules) -> Description:
    """Say which event it is about: the last one, which tells how it ended."""
    last: dict[str, Any] = next(reversed(_messages(document.value)), {})
    event = last.get("event", last.get("type"))
    said = last.get("properties")
    properties = said if isinstance(said, dict) else {}
    status = properties.get("status")
    duration = whole_number(properties.get("duration")) or 0
    milliseconds = duration * rules.duration_unit // NANOSECONDS_PER_MILLISECOND
    return Description(
        str(event) if is_name(event) else "",
        _OUTCOMES.get(status, "") if isinstance(status, str) else "",
        milliseconds if 0 <= milliseconds < 1 << 53 else 0,
    )


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent of a message, or of a batch."""
    removals: list[Removal] = []
    message = _message(rules)
    if _is_batch(document.value):
        schema: Schema = {"batch": (message,), "sentAt": "time"}
        named: Any = [
            _without_user(one, f"batch[{at}].", rules, removals)
            for at, one in enumerate(document.value["batch"])
        ]
        value: JsonValue = {**document.value, "batch": named}
    else:
        schema, value = message, _without_user(document.value, "", rules, removals)
    kept = keep(value, schema, rules)
    return kept.written(as_json(kept.value), *removals)


def _message(rules: Rules) -> Schema:
    """Return what may stay of one message."""
    return {
        "type": "name",
        "messageId": ID,
        "anonymousId": ID,
        "event": "name",
        "timestamp": "time",
        "originalTimestamp": "time",
        "sentAt": "time",
        "context": {"library": {"name": "name", "version": "version"}},
        "properties": rules.fields,
        "channel": "name",
    }


def _without_user(value: Any, where: str, rules: Rules, removals: list[Removal]) -> Any:
    """Put a random anonymous id in the place of a message's user, if it has no other."""
    if not isinstance(value, dict) or value.get("anonymousId") or not value.get("userId"):
        return value
    removals.append(Removal(f"{where}userId", "an id", _STANDS_IN))
    rest = {key: inner for key, inner in value.items() if key not in {"anonymousId", "userId"}}
    return {**rest, "anonymousId": rules.pseudonyms(str(value["userId"]))}


def _is_of_batch(caught: Caught) -> bool:
    return caught.path.partition("?")[0] == _BATCH


def _is_batch(value: JsonObject) -> bool:
    return isinstance(value.get("batch"), list)


def _messages(value: JsonObject) -> list[dict[str, Any]]:
    listed = value.get("batch")
    messages = listed if isinstance(listed, list) else [value]
    return [one for one in messages if isinstance(one, dict)]
