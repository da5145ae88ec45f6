"""The question of consent, and the answers that there are to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from ..consent.decision import OFF, ON
from ..consent.history import PROMPT
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..review.destination import bound_for
from ..sanitize import one_line
from .choosing import plan_telemetry, set_telemetry
from .destinations import Outlook, brief, outlook_lines, read_outlook
from .noting import Shown
from .programs import name_of
from .results import Message, Result
from .sending import ALL, send, send_due, sending_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..outbox.envelope import Envelope
    from ..paths import Places
    from .choosing import TelemetryPlan


_MAX_PROGRAM = 40
WAIT_UNTOUCHED = 30.0
"""Seconds without a key, after which nobody is there: decide later."""
WAIT_AT_MOST = 60.0
"""Seconds after which it is decided later, whatever was scrolled."""


class Answer(Enum):
    """What may be answered. `LATER` is what everything else counts as."""

    REFUSE = "n"
    ONCE = "o"
    ALLOW = "a"
    ALLOW_AND_SEND = "s"
    SHOW = "v"
    LATER = "l"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about.

    Attributes:
        envelope: the payload of the command that has just run.
        outlook: where payloads of its program go, and what is pending of it, this one included.
        places: where the programs' contracts are, which know fields of their own; None to ask none.
    """

    envelope: Envelope
    outlook: Outlook
    places: Places | None = None

    @property
    def program(self) -> str:
        """The program that is asked for: a yes is for no other."""
        return self.envelope.app

    @property
    def is_again(self) -> bool:
        """Whether telemetry is on, and the contract asks for more."""
        return self.outlook.terms is not None and self.outlook.terms.is_again

    @property
    def title(self) -> str:
        """What has happened."""
        program = one_line(self.program, _MAX_PROGRAM)
        if self.is_again:
            return f"{program} asks for more than you agreed to."
        return f"{program} recorded this run."

    @property
    def subtitle(self) -> str:
        """What that means so far, and what is asked."""
        if self.is_again:
            return "It was left out. Agree?"
        return "Nothing was sent. Send it?"

    @property
    def news(self) -> list[str]:
        """What the program's contract asks, a line each: where it is all new, the fields say it."""
        terms = self.outlook.terms
        if terms is None:
            return []
        return terms.lines if self.is_again else [terms.about]

    @property
    def pending(self) -> int:
        """How many payloads of the program are pending."""
        return len(self.outlook.pending)

    @property
    def url(self) -> str | None:
        """Where the payload itself would go after a yes; None for nowhere."""
        listed = self.outlook.listed.items()
        endpoint = next(
            (where for where, ids in listed if self.envelope.id in ids), self.outlook.endpoint
        )
        return bound_for(self.envelope, endpoint)


def read_question(places: Places, envelope: Envelope) -> Question:
    """Look up what a question about an envelope's program says.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    return Question(envelope, read_outlook(places, envelope.app), places)


def words(question: Question) -> dict[Answer, str]:
    """Return the answers, in words, in the order in which they are offered."""
    if question.is_again:
        return {
            Answer.REFUSE: "turn telemetry off",
            Answer.ALLOW: "agree",
            Answer.SHOW: "review",
            Answer.LATER: "later",
        }
    these = "send it" if question.pending == 1 else f"these {question.pending}"
    held = "it" if question.pending == 1 else f"the {question.pending}"
    return {
        Answer.REFUSE: "never",
        Answer.ONCE: f"once: send {held} now",
        Answer.ALLOW: "always, from now on",
        Answer.ALLOW_AND_SEND: f"always, and {these}",
        Answer.SHOW: "review",
        Answer.LATER: "later",
    }


def destination_in_brief(question: Question) -> str:
    """Return where payloads would go after a yes, in a sentence."""
    return brief(question.outlook)


def destination(question: Question) -> list[str]:
    """Return where payloads would go after a yes, a line each."""
    return outlook_lines(question.outlook)


def plan_answers(question: Question) -> dict[Answer, TelemetryPlan]:
    """Return what each answer would save; nothing for those that decide nothing.

    What comes while it is asked is covered by no answer to this question.
    """
    yes = plan_telemetry(ON, question.program, outlook=question.outlook)
    no = plan_telemetry(OFF, question.program)
    return {Answer.REFUSE: no, Answer.ALLOW: yes, Answer.ALLOW_AND_SEND: yes}


def answered(
    places: Places, question: Question, plans: Mapping[Answer, TelemetryPlan], answer: Answer
) -> Result:
    """Save an answer that is one; have a sender started if that is what was asked for.

    Raises:
        CqtelError: nothing was saved, or nothing could be sent.
    """
    if answer is Answer.ONCE:
        return _send_once(places, question)
    change = "To change it: cq-telemetry-ui"
    plan = plans.get(answer)
    if plan is None:
        return Result((Message("nothing was decided or sent", change),))
    is_included = answer is Answer.ALLOW_AND_SEND
    shown = (*question.news, *destination(question), *words(question).values())
    by = Shown(PROMPT, "\n".join(shown))
    saved = set_telemetry(places, plan, include_pending=is_included, by=by)
    if is_included:
        send_due(places)
    return Result((Message(_outcome(plan, answer), change),), saved.undo)


def _send_once(places: Places, question: Question) -> Result:
    """Send what was listed in the question, and nothing else; nothing is decided."""
    wanted = set(question.outlook.pending)
    labels = [label for label in Outbox(places.state).labels(PENDING) if label.id in wanted]
    deliveries = list(send(places, labels, replace(ALL, is_once=True)))
    result = sending_result(labels, deliveries)
    return Result((*result.messages, Message("nothing is decided for later")))


def _outcome(plan: TelemetryPlan, answer: Answer) -> str:
    telemetry = f"telemetry of {name_of(plan.program)}"
    if answer is Answer.REFUSE:
        return f"{telemetry} is off. To delete what is pending: cq-telemetry off --discard"
    if plan.outlook.terms is not None and plan.outlook.terms.is_again:
        return f"{telemetry} is on, for what is new, too"
    if answer is Answer.ALLOW:
        return f"{telemetry} is on from now on; what was already pending stays here"
    if not any(where.url for where in plan.outlook.bound):
        return f"{telemetry} is on; no endpoint is set yet: payloads stay here until you set one"
    return f"{telemetry} is on; what is pending is sent now"
