"""What an intercepted request is: one module for each protocol, chosen by the path alone.

Each has the same three functions, called when the program has had its response (see `responses`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..responses import OTLP, RUDDERSTACK, protocol_of

if TYPE_CHECKING:
    from ..redaction import Redaction, Rules
    from ..requests import Request

NANOSECONDS_PER_MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Description:
    """What stands on the envelope of an intercepted request.

    Attributes:
        operation: the event or span, a plain name; empty if it has none.
        outcome: `ok` or `failed`; empty if it does not say.
        duration: in milliseconds, 0 if it does not say.
    """

    operation: str = ""
    outcome: str = ""
    duration: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A request's body, read.

    Attributes:
        kind: protocol, signal and encoding, such as `otlp-traces-json`.
        content_type: what the body is sent as; empty for what the program said itself.
        value: what the protocol's own module makes of it.
        notes: what is not sent because it could not even be read, in words.
    """

    kind: str
    content_type: str
    value: Any
    notes: tuple[str, ...] = ()


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


_HEADERS = {"unknown": frozenset({"content-encoding"})}
_CREDENTIALS = frozenset({"authorization"})


def headers_of(kind: str) -> frozenset[str]:
    """Return the headers that requests of a kind need beside the Content-Type, in lower case.

    What a profile forwards comes to these; all others are removed.
    """
    return _CREDENTIALS | _HEADERS.get(kind, frozenset())


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
