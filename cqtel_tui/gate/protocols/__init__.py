"""What an intercepted request is: one module for each protocol, chosen by profile, path or shape.

Each has the same three functions, called when the program has had its response (see `responses`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..responses import (
    CLOUDQUERY,
    OTLP,
    OWN,
    POSTHOG,
    RUDDERSTACK,
    SENTRY,
    SNOWPLOW,
    protocol_of,
)
from .shapes import protocol_by_shape

if TYPE_CHECKING:
    from ...formats.strict_json import JsonValue
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

    def read(self, intercepted: Request) -> Document | None:
        """Read a request's body; None if it is not what its path says."""

    def describe(self, document: Document, rules: Rules) -> Description:
        """Say what it is about."""

    def redact(self, document: Document, rules: Rules) -> Redaction:
        """Return what would be sent."""


def understand(intercepted: Request, rules: Rules) -> Understood:
    """Read, describe and redact a request; what no protocol can read is held as it is."""
    module, document = _read(intercepted, rules.protocol)
    return Understood(
        document.kind,
        document.content_type,
        module.describe(document, rules),
        module.redact(document, rules),
    )


def document_intercepted(intercepted: Request, kind: str) -> JsonValue:
    """Return what a request told, as its kind is read; None if nobody here can read it.

    Args:
        intercepted: the request.
        kind: its envelope's.
    """
    document = _read(intercepted, kind.partition("-")[0])[1]
    return document.value if document.kind == kind else None


def _read(intercepted: Request, protocol: str) -> tuple[_Module, Document]:
    """Read a request by its profile, its path or its shape, whichever of them can be read first."""
    from . import cloudquery, otlp, own, posthog, rudderstack, sentry, snowplow, unknown

    known: dict[str, _Module] = {
        CLOUDQUERY: cloudquery,
        OTLP: otlp,
        OWN: own,
        POSTHOG: posthog,
        RUDDERSTACK: rudderstack,
        SENTRY: sentry,
        SNOWPLOW: snowplow,
    }
    for name in (protocol, protocol_of(intercepted.path), protocol_by_shape):
        module = known.get(name if isinstance(name, str) else name(intercepted))
        document = module.read(intercepted) if module is not None else None
        if module is not None and document is not None:
            return module, document
    return unknown, unknown.read(intercepted)
