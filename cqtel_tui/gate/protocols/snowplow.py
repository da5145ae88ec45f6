"""What Snowplow's trackers post; what they tell in a query is read as any other query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.documents import SNOWPLOW, as_payload
from ...formats.snowplow_fields import POSTED
from ..field_shapes import schema_of
from ..redaction import keep
from .bodies import document_of
from .described import Description, Document

if TYPE_CHECKING:
    from ..redaction import Redaction, Rules
    from ..requests import Request


def read(intercepted: Request) -> Document | None:
    """Read what was posted; None if it is no list of events."""
    value = document_of(intercepted, SNOWPLOW)
    events = value.get("data") if isinstance(value, dict) else None
    if not isinstance(events, list) or not all(isinstance(one, dict) for one in events):
        return None
    return Document(SNOWPLOW, "application/json; charset=utf-8", value)


def describe(document: Document, rules: Rules) -> Description:
    """Say which event it is about: the last one's action, or the name of its schema."""
    last: Any = next(reversed(document.value["data"]), {})
    held = last.get("ue_px", last.get("ue_pr"))
    inner = held.get("data") if isinstance(held, dict) else None
    schema = inner.get("schema") if isinstance(inner, dict) else None
    parts = schema.split("/") if isinstance(schema, str) else []
    name = parts[1] if len(parts) > 1 else last.get("se_ac")
    return Description(name if is_name(name) and not rules.names.problem(str(name)) else "")


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent."""
    kept = keep(document.value, schema_of(POSTED, rules.fields), rules)
    return kept.written(as_payload(SNOWPLOW, kept.value))
