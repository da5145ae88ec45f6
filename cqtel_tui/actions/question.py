"""The question of consent, and the answers that there are to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ..consent.decision import OFF, ON
from .choosing import plan_telemetry, set_telemetry
from .programs import name_of
from .results import Message, Result
from .sending import send_due

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..outbox.envelope import Envelope
    from ..paths import Places
    from .choosing import TelemetryPlan


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
        pending: how many payloads of its program are pending, this one included.
        endpoint: where a yes would send them; None for nowhere yet.
    """

    envelope: Envelope
    pending: int
    endpoint: str | None

    @property
    def program(self) -> str:
        """The program that is asked for: a yes is for no other."""
        return self.envelope.app


def words(question: Question) -> dict[Answer, str]:
    """Return the answers, in words, in the order in which they are offered."""
    them = "it" if question.pending == 1 else f"the {question.pending} pending"
    return {
        Answer.REFUSE: "don't send",
        Answer.ALLOW: "allow from now on",
        Answer.ALLOW_AND_SEND: f"allow, and send {them}",
        Answer.SHOW: "show me everything",
        Answer.LATER: "decide later",
    }


def destination(question: Question) -> str:
    """Return where payloads would go after a yes, as a sentence."""
    if question.endpoint is None:
        return "No endpoint is set yet: payloads stay here until you set one."
    return f"If you allow it, payloads go to {question.endpoint}."


def plan_answers(question: Question, pending: Sequence[str]) -> dict[Answer, TelemetryPlan]:
    """Return what each answer would save; nothing for those that decide nothing.

    Args:
        question: what is asked.
        pending: the ids of what is pending of the program while it is asked. What comes later is
            covered by no answer to this question.
    """
    program, endpoint = question.program, question.endpoint
    yes = plan_telemetry(ON, program, endpoint=endpoint, pending=pending)
    no = plan_telemetry(OFF, program, endpoint=endpoint)
    return {Answer.REFUSE: no, Answer.ALLOW: yes, Answer.ALLOW_AND_SEND: yes}


def answered(places: Places, plans: Mapping[Answer, TelemetryPlan], answer: Answer) -> Result:
    """Save an answer that is one; have a sender started if that is what was asked for.

    Raises:
        CqtelError: nothing was saved.
    """
    change = "To change it: cq-telemetry-ui"
    plan = plans.get(answer)
    if plan is None:
        return Result((Message("nothing was decided or sent", change),))
    is_included = answer is Answer.ALLOW_AND_SEND
    saved = set_telemetry(places, plan, include_pending=is_included)
    if is_included and plan.endpoint is not None:
        send_due(places)
    return Result((Message(_outcome(plan, answer), change),), saved.undo)


def _outcome(plan: TelemetryPlan, answer: Answer) -> str:
    telemetry = f"telemetry of {name_of(plan.program)}"
    if answer is Answer.REFUSE:
        return f"{telemetry} is off. To delete what is pending: cq-telemetry off --discard"
    if answer is Answer.ALLOW:
        return f"{telemetry} is on from now on; what was already pending stays here"
    if plan.endpoint is None:
        return f"{telemetry} is on; no endpoint is set yet: payloads stay here until you set one"
    return f"{telemetry} is on; what is pending is sent now"
