"""Sentry's envelopes, and the single events that its older libraries post."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.documents import SENTRY, SENTRY_EVENT, as_payload
from ...formats.sentry_fields import ENVELOPE, EVENT, ITEMS
from ..field_shapes import schema_of
from ..redaction import Redaction, Removal, keep
from .bodies import document_of
from .described import Description, Document

if TYPE_CHECKING:
    from ..redaction import Rules
    from ..requests import Request

_ENVELOPE = "application/x-sentry-envelope"
_STORE = "/store"
_OTHER_ITEM = "nothing of an item of this type is on the list of what may leave"


def read(intercepted: Request) -> Document | None:
    """Read an envelope or an event; None if it is neither."""
    is_event = intercepted.path.partition("?")[0].rstrip("/").endswith(_STORE)
    kind = SENTRY_EVENT if is_event else SENTRY
    value = document_of(intercepted, kind)
    if not isinstance(value, dict):
        return None
    return Document(kind, "application/json" if is_event else _ENVELOPE, value)


def describe(document: Document, rules: Rules) -> Description:
    """Say what kind of item it has, and that an error is one."""
    del rules
    types = ["event"] if document.kind == SENTRY_EVENT else _types(document.value)
    operation = next((one for one in types if is_name(one) and one in ITEMS), "")
    return Description(operation, "failed" if operation == "event" else "")


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent."""
    if document.kind == SENTRY_EVENT:
        kept = keep(document.value, schema_of(EVENT), rules)
        return kept.written(as_payload(SENTRY_EVENT, kept.value))
    kept = keep(document.value, schema_of(ENVELOPE), rules)
    value: Any = kept.value
    gone = {f"items[{at}]" for at, one in enumerate(_types(document.value)) if one not in ITEMS}
    items = [item for at, item in enumerate(value["items"]) if f"items[{at}]" not in gone]
    inside = tuple(f"{one}." for one in gone)
    kept = replace(
        kept, removals=tuple(one for one in kept.removals if not one.path.startswith(inside))
    )
    sent = as_payload(SENTRY, {**value, "items": items})
    return kept.written(sent, *(Removal(one, "an item", _OTHER_ITEM) for one in sorted(gone)))


def _types(value: Any) -> list[str]:
    """Return the type of each item of an envelope."""
    return [str(item["header"].get("type")) for item in value["items"]]
