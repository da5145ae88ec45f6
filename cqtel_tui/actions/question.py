"""The question of consent, and the answers that there are to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..outbox.envelope import Envelope


WAIT_UNTOUCHED = 30.0
"""Seconds without a key, after which nobody is there: decide later."""
WAIT_AT_MOST = 60.0
"""Seconds after which it is decided later, whatever was scrolled."""


class Answer(Enum):
    """What may be answered. `LATER` is what everything else counts as."""

    REFUSE = "n"
    ALLOW = "a"
    ALLOW_AND_SEND = "s"
    SHOW = "v"
    LATER = "l"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about.

    Attributes:
        envelope: the payload of the command that has just run.
        held: how many payloads are held, this one included.
        endpoint: where a yes would send them; None for nowhere yet.
    """

    envelope: Envelope
    held: int
    endpoint: str | None


def words(question: Question) -> dict[Answer, str]:
    """Return the answers, in words, in the order in which they are offered."""
    held = "it" if question.held == 1 else f"the {question.held} held"
    return {
        Answer.REFUSE: "don't send",
        Answer.ALLOW: "allow from now on",
        Answer.ALLOW_AND_SEND: f"allow, and send {held}",
        Answer.SHOW: "show me everything",
        Answer.LATER: "decide later",
    }
