"""RudderStack's and Segment's events: what `analytics-go` and its kin post as JSON.

https://www.rudderstack.com/docs/api/http-api/: a message, or `{"batch": [message, …]}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.readers import BASE64, NotOfKindError, read_form
from ...formats.rudderstack_fields import BATCH, CALLS, MESSAGE
from ...formats.values import as_json, count
from ..field_shapes import schema_of
from ..pseudonyms import id_text
from ..redaction import MAX_ITEMS, OTHER_EVENT, Redaction, Removal, keep
from ..responses import RUDDERSTACK
from .bodies import document_of
from .described import NANOSECONDS_PER_MILLISECOND, Description, Document

if TYPE_CHECKING:
    from ...formats.strict_json import JsonObject, JsonValue
    from ..redaction import Rules
    from ..requests import Request

_BATCHES = frozenset({"batch", "b", "import"})
_OUTCOMES = {
    **dict.fromkeys(("success", "successful", "succeeded", "ok"), "ok"),
    **dict.fromkeys(("error", "failed", "failure", "panic", "aborted", "cancelled"), "failed"),
}
_STANDS_IN = "the user is not sent; a random ID replaces it, as no message is accepted without one"
_FILLED = "replaced by a random ID, as no message is accepted without one"


def read(intercepted: Request) -> Document | None:
    """Read a message or a batch of them; None if it is neither."""
    value = (
        document_of(intercepted, RUDDERSTACK) if intercepted.body else _of_pixel(intercepted.path)
    )
    if not isinstance(value, dict) or (_is_of_batch(intercepted) and not _is_batch(value)):
        return None
    return Document(RUDDERSTACK, "application/json", value)


def describe(document: Document, rules: Rules) -> Description:
    """Say which event it is about: the last one, which tells how it ended."""
    last: dict[str, Any] = next(reversed(_messages(document.value)), {})
    event = _event(last, rules)
    said = last.get("properties")
    properties = said if isinstance(said, dict) else {}
    status = properties.get("status")
    duration = count(properties.get("duration")) or 0
    milliseconds = duration * rules.duration_unit // NANOSECONDS_PER_MILLISECOND
    return Description(
        event,
        _OUTCOMES.get(status.strip().lower(), "") if isinstance(status, str) else "",
        milliseconds if 0 <= milliseconds < 1 << 53 else 0,
    )


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent of a message, or of a batch."""
    removals: list[Removal] = []
    if _is_batch(document.value):
        schema = schema_of(BATCH, rules.fields)
        batch = document.value["batch"]
        named: Any = [
            _identified(one, f"batch[{at}].", rules, removals)
            for at, one in enumerate(batch[:MAX_ITEMS])
        ]
        value: JsonValue = {**document.value, "batch": named + batch[MAX_ITEMS:]}
    else:
        schema = schema_of(MESSAGE, rules.fields)
        value = _identified(document.value, "", rules, removals)
    kept = keep(value, schema, rules)
    return kept.written(as_json(kept.value), *removals)


def _event(message: dict[str, Any], rules: Rules) -> str:
    """Return a message's event as an operation's name, which has no spaces; or its kind."""
    event = message.get("event") or message.get("type")
    name = event.strip().replace(" ", "_") if isinstance(event, str) else ""
    if not is_name(name):
        return ""
    if event not in CALLS and rules.names.problem(str(event)):
        return OTHER_EVENT
    return name


def _identified(value: Any, where: str, rules: Rules, removals: list[Removal]) -> Any:
    """Put a random anonymous id in the place of a message's user, if it has no other."""
    if not isinstance(value, dict) or id_text(value.get("anonymousId")):
        return value
    removals.append(Removal(f"{where}anonymousId", "an id", _FILLED))
    user = id_text(value.get("userId"))
    if user:
        removals.append(Removal(f"{where}userId", "an id", _STANDS_IN))
    rest = {key: inner for key, inner in value.items() if key != "userId" or not user}
    return {**rest, "anonymousId": rules.pseudonyms(user)}


def _of_pixel(path: str) -> JsonValue:
    """Return the message that the query of a pixel holds in base64; None if it holds none."""
    try:
        form: Any = read_form(path.partition("?")[2].encode("latin-1", "replace"))
    except NotOfKindError:
        return None
    held = form.get("data")
    return held.get(BASE64) if isinstance(held, dict) else None


def _is_of_batch(intercepted: Request) -> bool:
    return intercepted.path.partition("?")[0].rpartition("/")[2] in _BATCHES


def _is_batch(value: JsonObject) -> bool:
    return isinstance(value.get("batch"), list)


def _messages(value: JsonObject) -> list[dict[str, Any]]:
    listed = value.get("batch")
    messages = listed if isinstance(listed, list) else [value]
    return [one for one in messages if isinstance(one, dict)]
