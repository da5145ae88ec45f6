"""What each protocol's module makes of an intercepted request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
