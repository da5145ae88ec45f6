"""The commands that show or change what is chosen: status, on, off, debug, endpoint, cookie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..actions import choosing as choices
from ..actions import status as standing
from ..actions.destinations import Outlook, bound_lines, bound_now, read_outlook
from ..actions.identity import LOCK, RESET, change_identity, named_folders, plan_identity
from ..actions.noting import Shown
from ..actions.programs import collectors, name_of, only_program
from ..actions.withdrawal import discard, read_withdrawal
from ..consent import cookie as cookies
from ..consent.decision import HOLD, OFF, ON
from ..consent.decision import ask as decided
from ..consent.history import COMMAND_LINE
from ..consent.layers import why
from ..consent.tracking import is_tracked
from ..deliver.forecast import staying
from ..errors import CqtelError, WrongUsageError
from ..files import PROJECT_FOLDER
from ..gate.refusals import refused_words
from ..outbox.left_out import left_out_words
from ..paths import places
from .output import here, here_if_any, number, say, show, show_json, tell, tell_message
from .rights import offer_erasure
from .wording import intercepted_words

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ..actions.problems import Problem
    from ..consent import Program
    from ..consent.cookie import Cookie
    from ..consent.decision import Decision

_COOKIE_FILE = f"{PROJECT_FOLDER}/{cookies.NAME}"
_TRACKED = (
    f"git tracks {_COOKIE_FILE}: whoever has the repository can read and erase what a collector "
    f"has of it. git rm --cached {_COOKIE_FILE}, then cq-telemetry cookie reset"
)
_REASONS = 3
BY_COMMAND = Shown(COMMAND_LINE)
_WANTED = {"on": ON, "off": OFF, "undecide": HOLD}


def status(arguments: argparse.Namespace) -> int:
    """Print how things stand; a failure if the outbox cannot be read."""
    program = None if arguments.all_programs else arguments.program or ""
    result = standing.look(places(), here_if_any(), program=program)
    if not result.problem:
        result = replace(result, destinations=bound_now(places()))
    if arguments.json:
        show_json(result.as_json())
    else:
        _show_status(result)
    return 1 if result.problem else 0


def _show_status(status: standing.Status) -> None:
    counts = status.counts
    lines = [
        ("telemetry", f"{_decision_words(status)} ({status.why})"),
        ("program", name_of(status.program)),
        *(
            ("other", f"{one.program} is {standing.WORDS[one.state]} ({why(one)})")
            for one in status.decisions.values()
            if one.program != status.program
        ),
        *(("problem", _problem_words(each)) for each in status.problems),
        ("debug", "on: error texts are recorded" if status.decision.debug else "off"),
        ("ID", _cookie_words(status.cookie)),
        *([("", _TRACKED)] if status.is_tracked else []),
        (
            "payloads",
            status.problem
            or f"{counts.pending} pending, {counts.sent} sent, {counts.rejected} rejected, "
            f"{counts.set_aside} set aside, {counts.dropped} lost",
        ),
        *(("bound", line) for line in bound_lines(status.destinations)),
        ("endpoint", _endpoint_words(status.decision)),
        *_contract_lines(status),
    ]
    if status.decision.inspect:
        lines.insert(1, ("inspect", "only: cq-telemetry.txt is written, nothing is sent"))
    if status.proxy:
        lines.append(("proxy", status.proxy))
    if status.decision.state == ON and not status.problem:
        lines += [
            ("waiting", f"{number(count, 'payload')} pending: {reason}")
            for reason, count in staying(places()).most_common(_REASONS)
        ]
    if status.retry_at:
        when = standing.time_words(status.retry_at)
        lines.append(("delivery", f"next attempt at {when}: {status.retry_why}"))
    lines += [
        ("earlier", f"{each.path} is {_cookie_words(each)}")
        for each in status.legacy
        if each.state != cookies.ABSENT
    ]
    lines += _closed_lines(status)
    for name, words in lines:
        show(f"{name:<10} {words}")
    show()
    show("why:")
    for reason in status.reasons:
        mark = "*" if reason.won else " "
        show(f"{mark} {reason.layer:<13} {reason.says:<9} {reason.source}  {reason.note}".rstrip())


def _endpoint_words(decision: Decision) -> str:
    if decision.endpoint is None:
        return "none: what is recorded stays on this machine"
    proposed = " (proposed by its contract; a yes sets it)" if decision.is_proposed else ""
    return decision.endpoint + proposed


def _contract_lines(status: standing.Status) -> list[tuple[str, str]]:
    """Return what the contracts of programs ask, and what was left out of their payloads."""
    lines: list[tuple[str, str]] = []
    for name, terms in status.terms.items():
        lines.append(("contract", terms.about))
        if terms.is_again:
            command = f"cq-telemetry on --program {name}"
            lines.append(("", f"new since your yes, and left out until you agree ({command}):"))
        lines += [("", f"  {one}") for one in terms.news]
    for name, left_out in status.left_out.items():
        lines += [("left out", f"of {name}, {left_out_words(*one)}") for one in left_out]
    return lines


def _decision_words(status: standing.Status) -> str:
    if status.decision.state == ON and any(each.kind == "sender" for each in status.problems):
        return "on: payloads are recorded, but not delivered"
    return standing.WORDS[status.decision.state]


def _problem_words(problem: Problem) -> str:
    when = f" ({standing.time_words(problem.time)})" if problem.time else ""
    return f"{problem.text}{when}"


def _closed_lines(status: standing.Status) -> list[tuple[str, str]]:
    """Return what was blocked for the program that ran last, each with the reason."""
    if not status.runs:
        return []
    run = status.runs[0]
    when = standing.time_words(run.created / 1_000_000)
    program = f"{run.app} {run.version}".rstrip()
    lines = [("last run", f"{program} at {when}, {intercepted_words(run)}")]
    if any(run.refused.values()):
        lines.append(("refused", refused_words(run.refused)))
    for blocked in run.blocked:
        tried = "" if blocked.attempts is None else f" (tried {blocked.attempts:,} times)"
        lines.append(("blocked", f"{blocked.name}: {blocked.reason}{tried}"))
    return lines


def telemetry(arguments: argparse.Namespace) -> int:
    """Save on, off or undecided, and say what it comes to."""
    include_pending = getattr(arguments, "include_held", False)
    here_and_now = places()
    program = _program(arguments)
    outlook = read_outlook(here_and_now, program) if arguments.choice == "on" else Outlook()
    plan = choices.plan_telemetry(_WANTED[arguments.choice], program, _project(arguments), outlook)
    tell(
        choices.set_telemetry(
            here_and_now,
            plan,
            include_pending=include_pending,
            replace_unreadable=arguments.replace_unreadable,
            by=BY_COMMAND,
        )
    )
    if arguments.choice == "off":
        _take_back(arguments, program)
    return 0


def _take_back(arguments: argparse.Namespace, program: Program) -> None:
    """Delete what was recorded, here and at the collector, as far as that is asked for."""
    decision = decided(places(), program=program)
    plan = read_withdrawal(places(), program, here_if_any(), decision.endpoint)
    if arguments.erase or arguments.discard:
        try:
            offer_erasure(plan.erasure, plan.directory, wanted=arguments.erase)
        except CqtelError as error:
            say("your choice is saved; nothing was deleted")
            raise error from None
    if arguments.discard:
        tell(discard(places(), plan))
    elif decision.state == OFF:
        for message in plan.remains[: 1 if arguments.erase else None]:
            tell_message(message)


def debug(arguments: argparse.Namespace) -> int:
    """Save whether error texts may be recorded, and say what it comes to."""
    plan = choices.plan_debug(
        _program(arguments), _project(arguments), is_on=arguments.choice == "on"
    )
    tell(
        choices.set_debug(
            places(), plan, replace_unreadable=arguments.replace_unreadable, by=BY_COMMAND
        )
    )
    return 0


def endpoint(arguments: argparse.Namespace) -> int:
    """Save where payloads are delivered to, and say what it comes to."""
    url = None if arguments.url == "none" else arguments.url
    try:
        plan = choices.plan_endpoint(url, _program(arguments), _project(arguments))
    except CqtelError as error:
        raise WrongUsageError(str(error)) from None
    tell(
        choices.set_endpoint(
            places(), plan, replace_unreadable=arguments.replace_unreadable, by=BY_COMMAND
        )
    )
    return 0


def cookie(arguments: argparse.Namespace) -> int:
    """Show, reset, lock or unlock the cookie of the current directory."""
    directory, state = here(), places().state
    named = named_folders(arguments.named)
    if arguments.erase and arguments.action not in {RESET, LOCK}:
        raise WrongUsageError("--erase goes with reset and lock. By itself: cq-telemetry erase")
    if arguments.action != "show":
        endpoint = next(iter(collectors(places())), None)
        cookie = cookies.look(directory, state)
        plan = plan_identity(arguments.action, directory, cookie, endpoint, named)
        if arguments.action in {RESET, LOCK}:
            offer_erasure(plan.erasure, directory, wanted=arguments.erase)
        tell(change_identity(places(), plan))
    cookies_here = [cookies.look(directory, state), *cookies.legacy(directory, state, named)]
    _show_cookies(arguments, cookies_here, tracked=is_tracked(directory, _COOKIE_FILE))
    return 0


def _show_cookies(
    arguments: argparse.Namespace, cookies_here: Sequence[Cookie], *, tracked: bool | None
) -> None:
    found, *legacy = cookies_here
    if arguments.json:
        own = standing.cookie_json(found) | {"tracked": tracked}
        show_json([own, *map(standing.cookie_json, legacy)])
        return
    for each in (found, *legacy):
        show(f"{each.path}: {_cookie_words(each)}")
    if tracked:
        say(_TRACKED)


def _cookie_words(cookie: Cookie) -> str:
    if cookie.state == cookies.PRESENT:
        return f"present: {cookie.value}"
    if cookie.state == cookies.LOCKED:
        return "locked: no identifier is sent"
    if cookie.state == cookies.UNSAFE:
        return (
            f"unsafe: {cookie.reason}; no identifier is sent. To replace it: cq-telemetry cookie "
            "reset"
        )
    return "absent"


def _program(arguments: argparse.Namespace) -> Program:
    """Return the program that a choice is for; None for all of them."""
    return None if arguments.all_programs else arguments.program or only_program(places())


def _project(arguments: argparse.Namespace) -> str | None:
    return here() if arguments.project else None
