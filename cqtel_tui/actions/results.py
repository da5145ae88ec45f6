"""What an action asks before it changes anything, and what it tells afterwards, in words.

Texts are sentences without a capital letter and a full stop: each face writes them as it does. They
may hold untrusted text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A question to be answered before something is changed; no answer is a no.

    Attributes:
        question: a whole sentence.
        details: more about it, a line each.
        yes: the answer that lets it happen.
        no: the answer that leaves everything as it is.
        others: what else may be answered, each with its key.
    """

    question: str
    details: tuple[str, ...] = ()
    yes: str = "yes"
    no: str = "no, go back"
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """Something that happened, or did not, and what its user can do about it.

    Attributes:
        text: what happened.
        command: what can be done on the command line; empty if there is nothing.
        key: what can be done in the terminal UI; empty if there is nothing.
        is_warning: it is not what was asked for.
    """

    text: str
    command: str = ""
    key: str = ""
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take an action back.

    Attributes:
        what: what is taken back.
        take_back: does it; raises as the action does.
    """

    what: str
    take_back: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Result:
    """What an action changed.

    Attributes:
        messages: what happened.
        undo: how to take it back; None where that cannot be done.
        lines: one for each thing that was changed, for a face that lists them.
        problem: what stopped it halfway; None if it was done as planned.
    """

    messages: tuple[Message, ...] = ()
    undo: Undo | None = None
    lines: tuple[str, ...] = ()
    problem: Exception | None = None


def take_back(undo: Undo) -> Result:
    """Take an action back; what raises is told like what an action raises."""
    undo.take_back()
    return Result((Message(f"undone: {undo.what}"),))


def number(count: int, what: str) -> str:
    """Return how many of something there are, in words."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
