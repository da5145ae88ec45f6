"""PostHog's events: what its libraries post, alone or as a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.documents import POSTHOG
from ...formats.posthog_fields import BATCH, MESSAGE
from ...formats.values import as_json
from ..field_shapes import schema_of
from ..redaction import OTHER_EVENT, keep
from .bodies import document_of
from .described import Description, Document

if TYPE_CHECKING:
    from ..redaction import Redaction, Rules
    from ..requests import Request


def read(intercepted: Request) -> Document | None:
    """Read an event or a batch of them; None if it is neither."""
    value = document_of(intercepted, POSTHOG)
    if isinstance(value, list):  # an event of the library for browsers has its key inside
        value = {"batch": value}
    if not isinstance(value, dict) or not isinstance(value.get("batch", []), list):
        return None
    return Document(POSTHOG, "application/json", value)


def describe(document: Document, rules: Rules) -> Description:
    """Say which event it is about: the last one."""
    batch = document.value.get("batch", [document.value])
    last: Any = next((one for one in reversed(batch) if isinstance(one, dict)), {})
    event = last.get("event")
    name = event.strip(" $").replace(" ", "_") if isinstance(event, str) else ""
    if not is_name(name):
        return Description()
    return Description(OTHER_EVENT if rules.names.problem(str(event)) else name)


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent."""
    table = BATCH if "batch" in document.value else MESSAGE
    kept = keep(document.value, schema_of(table, rules.fields), rules)
    return kept.written(as_json(kept.value))
