"""A request's body as a document, by the kind that it may be of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...formats.documents import as_document
from ...formats.encodings import UndecodableError, decoded

if TYPE_CHECKING:
    from ...formats.strict_json import JsonValue
    from ..requests import Request


def document_of(intercepted: Request, kind: str) -> JsonValue:
    """Return what a body says if it is of a kind; None if it is not, or if it cannot be read."""
    try:
        body = decoded(intercepted.body, intercepted.encoding)
    except UndecodableError:
        return None
    return as_document(kind, body)
