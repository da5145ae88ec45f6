"""What an intercepted request is: one module for each protocol, chosen by the path alone.

Each has the same three functions, called when the program has had its response (see `responses`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..responses import OTLP, RUDDERSTACK, protocol_of

if TYPE_CHECKING:
    from ..redaction import Redaction, Rules
    from ..requests import Request
    from .described import Description, Document


@dataclass(frozen=True, slots=True)
class Understood:
    """An intercepted request, understood: what is said of it, and what would be sent."""

    kind: str
    content_type: str
    description: Description
    redaction: Redaction


class _Module(Protocol):
    """What each protocol's module has."""

    def read(self, caught: Request) -> Document | None:
        """Read a request's body; None if it is not what its path says."""

    def describe(self, document: Document, rules: Rules) -> Description:
        """Say what it is about."""

    def redact(self, document: Document, rules: Rules) -> Redaction:
        """Return what would be sent."""


def understand(caught: Request, rules: Rules) -> Understood:
    """Read, describe and redact a request; what no protocol can read is held as it is."""
    from . import otlp, rudderstack, unknown

    known: dict[str, _Module] = {RUDDERSTACK: rudderstack, OTLP: otlp}
    last: _Module = unknown
    module = known.get(protocol_of(caught.path), last)
    document = module.read(caught)
    if document is None:
        module, document = last, unknown.read(caught)
    return Understood(
        document.kind,
        document.content_type,
        module.describe(document, rules),
        module.redact(document, rules),
    )
