"""Take everything back: what is pending, what is kept of what was sent, and the cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..consent import cookie
from ..files import is_locked
from ..outbox.included import clear_included
from ..outbox.losses import forget_losses
from ..outbox.projects import clear_projects
from ..outbox.runs import clear_intercepted, clear_runs
from ..outbox.shown import clear_shown
from ..outbox.store import BOXES, LOCK, SET_ASIDE, Outbox

if TYPE_CHECKING:
    from ..paths import Places


def discard(places: Places, directory: str | None) -> dict[str, int]:
    """Remove all payloads of this machine and the cookie of `directory`; say how many of each.

    The cookie of another project is that project's. A locked or unsafe one is left as it is: it
    identifies nobody.

    Args:
        places: where the outbox is.
        directory: a real path; None for a current directory that is gone.

    Raises:
        CqtelError: the outbox cannot be read, or the cookie could not be removed.
        OSError: a payload could not be removed.
    """
    outbox = Outbox(places.state)
    removed = {box: outbox.clear(box) for box in (*BOXES, SET_ASIDE)}
    if not is_locked(outbox.folder / LOCK):  # whoever sends does that, too
        outbox.settle()
    clear_intercepted(places.state)
    clear_runs(places.state)
    clear_included(places.state)
    clear_shown(places.state)
    clear_projects(places.state)
    forget_losses(places.state)
    removed["cookie"] = 0
    state = places.state
    if directory is not None and cookie.look(directory, state).state == cookie.PRESENT:
        cookie.reset(directory, state, create=False)
        removed["cookie"] = 1
    return removed
