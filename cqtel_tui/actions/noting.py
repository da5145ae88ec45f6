"""Note each choice in the history, whichever face it was made by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent.history import DEBUG, ENDPOINT, TELEMETRY, Chosen, note
from .results import Message

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from ..consent import Program
    from ..paths import Places
    from .results import Confirmation

    class Scope(Protocol):
        """What a choice is for."""

        @property
        def program(self) -> Program:
            """The program; None for all."""

        @property
        def project(self) -> str | None:
            """The project, a real path; None for all."""


@dataclass(frozen=True, slots=True)
class Shown:
    """By which face a choice was made, and what it showed before.

    Attributes:
        face: one of `consent.history`'s.
        notice: the words; empty if none were shown.
    """

    face: str
    notice: str = ""


UNKNOWN = Shown("unknown")


def asked_at(face: str, confirmation: Confirmation | None) -> Shown:
    """Return what a face showed that asks as a plan has it."""
    if confirmation is None:
        return Shown(face)
    return Shown(face, "\n".join((confirmation.question, *confirmation.details)))


def note_choice(
    places: Places, change: Mapping[str, Any], scope: Scope, by: Shown, *, is_undo: bool = False
) -> tuple[Message, ...]:
    """Write down what was chosen; return what went wrong: the choice itself is saved.

    Args:
        places: where the state folder is.
        change: the keys of a choice that were saved, with their values; None for one taken away.
        scope: what it is for.
        by: who showed what.
        is_undo: whether another choice was taken back.
    """
    what = next(key for key in (TELEMETRY, DEBUG, ENDPOINT) if key in change)
    value = change[what]
    words = {True: "on", False: "off", None: ""}.get(value, value)
    catalogue = change.get("catalogue") or 0
    chosen = Chosen(
        time.time_ns(),
        scope.program,
        scope.project,
        what,
        str(words),
        by.face,
        catalogue=catalogue,
        is_undo=is_undo,
        contract=change.get("contract") or "",
    )
    try:
        note(places.state, chosen, by.notice)
    except OSError as error:
        why = error.strerror or str(error)
        text = f"the choice is saved, but not noted for cq-telemetry consent: {why}"
        return (Message(text, is_warning=True),)
    return ()
