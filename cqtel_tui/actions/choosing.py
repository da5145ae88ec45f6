"""Set telemetry, debug mode and the endpoint: for a program or all, in a project or in all.

`plan_…` is pure: it says what would be saved, and what has to be asked before. `set_…` saves it,
and says what it comes to: another layer may have the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent.choices import read_user
from ..consent.decision import DEBUG, HOLD, NO_DEBUG, OFF, ON, USER, ask
from ..consent.endpoint import TRACES_PATH
from ..consent.layers import reasons, why
from ..consent.saving import (
    check_program,
    decide_debug,
    decide_endpoint,
    decide_telemetry,
    save,
    saved_choice,
)
from ..deliver.forecast import staying
from ..errors import CqtelError
from ..outbox.included import include
from ..paths import agreed
from ..sanitize import one_line
from .destinations import Outlook, bound_lines, later_lines
from .noting import UNKNOWN, Shown, note_choice
from .programs import ALL_PROGRAMS, name_of
from .results import Confirmation, Message, Result, Undo, number
from .status import WORDS, proxy_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..consent import Program
    from ..consent.decision import Decision
    from ..paths import Places

_MAX_WHY = 400


@dataclass(frozen=True, slots=True)
class TelemetryPlan:
    """A choice of telemetry that was not saved yet.

    Attributes:
        choice: `on`, `off` or `hold`.
        program: the program it is for; None for all.
        project: the project it is for, a real path; None for all.
        outlook: where payloads go, as it is shown with the question.
        confirmation: what is asked before a yes, and whether it is to cover what is pending; None
            for any other choice.
    """

    choice: str
    program: Program
    project: str | None
    outlook: Outlook
    confirmation: Confirmation | None = None

    @property
    def pending(self) -> tuple[str, ...]:
        """The ids of the payloads that a yes may cover, too; none for any other choice."""
        return self.outlook.pending if self.choice == ON else ()


@dataclass(frozen=True, slots=True)
class DebugPlan:
    """A choice of debug mode that was not saved yet.

    Attributes:
        is_on: whether error texts are to be recorded.
        program: the program it is for; None for all.
        project: the project it is for, a real path; None for all.
        confirmation: what is asked before; None if nothing is.
    """

    is_on: bool
    program: Program
    project: str | None
    confirmation: Confirmation | None


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """An endpoint that was not saved yet.

    Attributes:
        given: the URL as it was typed; None for nowhere.
        url: the URL that would be saved, with its path; None for nowhere.
        program: the program it is for; None for all.
        project: the project it is for, a real path; None for all.
    """

    given: str | None
    url: str | None
    program: Program
    project: str | None


NOT_REACHED = "what is started without cq-telemetry is not reached by this no"
"""What a no of ours cannot do: a program that is not ours asks nobody."""
INCLUDE = "i"
"""The key of the answer that lets a yes cover what is pending, too."""


def plan_telemetry(
    choice: str,
    program: Program,
    project: str | None = None,
    outlook: Outlook | None = None,
) -> TelemetryPlan:
    """Return what saving a choice would mean.

    Args:
        choice: `on` or `off`; anything else is undecided.
        program: the program it is for; None for all.
        project: the project it is for, a real path; None for all.
        outlook: where its payloads go, what is pending of it included.

    Raises:
        CqtelError: there is no program of this name.
    """
    check_program(program)
    outlook = outlook or Outlook()
    if choice != ON:
        return TelemetryPlan(OFF if choice == OFF else HOLD, program, project, outlook)
    return TelemetryPlan(ON, program, project, outlook, _yes(program, project, outlook))


def _yes(program: Program, project: str | None, outlook: Outlook) -> Confirmation:
    """Return the one question before a yes: from when on, and where to."""
    where = "" if project is None else ", in this project"
    details = later_lines(outlook)
    if outlook.terms is not None:
        details += outlook.terms.lines
    others: tuple[tuple[str, str], ...] = ()
    if outlook.pending:
        count = len(outlook.pending)
        waiting = f"{number(count, 'payload')} {'was' if count == 1 else 'were'} already pending:"
        details += [waiting, *bound_lines(outlook.bound)]
        others = ((INCLUDE, f"yes, and {count:,} pending"),)
    return Confirmation(
        f"Send what {name_of(program)} reports{where}, from now on?",
        tuple(details),
        "yes, from now on",
        "no, go back",
        others,
    )


def set_telemetry(  # noqa: PLR0913  # what is saved, and how it was asked
    places: Places,
    plan: TelemetryPlan,
    *,
    directory: str | None = None,
    include_pending: bool = False,
    replace_unreadable: bool = False,
    by: Shown = UNKNOWN,
) -> Result:
    """Save a choice of telemetry; return what it comes to.

    Args:
        places: where the choices and the outbox are.
        plan: what is saved.
        directory: where to say what it comes to; None for the current one.
        include_pending: let a yes cover what the plan lists as pending, and nothing that came
            after it was made.
        replace_unreadable: set a file of choices that cannot be trusted aside.
        by: the face that it was made by, and the words that were shown before.

    Raises:
        CqtelError: nothing was saved.
    """
    terms = plan.outlook.terms if plan.choice == ON else None
    change = decide_telemetry(
        None if plan.choice == HOLD else plan.choice, terms.digest if terms else None
    )
    if terms is not None and terms.is_endpoint_new:
        change |= decide_endpoint(terms.endpoint)
    if terms is not None and terms.is_again:
        change |= _yes_before(plan)
    if include_pending and plan.pending:
        # Before the yes: one that is saved without its list covers nothing.
        for endpoint, ids in plan.outlook.listed.items():
            include(places.state, change["yes"], endpoint, ids)
    saved = _save(places, change, plan, by, replace_unreadable=replace_unreadable)
    decision = ask(places, directory=directory, program=plan.program)
    messages = _telemetry_messages(plan, decision, is_included=include_pending)
    return Result((*messages, *saved.messages), saved.undo)


def _yes_before(plan: TelemetryPlan) -> dict[str, Any]:
    """Return the id of the yes that is widened: what was recorded under it stays covered."""
    keys = ("telemetry", "yes")
    before = saved_choice(read_user(agreed().config), keys, plan.program, plan.project)
    return {"yes": before["yes"]} if before["telemetry"] == ON and before["yes"] else {}


def _telemetry_messages(
    plan: TelemetryPlan, decision: Decision, *, is_included: bool
) -> tuple[Message, ...]:
    state = Message(f"telemetry of {name_of(plan.program)} is {WORDS[decision.state]}")
    if decision.state == OFF == plan.choice:
        return state, Message(NOT_REACHED, "to reach it: cq-telemetry env")
    if decision.state != plan.choice:
        return state, _overruled(why(decision), _way_out(plan, decision))
    if decision.state != ON:
        return (state,)
    messages = [state]
    if plan.outlook.terms is not None:
        messages += [Message(f"agreed: {line}") for line in plan.outlook.terms.news]
    if decision.endpoint is None:
        text = "no endpoint is set, so what is recorded stays here"
        messages.append(Message(text, "cq-telemetry endpoint URL", "4 sets one"))
    if plan.outlook.upstream:
        upstream = one_line(plan.outlook.upstream, _MAX_WHY)
        messages.append(Message(f"what {name_of(plan.program)} itself reports goes to {upstream}"))
    if plan.pending:
        messages.append(_pending_message(len(plan.pending), is_included=is_included))
    return tuple(messages)


def _pending_message(count: int, *, is_included: bool) -> Message:
    what = number(count, "payload")
    if is_included:
        text = f"pending before it, and included: {what}"
        return Message(text, "to send: cq-telemetry send --all")
    return Message(
        f"pending before it, and not included: {what}",
        "to send them all the same: cq-telemetry send, or cq-telemetry on --include-held",
        "s sends one, i includes it",
    )


def _way_out(plan: TelemetryPlan, decision: Decision) -> str:
    """Return the command that takes a wider no of the user's own back; empty if that is not it."""
    refusals = {(layer, note) for layer, says, _, note in decision.statements if says == OFF}
    if plan.program is not None and refusals == {(USER, f"you chose this for {ALL_PROGRAMS}")}:
        return "to undo that opt-out: cq-telemetry undecide --all-programs"
    return ""


def plan_debug(program: Program, project: str | None = None, *, is_on: bool) -> DebugPlan:
    """Return what saving debug mode would mean.

    Raises:
        CqtelError: there is no program of this name.
    """
    check_program(program)
    confirmation = Confirmation(
        f"Record error texts of {name_of(program)} from now on?",
        (
            "They can contain paths, names, addresses and credentials.",
            "Each one can be read here before it is sent.",
        ),
        "yes, record them",
    )
    return DebugPlan(is_on, program, project, confirmation if is_on else None)


def set_debug(
    places: Places,
    plan: DebugPlan,
    *,
    directory: str | None = None,
    replace_unreadable: bool = False,
    by: Shown = UNKNOWN,
) -> Result:
    """Save whether error texts may be recorded; return what it comes to.

    Raises:
        CqtelError: nothing was saved.
    """
    change = decide_debug(plan.is_on)
    saved = _save(places, change, plan, by, replace_unreadable=replace_unreadable)
    decision = ask(places, directory=directory, program=plan.program)
    words = f"debug mode of {name_of(plan.program)} is {DEBUG_WORDS[decision.debug]}"
    messages = [Message(words)]
    if decision.debug != plan.is_on:
        deciding = {OFF, NO_DEBUG} if plan.is_on else {DEBUG}
        sources = [reason.source for reason in reasons(decision) if reason.says in deciding]
        messages.append(_overruled(", ".join(sources)))
    return Result((*messages, *saved.messages), saved.undo)


DEBUG_WORDS = {True: "on: error texts are recorded", False: "off"}
"""Debug mode, in words."""


def plan_endpoint(url: str | None, program: Program, project: str | None = None) -> EndpointPlan:
    """Return what saving an endpoint would mean.

    Raises:
        CqtelError: payloads may not be sent there, or there is no program of this name.
    """
    check_program(program)
    return EndpointPlan(url, decide_endpoint(url)["endpoint"], program, project)


def set_endpoint(
    places: Places,
    plan: EndpointPlan,
    *,
    directory: str | None = None,
    replace_unreadable: bool = False,
    by: Shown = UNKNOWN,
) -> Result:
    """Save where payloads are delivered to; return what it comes to.

    Raises:
        CqtelError: nothing was saved.
    """
    change = decide_endpoint(plan.given)
    saved = _save(places, change, plan, by, replace_unreadable=replace_unreadable)
    decision = ask(places, directory=directory, program=plan.program)
    waiting = _waiting(places) if decision.endpoint and decision.state == ON else 0
    messages = _endpoint_messages(plan, decision, waiting, proxy_to(decision.endpoint))
    return Result((*messages, *saved.messages), saved.undo)


def _waiting(places: Places) -> int:
    """Return how many pending payloads are not sent by themselves."""
    try:
        return staying(places).total()
    except CqtelError:  # the choice is saved all the same; the status says what is wrong
        return 0


def _endpoint_messages(
    plan: EndpointPlan, decision: Decision, waiting: int, proxy: str
) -> tuple[Message, ...]:
    whom = name_of(plan.program)
    if decision.endpoint is None:
        return (Message(f"payloads of {whom} stay on this machine"),)
    messages = [Message(f"payloads of {whom} go to {decision.endpoint}")]
    if decision.endpoint == plan.url != plan.given:
        text = f"no path is given in {plan.given}: traces go to {TRACES_PATH} there, as OTLP has it"
        messages.append(Message(text))
    if decision.endpoint != plan.url:
        text = "your choice is saved, but a more specific one of yours applies here"
        text = f"{text}: a program's before all programs', a project's before all projects'"
        messages.append(Message(text, is_warning=True))
    if proxy:
        messages.append(Message(f"by the proxy {proxy}"))
    if waiting:
        text = f"not sent there by themselves: {number(waiting, 'payload')} that are pending"
        remedy = "see why with cq-telemetry status, or send them: cq-telemetry send --all"
        messages.append(Message(text, remedy, "S sends them"))
    if decision.state != ON:
        messages.append(Message(f"not yet: telemetry of {whom} is {WORDS[decision.state]}"))
    return tuple(messages)


def _overruled(by: str, command: str = "") -> Message:
    text = f"your choice is saved, but here {one_line(by, _MAX_WHY)} decides"
    return Message(text, command, is_warning=True)


def _save(
    places: Places,
    change: Mapping[str, Any],
    plan: TelemetryPlan | DebugPlan | EndpointPlan,
    by: Shown,
    *,
    replace_unreadable: bool,
) -> Result:
    """Save a change of the choices, and note it; return how to take it back.

    A yes that is taken back, and then back again, is the yes that it was: what was recorded in
    between has another mark, or none, and is not covered.
    """
    config, program, project = agreed().config, plan.program, plan.project
    before = saved_choice(read_user(config), change, program, project)

    def take_back() -> None:
        save(agreed().config, before, program=program, project=project)
        note_choice(places, before, plan, by, is_undo=True)

    save(config, change, program=program, project=project, replace_unreadable=replace_unreadable)
    return Result(note_choice(places, change, plan, by), Undo("the choice", take_back))
