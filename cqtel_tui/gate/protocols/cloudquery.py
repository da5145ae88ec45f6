"""CloudQuery's older usage statistics: a summary of a sync, by gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...formats.cloudquery_fields import REQUEST
from ...formats.documents import CLOUDQUERY, as_payload
from ...formats.grpc import CONTENT_TYPE
from ..field_shapes import schema_of
from ..redaction import keep
from .bodies import document_of
from .described import Description, Document

if TYPE_CHECKING:
    from ..redaction import Redaction, Rules
    from ..requests import Request

_OPERATION = "sync"


def read(intercepted: Request) -> Document | None:
    """Read a summary; None if it is none."""
    value = document_of(intercepted, CLOUDQUERY)
    return Document(CLOUDQUERY, CONTENT_TYPE, value) if isinstance(value, dict) else None


def describe(document: Document, rules: Rules) -> Description:
    """Say what it is about: syncs are all that is summarised."""
    del document, rules
    return Description(_OPERATION)


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what would be sent."""
    kept = keep(document.value, schema_of(REQUEST), rules)
    return kept.written(as_payload(CLOUDQUERY, kept.value))
