"""Reset, lock and unlock the installation ID of a directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent import cookie as cookies
from ..gate.shipped import PROFILES
from .erasing import offered_erasure
from .programs import is_any_on
from .results import Confirmation, Message, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..consent.cookie import Cookie
    from ..paths import Places
    from .erasing import ErasurePlan

RESET = "reset"
LOCK = "lock"
UNLOCK = "unlock"
_QUESTIONS = {
    RESET: ("Reset the installation ID?", "The next payload has a new ID, or none."),
    LOCK: (
        "Lock the installation ID?",
        "No payload has an ID from then on. Earlier releases' files are locked, too.",
    ),
    UNLOCK: ("Unlock the installation ID?", "The next payload may have a new ID."),
}


@dataclass(frozen=True, slots=True)
class IdentityPlan:
    """A change of the installation ID.

    Attributes:
        action: `reset`, `lock` or `unlock`.
        directory: whose ID, a real path.
        confirmation: what is asked before.
        erasure: what can be erased at the collector first, for the ID is the key to it; None if
            the ID is not lost, or there is nothing to be erased.
        named: folders that stand in for the directory's `.cq`, where earlier releases kept one.
    """

    action: str
    directory: str
    confirmation: Confirmation
    erasure: ErasurePlan | None
    named: tuple[str, ...] = ()


def named_folders(folders: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the folders that a program keeps its files in, in place of `.cq`.

    Args:
        folders: those that the user names; the environment may name more.
    """
    variables = sorted({name for profile in PROFILES for name in profile.folder_variables})
    return (*folders, *(folder for name in variables if (folder := os.environ.get(name))))


def plan_identity(
    action: str,
    directory: str,
    cookie: Cookie,
    endpoint: str | None,
    named: tuple[str, ...] = (),
) -> IdentityPlan:
    """Return what a change of the installation ID would mean.

    Args:
        action: `reset`, `lock` or `unlock`.
        directory: whose ID, a real path.
        cookie: the ID as it is now.
        endpoint: where payloads go to; None for nowhere.
        named: folders that stand in for its `.cq` (see `named_folders`).
    """
    question, detail = _QUESTIONS[action]
    asking = Confirmation(question, (detail,), f"yes, {action} it")
    erasure = None if action == UNLOCK else offered_erasure(cookie, endpoint)
    return IdentityPlan(action, directory, asking, erasure, named)


def change_identity(places: Places, plan: IdentityPlan) -> Result:
    """Reset, lock or unlock the installation ID.

    Raises:
        CookieError: it could not be changed.
    """
    state = places.state
    if plan.action == LOCK:
        return _listed("locked", cookies.lock(plan.directory, state, plan.named))
    if plan.action == UNLOCK:
        return _listed("unlocked", cookies.unlock(plan.directory, state, plan.named))
    # Asked anew: nobody gets a new ID by a yes that was taken back meanwhile.
    is_on = is_any_on(places, plan.directory)
    old, new = cookies.reset(plan.directory, state, create=is_on)
    words = f"{old or 'no installation ID'} → {new or 'none, until telemetry is on'}"
    return Result((Message(words),))


def _listed(done: str, paths: Sequence[str]) -> Result:
    text = f"{done}: {', '.join(paths) if paths else 'no change'}"
    return Result((Message(text),))
