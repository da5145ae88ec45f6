"""A program's own form: JSON, a form, or what it tells in a query or a User-Agent.

Which of its fields may leave stands in its profile alone. What has no body is held to be read, and
never sent: a request that is made again would tell in its address what was taken out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalogue import is_name
from ...formats.documents import OWN_FORM, OWN_JSON, OWN_QUERY, as_payload
from ...formats.fields import EVENT
from ...formats.queries import REQUEST, read_query
from ...formats.readers import NotOfKindError
from ...formats.values import count
from ..field_shapes import schema_of
from ..redaction import keep
from ..responses import JSON, media_type
from .bodies import document_of
from .described import NANOSECONDS_PER_MILLISECOND, Description, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..field_shapes import Schema
    from ..redaction import Redaction, Rules
    from ..requests import Request

_FORM = "application/x-www-form-urlencoded"
_DURATION = "duration"


def read(intercepted: Request) -> Document | None:
    """Read a body, or what a request without one tells; None if it cannot be read."""
    if not intercepted.body:
        try:
            body = read_query(intercepted.path, intercepted.header("user-agent"))
        except NotOfKindError:
            return None
        return Document(OWN_QUERY, JSON, body)
    is_form = media_type(intercepted.header("content-type")) == _FORM
    kind = OWN_FORM if is_form else OWN_JSON
    value = document_of(intercepted, kind)
    if not isinstance(value, dict | list):
        return None
    return Document(kind, _FORM if is_form else JSON, value)


def describe(document: Document, rules: Rules) -> Description:
    """Say what happened, by the first of its fields that names an event, and how long it took."""
    values = list(_said(document.value, _schema(document, rules), ""))
    events = (value for _, shape, value in values if shape == EVENT)
    name = "_".join(str(next(events, "")).split())
    lasting = (count(value) for key, _, value in values if key == _DURATION)
    duration = (next(lasting, 0) or 0) * rules.duration_unit // NANOSECONDS_PER_MILLISECOND
    is_fit = is_name(name) and not rules.names.problem(name)
    return Description(name if is_fit else "", "", duration if duration < 1 << 53 else 0)


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent, or of a query what would be if that could be sent."""
    kept = keep(document.value, _schema(document, rules), rules)
    return kept.written(as_payload(document.kind, kept.value))


def _schema(document: Document, rules: Rules) -> Schema:
    if document.kind == OWN_QUERY:
        return schema_of(REQUEST, rules.fields)
    if isinstance(document.value, list):
        return (rules.fields,)
    return rules.fields


def _said(value: Any, schema: Any, key: str) -> Iterator[tuple[str, str, Any]]:
    """Give each value that has a shape, with its name and that shape."""
    if isinstance(schema, str):
        if not isinstance(value, dict | list):
            yield key, schema, value
    elif isinstance(schema, tuple) and isinstance(value, list):
        for one in value:
            yield from _said(one, schema[0], key)
    elif isinstance(schema, dict) and isinstance(value, dict):
        for name in schema.keys() & value.keys():
            yield from _said(value[name], schema[name], name)
