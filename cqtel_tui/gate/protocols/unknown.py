"""What no other protocol can read: held as it came, and sent only if the user says so of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...formats import OPAQUE
from ..redaction import Redaction, Rules
from .described import Description, Document

if TYPE_CHECKING:
    from ..requests import Request

KIND = OPAQUE


def read(intercepted: Request) -> Document:
    """Read nothing."""
    return Document(KIND, "", intercepted.body)


def describe(document: Document, rules: Rules) -> Description:
    """Say nothing."""
    del document, rules
    return Description()


def redact(document: Document, rules: Rules) -> Redaction:
    """Return what came: nobody knows what is in it, so that nothing can be taken out."""
    del rules
    return Redaction(document.value)
