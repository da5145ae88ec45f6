"""Say where a payload would go: one rule for the sender, for exports, and for whoever asks."""

from __future__ import annotations

from typing import Protocol

from ..consent.endpoint import endpoint_problem
from ..formats import OPAQUE, UNREDACTED

__all__ = ["INTERCEPTED", "UNREAD", "UNREDACTED", "UNREDACTED_WORDS", "Bound", "bound_for"]

INTERCEPTED = "gate"
"""The origin of what was intercepted."""
UNREAD = OPAQUE
"""The kind of what nobody here can read: it goes only where the user has named it."""

UNREDACTED_WORDS = (
    "This could not be redacted, so it is never sent. What was intercepted is kept here to be read."
)


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


def bound_for(envelope: Bound, endpoint: str | None) -> str | None:
    """Return the URL that an envelope goes to: what was intercepted, only where it was bound for.

    Args:
        envelope: of any origin; the target that its file names counts only if it was intercepted.
        endpoint: the user's, for our own payloads; None if there is none.

    Returns:
        the URL; None if it goes nowhere.
    """
    if envelope.origin != INTERCEPTED:
        return endpoint
    return None if endpoint_problem(envelope.target) else envelope.target
