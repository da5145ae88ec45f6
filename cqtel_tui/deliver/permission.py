"""Say whether a payload may go, and where to: the one answer for all who send, show or count.

`permission` is a pure function of an envelope, of what is known of the user's consent, and of how
sending was asked for. `grounds` looks up what is known, anew for each payload: a no that came
meanwhile counts.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent.choices import read_user
from ..consent.contract_seen import covers, propose
from ..consent.decision import HOLD, OFF, ON, PROJECT, ask, yes_mark
from ..consent.layers import why
from ..outbox.deliveries import NOT_BEGUN, Deliveries, Delivery
from ..outbox.included import included
from ..outbox.projects import path_of
from ..outbox.store import REJECTED, Outbox
from ..outbox.writing import project_mark
from ..review.destination import INTERCEPTED, UNREAD, UNREDACTED, bound_for
from ..review.headers import OF_HTTP

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from ..consent.decision import Decision
    from ..outbox.envelope import Envelope
    from ..paths import Places

# What a header is made of: RFC 9110 §5.1 and §5.5, printable ASCII.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([\t -~]*[!-~])?)?")

NO_ENDPOINT = "no endpoint is set"
NOT_INCLUDED = "it was recorded before you allowed this destination, and was not included"
"""Why a payload stays that was pending before the yes."""
SENDER_ENDED = "the sender ended before there was a response"
"""Why a payload is in doubt."""


@dataclass(frozen=True, slots=True)
class SendRequest:
    """How the sending of one payload was asked for.

    Attributes:
        by_user: the user has asked for it right now; else a yes that was saved has to cover it.
        is_named: the user has named this very payload, and not just all that is pending.
        was_read: its text was shown to the user.
        is_once: the user allows it this once, whatever is undecided; a no holds all the same.
    """

    by_user: bool = False
    is_named: bool = False
    was_read: bool = False
    is_once: bool = False


DUE = SendRequest()
"""Nobody has asked: the detached sender."""
ALL = SendRequest(by_user=True)
"""The user has asked for all that is pending."""
NAMED = SendRequest(by_user=True, is_named=True)
"""The user has asked for each one by its id. Whether its text was read is another question."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is known of the user's consent to one payload at this moment.

    Attributes:
        decision: what all layers come to for its program, in its project.
        included: the ids of what was pending before a yes, and is covered by it.
        hears_project: whether its project is there to be asked for a no of its own.
        delivery: whether it was answered, or may have been sent.
        is_agreed: whether all its fields of the program's own are in the contract agreed to.
    """

    decision: Decision
    included: Container[str] = frozenset()
    hears_project: bool = True
    delivery: Delivery = NOT_BEGUN
    is_agreed: bool = True


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a payload may go, and where to.

    Attributes:
        url: where it is bound for; None for nowhere.
        refusal: why it may not go, as a sentence's end; empty if it may.
        remedy: what the user can do about that; empty if there is nothing.
        is_for_all: the refusal holds for every payload of this program, so that asking for the next
            one is pointless.
        warning: what the user should know before it goes; empty if there is nothing.
    """

    url: str | None
    refusal: str = ""
    remedy: str = ""
    is_for_all: bool = False
    warning: str = ""

    @property
    def is_excluded(self) -> bool:
        """Whether it stays only because the yes did not include what was pending before it."""
        return self.refusal == NOT_INCLUDED

    @property
    def reason(self) -> str:
        """The refusal, and what to do about it."""
        return f"{self.refusal}. {self.remedy}" if self.remedy else self.refusal


def permission(envelope: Envelope, known: Grounds, request: SendRequest) -> Permission:
    """Return whether an envelope's payload may go now, and where to. A pure function.

    Args:
        envelope: opened, and so known to be intact.
        known: of the user's consent to it.
        request: how its sending was asked for.
    """
    url = bound_for(envelope, known.decision.endpoint)
    return (
        _answered(url, envelope, known.delivery)
        or _refused_by_consent(url, known.decision, request)
        or _unfit(url, envelope)
        or _in_doubt(url, envelope, known.delivery, request)
        or _not_shown(url, envelope, known, request)
        or (None if request.by_user else _uncovered(url, envelope, known))
        or Permission(url, warning=_doubt(known.delivery))
    )


def grounds(
    places: Places,
    envelope: Envelope,
    options: Sequence[str] = (),
    deliveries: Deliveries | None = None,
) -> Grounds:
    """Return what is known of the user's consent to a payload, and of its delivery.

    A project whose folder is gone, or that is not known on this machine, cannot say no. What was
    recorded there goes where the user asks for it, and never by itself.

    Args:
        places: where the choices, the lists, the projects and the outbox are.
        envelope: opened, whatever box it lies in.
        options: the telemetry options given on the command line.
        deliveries: what is known of deliveries, where that was looked up already.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    decision, directory = decision_for(places, envelope, options)
    is_there = directory is not None and os.path.isdir(directory)  # noqa: PTH112  # as it was noted
    covered = included(places.state, decision) if decision.state == ON else frozenset[str]()
    deliveries = deliveries or Deliveries(Outbox(places.state))
    is_agreed = covers(places.state, decision, envelope.contract)
    return Grounds(decision, covered, is_there, deliveries.of(envelope.id), is_agreed)


def decision_for(
    places: Places, envelope: Envelope, options: Sequence[str] = ()
) -> tuple[Decision, str | None]:
    """Return what holds for an envelope's program in its project, and where that is, if known.

    An undecided program's payloads are bound for where a yes to its contract would have them go.
    """
    directory = path_of(places.state, envelope.project)
    if directory is None:
        chosen_for = read_user(places.config).projects
        marks = {project_mark(path): path for path in chosen_for}
        directory = marks.get(envelope.project)
    # A project that nobody knows has no say of its own: any folder without one will do.
    decision = ask(places, options, None, directory or places.state, program=envelope.app)
    return propose(places.state, decision), directory


def _answered(url: str | None, envelope: Envelope, delivery: Delivery) -> Permission | None:
    if not delivery.answered:
        return None
    if delivery.answered == REJECTED:
        return Permission(url, "it was rejected", f"To try again: cq-telemetry retry {envelope.id}")
    return Permission(url, "it was sent before", "Its receipt: cq-telemetry sent")


def _in_doubt(
    url: str | None, envelope: Envelope, delivery: Delivery, request: SendRequest
) -> Permission | None:
    if delivery.begun is None or (request.is_named and not delivery.is_under_way):
        return None
    if delivery.is_under_way:
        return Permission(url, f"{_doubt(delivery)}, and a sender is at work", "Look again later")
    remedy = (
        f"To send it all the same: cq-telemetry send {envelope.id}; to delete it: "
        f"cq-telemetry drop {envelope.id}"
    )
    return Permission(url, f"{_doubt(delivery)}: {SENDER_ENDED}", remedy)


def _doubt(delivery: Delivery) -> str:
    if delivery.begun is None:
        return ""
    to = f" to {delivery.begun.url}" if delivery.begun.url else ""
    return f"it may have been sent{to}"


def _refused_by_consent(
    url: str | None, decision: Decision, request: SendRequest
) -> Permission | None:
    if decision.inspect:
        refusal = "telemetry is only inspected (--inspect-telemetry or CQ_INSPECT_TELEMETRY)"
        return Permission(url, refusal, is_for_all=True)
    if decision.state == ON or (request.is_once and decision.state == HOLD):
        return None
    # A project's own no is for what was recorded there.
    is_projects = {one[0] for one in decision.statements if one[1] == OFF} == {PROJECT}
    state = "off" if decision.state == OFF else "undecided"
    refusal = f"telemetry of {decision.program} is {state}: {why(decision)}"
    remedy = f"To allow it: cq-telemetry on --program {decision.program}"
    if decision.state == HOLD:
        remedy += "; to send it this once: cq-telemetry send --once"
    return Permission(url, refusal, remedy, not is_projects)


def _unfit(url: str | None, envelope: Envelope) -> Permission | None:
    drop = f"cq-telemetry drop {envelope.id}"
    if envelope.kind == UNREDACTED:
        look = f"Look at what was intercepted: cq-telemetry show {envelope.id} --intercepted"
        return Permission(url, "it could not be redacted", f"{look}; to delete it: {drop}")
    if not envelope.is_sealed:
        refusal = "an earlier release wrote it, without a seal that shows whether it was altered"
        return Permission(url, refusal, f"Look at it, and delete it: {drop}")
    if url is None and envelope.origin == INTERCEPTED:
        return Permission(None, "it is bound for where it may not be sent to")
    if url is None:
        remedy = "To set one: cq-telemetry endpoint URL"
        return Permission(None, NO_ENDPOINT, remedy)
    if problem := header_problem(envelope):
        return Permission(url, problem, f"To delete it: {drop}")
    return None


def _not_shown(
    url: str | None, envelope: Envelope, known: Grounds, request: SendRequest
) -> Permission | None:
    was_read = request.is_named and request.was_read
    if envelope.kind == UNREAD and not request.is_named:
        refusal = "its format is unknown"
        return Permission(url, refusal, "To send it, name it by its ID")
    remedy = f"Read it, then send it by its id: cq-telemetry show {envelope.id}"
    if envelope.has_error_text and not known.decision.debug and not was_read:
        return Permission(url, "it has an error text, and debug mode is off", remedy)
    if not known.is_agreed and not was_read:
        refusal = f"it has fields of {envelope.app}'s own that you did not agree to"
        return Permission(url, refusal, remedy)
    return None


def _uncovered(url: str | None, envelope: Envelope, known: Grounds) -> Permission | None:
    remedy = f"To send it all the same: cq-telemetry send {envelope.id}"
    if not known.hears_project:
        refusal = "its project folder is gone, so its opt-out cannot be checked"
        return Permission(url, refusal, remedy)
    destination = None if envelope.origin == INTERCEPTED else known.decision.endpoint
    marks = {yes_mark(yes, destination) for yes in known.decision.yeses}
    if envelope.consent in marks or envelope.id in known.included:
        return None
    return Permission(url, NOT_INCLUDED, remedy)


def header_problem(envelope: Envelope) -> str:
    """Say which of an envelope's headers cannot be sent as it is; empty if all can be."""
    for name, value in envelope.headers.items():
        if name.lower() in OF_HTTP or not _HEADER_NAME.fullmatch(name):
            return f"its header {name!r} is not one an envelope may have"
        if not _HEADER_VALUE.fullmatch(value):
            return f"the value of its header {name!r} cannot be sent"
    return ""
