"""Say where a payload would go: one rule for the sender, for exports, and for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..consent.endpoint import endpoint_problem
from ..formats import OPAQUE, UNREDACTED

__all__ = [
    "ENDPOINT",
    "INTERCEPTED",
    "NONE",
    "NOWHERE",
    "PROPOSED",
    "UNREAD",
    "UNREDACTED",
    "UNREDACTED_WORDS",
    "UPSTREAM",
    "Bound",
    "Destination",
    "bound_for",
    "destination_of",
    "to_endpoint",
]

INTERCEPTED = "gate"
"""The origin of what was intercepted."""
UNREAD = OPAQUE
"""The kind of what nobody here can read: it goes only where the user has named it."""

UNREDACTED_WORDS = (
    "This could not be redacted, so it is never sent. What was intercepted is kept here to be read."
)
UPSTREAM = "upstream"
"""Where the program itself would have sent it: its makers, or a place of the user's own."""
ENDPOINT = "endpoint"
"""The endpoint that the user has set."""
PROPOSED = "proposed"
"""The endpoint that the program's contract has, which a yes would set."""
NONE = "none"
"""Nowhere: it stays on this machine."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a payload would go.

    Attributes:
        kind: `upstream`, `endpoint`, `proposed` or `none`.
        url: the URL; None for nowhere.
    """

    kind: str
    url: str | None

    def as_json(self) -> dict[str, str | None]:
        """Return it under its stable keys."""
        return {"kind": self.kind, "url": self.url}


NOWHERE = Destination(NONE, None)


class Bound(Protocol):
    """What says where it is bound for: an envelope, or its header line alone."""

    @property
    def origin(self) -> str:
        """`record` or `gate`."""
        ...

    @property
    def target(self) -> str | None:
        """Where it was bound for, if the program said so."""
        ...


def destination_of(
    envelope: Bound, endpoint: str | None, *, is_proposed: bool = False
) -> Destination:
    """Return where an envelope goes: what was intercepted, only where it was bound for.

    Args:
        envelope: of any origin; the target that its file names counts only if it was intercepted.
        endpoint: the user's, for our own payloads; None if there is none.
        is_proposed: whether it is only what a yes would make it (`Decision.is_proposed`).
    """
    if envelope.origin != INTERCEPTED:
        return to_endpoint(endpoint, is_proposed=is_proposed)
    is_fit = envelope.target is not None and endpoint_problem(envelope.target) is None
    return Destination(UPSTREAM, envelope.target) if is_fit else NOWHERE


def to_endpoint(endpoint: str | None, *, is_proposed: bool = False) -> Destination:
    """Return where what a program records goes."""
    if endpoint is None:
        return NOWHERE
    return Destination(PROPOSED if is_proposed else ENDPOINT, endpoint)


def bound_for(envelope: Bound, endpoint: str | None) -> str | None:
    """Return the URL of `destination_of`; None if it goes nowhere."""
    return destination_of(envelope, endpoint).url
