"""Take everything back: what is pending, what is kept of what was sent, and the cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .consent import cookie
from .outbox.store import BOXES, Outbox

if TYPE_CHECKING:
    from .paths import Places


def discard(places: Places, directory: str) -> dict[str, int]:
    """Remove all payloads of this machine and the cookie of `directory`; say how many of each.

    A locked or unsafe cookie is left as it is: it identifies nobody.

    Raises:
        CookieError: the cookie could not be removed.
    """
    outbox = Outbox(places.state)
    removed = {box: outbox.clear(box) for box in BOXES}
    removed["cookie"] = 0
    if cookie.look(directory).state == cookie.PRESENT:
        cookie.reset(directory, create=False)
        removed["cookie"] = 1
    return removed
