"""Remove everything of ours from this machine: payloads, receipts, notes, every cookie."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent import FILE_NAME
from ..consent import cookie as cookies
from ..consent.cookie_file import COOKIES
from ..consent.foreign import refuse_foreign
from ..errors import CqtelError
from ..files import is_locked
from ..gate.profiles import FOLDER as PROFILES
from ..outbox.store import BOXES, LOCK, SET_ASIDE, Outbox
from .erasing import offered_erasure
from .programs import collectors
from .results import Confirmation, Message, Result, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..consent.cookie import Cookie
    from ..paths import Places
    from .erasing import ErasurePlan

_MAX_RECORD = 8192


@dataclass(frozen=True, slots=True)
class ForgettingPlan:
    """What would be removed from this machine.

    Attributes:
        projects: the folders with a cookie that was made here, real paths.
        names: what would be removed of the folders of state and configuration, as paths.
        erasures: what can be erased at collectors first, for the cookies are the keys to it.
        confirmation: what is asked before; None if there is nothing to remove.
    """

    projects: tuple[str, ...]
    names: tuple[str, ...]
    erasures: tuple[ErasurePlan, ...]
    confirmation: Confirmation | None


def read_forgetting(places: Places, *, with_choices: bool) -> ForgettingPlan:
    """Look at what there is of ours, and return what removing it would mean.

    Args:
        places: where it is.
        with_choices: whether what was chosen is to be removed, too: what was refused is not refused
            then, and what was allowed not allowed.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    cookies_here = dict(_cookies(places.state))
    names = tuple(_names(places, with_choices=with_choices))
    outbox = Outbox(places.state)
    payloads = sum(len(outbox.names(box)) for box in (*BOXES, SET_ASIDE))
    erasures = tuple(
        plan
        for url in collectors(places)
        for cookie in cookies_here.values()
        if (plan := offered_erasure(cookie, url)) is not None
    )
    asking = Confirmation(
        "Remove everything of cqtel from this machine?",
        (
            f"{number(payloads, 'payload')} with receipts, and all that was noted beside them.",
            *(f"The installation ID in {directory}." for directory in cookies_here),
            "Your choices, too: nothing is refused or allowed then."
            if with_choices
            else "Your choices stay. To remove them, too: --choices.",
            "This cannot be undone.",
        ),
        "yes, remove all",
        "no, leave it",
    )
    has_any = bool(cookies_here or names)
    return ForgettingPlan(tuple(cookies_here), names, erasures, asking if has_any else None)


def _cookies(state: str) -> Iterator[tuple[str, Cookie]]:
    """Return the folders where a cookie lies that was made on this machine, each with it."""
    folder = Path(state, COOKIES)
    try:
        records = sorted(folder.iterdir())
    except OSError:
        return
    for record in records:
        try:
            directory = os.fsdecode(record.read_bytes()[:_MAX_RECORD].partition(b"\n")[2])
        except OSError:
            continue
        if directory and (cookie := cookies.look(directory, state)).state == cookies.PRESENT:
            yield directory, cookie


def _names(places: Places, *, with_choices: bool) -> Iterator[str]:
    """Return what lies in our folders and is to go; profiles are a person's own work, and stay."""
    for folder in dict.fromkeys((places.state, places.config)):
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208  # names alone
        except OSError:
            continue
        for name in names:
            is_choice = FILE_NAME in name
            if name != PROFILES and (with_choices if is_choice else folder == places.state):
                yield f"{folder}/{name}"


def forget(places: Places, plan: ForgettingPlan) -> Result:
    """Remove what is planned, the cookies first; what was refused stays refused until the end.

    Raises:
        CqtelError: something could not be removed: what is left is named.
    """
    refuse_foreign(places.state)
    if is_locked(Outbox(places.state).folder / LOCK):
        raise CqtelError("Payloads are being sent right now. Try again in a minute.")
    for directory in plan.projects:
        cookies.reset(directory, places.state, create=False)
    left = []
    for name in sorted(plan.names, key=lambda name: FILE_NAME in name):
        try:
            if os.path.isdir(name) and not os.path.islink(name):  # noqa: PTH112, PTH114
                shutil.rmtree(name)
            else:
                os.unlink(name)  # noqa: PTH108
        except FileNotFoundError:
            continue
        except OSError as error:
            left.append(f"{name} ({error.strerror})")
    if left:
        raise CqtelError(f"These could not be removed: {', '.join(left)}. Remove them yourself.")
    ids = number(len(plan.projects), "installation ID")
    return Result(
        (
            Message(f"removed: all payloads, receipts and notes, and {ids}"),
            Message("what is recorded from now on is kept anew", "to refuse it: cq-telemetry off"),
        )
    )
