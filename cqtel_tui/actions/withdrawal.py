"""Take back what was recorded: what is pending, what is kept of what was sent, the cookie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent import cookie as cookies
from ..files import is_locked
from ..outbox.envelope import app_of
from ..outbox.included import clear_included
from ..outbox.losses import forget_losses
from ..outbox.projects import clear_projects
from ..outbox.runs import clear_intercepted, clear_runs
from ..outbox.shown import clear_shown
from ..outbox.store import BOXES, LOCK, SET_ASIDE, Outbox
from .erasing import offered_erasure
from .programs import is_any_on, known_programs, name_of
from .results import Confirmation, Message, Result, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..consent import Program
    from ..consent.cookie import Cookie
    from ..paths import Places
    from .erasing import ErasurePlan

_NAMES = {"set-aside": "set aside"}


@dataclass(frozen=True, slots=True)
class WithdrawalPlan:
    """What would be deleted on this machine.

    Attributes:
        program: whose payloads; None for those of all programs.
        directory: whose cookie, a real path; None for a current directory that is gone.
        confirmation: what is asked before.
        erasure: what can be erased at the collector first, for the cookie is the key to it; None
            if there is nothing to be erased.
        remains: what is there if it is not deleted; empty if nothing is.
    """

    program: Program
    directory: str | None
    confirmation: Confirmation
    erasure: ErasurePlan | None
    remains: tuple[Message, ...]


def plan_withdrawal(
    program: Program,
    directory: str | None,
    cookie: Cookie | None,
    payloads: int,
    endpoint: str | None,
) -> WithdrawalPlan:
    """Return what deleting everything would mean.

    Args:
        program: whose payloads; None for those of all programs.
        directory: whose cookie, a real path; None for a current directory that is gone.
        cookie: the cookie as it is now; None where there is no directory, or it is another
            program's, too.
        payloads: how many of the program are in all boxes.
        endpoint: where payloads go to; None for nowhere.
    """
    asking = Confirmation(
        f"Telemetry of {name_of(program)} is off. Delete what was recorded, too?",
        (
            "Pending payloads, the sent history and the installation ID. This cannot be undone."
            if cookie is not None
            else "Its pending payloads and its sent history. This cannot be undone.",
        ),
        "yes, delete all",
        "no, leave it",
    )
    erasure = None if cookie is None else offered_erasure(cookie, endpoint)
    has_cookie = cookie is not None and cookie.state == cookies.PRESENT
    remains = []
    if payloads or has_cookie:
        what = [number(payloads, "payload")] * bool(payloads) + ["the installation ID"] * has_cookie
        command = "to delete them: cq-telemetry off --discard"
        remains.append(Message(f"still here: {', '.join(what)}", command))
    if erasure is not None:
        text = f"still at {erasure.endpoint}: the data under this ID"
        remains.append(Message(text, "to erase it: cq-telemetry erase"))
    return WithdrawalPlan(program, directory, asking, erasure, tuple(remains))


def read_withdrawal(
    places: Places, program: Program, directory: str | None, endpoint: str | None
) -> WithdrawalPlan:
    """Look at what there is, and return what deleting all of it would mean.

    The cookie stays as long as another program has a yes: it is that program's, too.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    outbox = Outbox(places.state)
    if program is None or _is_alone(places, program):
        payloads = sum(len(outbox.names(box)) for box in (*BOXES, SET_ASIDE))
    else:
        payloads = sum(app_of(name) == program for box in BOXES for name in outbox.names(box))
    is_lost = directory is not None and not (program and is_any_on(places, directory))
    cookie = cookies.look(directory, places.state) if directory and is_lost else None
    return plan_withdrawal(program, directory, cookie, payloads, endpoint if is_lost else None)


def discard(places: Places, plan: WithdrawalPlan) -> Result:
    """Remove all payloads of a program, or of this machine, and the cookie of a directory.

    The cookie of another project is that project's. A locked or unsafe one is left as it is: it
    identifies nobody.

    Raises:
        CqtelError: the outbox cannot be read, or the cookie could not be removed.
        OSError: a payload could not be removed.
    """
    outbox = Outbox(places.state)
    state = places.state
    program = None if _is_alone(places, plan.program) else plan.program
    removed = {box: outbox.clear(box, program) for box in (*BOXES, SET_ASIDE)}
    if not is_locked(outbox.folder / LOCK):  # whoever sends does that, too
        outbox.settle()
    if program is None:
        _clear_traces(state)
    else:
        clear_runs(state, program)
    is_kept = plan.directory is None or (program and is_any_on(places, plan.directory))
    has_cookie = not is_kept and _remove_cookie(plan.directory, state)
    return Result((Message(_removed_words(removed, has_cookie=has_cookie)),))


def _remove_cookie(directory: str | None, state: str) -> bool:
    """Remove the cookie of a directory; tell whether there was one."""
    if directory is None or cookies.look(directory, state).state != cookies.PRESENT:
        return False
    cookies.reset(directory, state, create=False)
    return True


def _is_alone(places: Places, program: Program) -> bool:
    """Tell whether no other program has anything here, so that all that there is is of this one."""
    return not set(known_programs(places)) - {program}


def _clear_traces(state: str) -> None:
    """Remove what is noted beside the payloads."""
    clear_intercepted(state)
    clear_runs(state)
    clear_included(state)
    clear_shown(state)
    clear_projects(state)
    forget_losses(state)


def _removed_words(removed: Mapping[str, int], *, has_cookie: bool) -> str:
    words = [
        number(count, f"{_NAMES.get(box, box)} payload") for box, count in removed.items() if count
    ]
    words += ["the installation ID"] * has_cookie
    return f"deleted: {', '.join(words) or 'nothing, there was nothing'}"
