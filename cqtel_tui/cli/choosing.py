"""The commands that show or change what is chosen: status, on, off, debug, endpoint, cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions import status as standing
from ..actions.withdrawal import discard
from ..consent import cookie as cookies
from ..consent.decision import DEBUG, NO_DEBUG, OFF, ON, ask
from ..consent.endpoint import TRACES_PATH
from ..consent.layers import reasons, why
from ..consent.saving import decide_debug, decide_endpoint, decide_telemetry, save
from ..consent.tracking import is_tracked
from ..deliver.forecast import staying
from ..errors import CqtelError, WrongUsageError
from ..files import PROJECT_FOLDER
from ..gate.refusals import refused_words
from ..outbox.included import include
from ..outbox.store import BOXES, SET_ASIDE, Outbox
from ..outbox.writing import PENDING
from ..paths import agreed, places
from .output import here, here_if_any, number, say, show, show_json
from .rights import offer_erasure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from ..actions.problems import Problem
    from ..consent.cookie import Cookie
    from ..consent.decision import Decision
    from ..outbox.runs import Run

_COOKIE_FILE = f"{PROJECT_FOLDER}/{cookies.NAME}"
_TRACKED = (
    f"git tracks {_COOKIE_FILE}: whoever has the repository can read and erase what a collector "
    f"has of it. git rm --cached {_COOKIE_FILE}, then cq-telemetry cookie reset"
)
_REASONS = 3
_WANTED = {"on": ON, "off": OFF, "undecide": "hold"}


def status(given: argparse.Namespace) -> int:
    """Print how things stand; a failure if the outbox cannot be read."""
    found = standing.look(places(), here_if_any())
    if given.json:
        show_json(found.as_json())
    else:
        _show_status(found)
    return 1 if found.problem else 0


def _show_status(found: standing.Status) -> None:
    counts = found.counts
    lines = [
        ("telemetry", f"{_decision_words(found)} ({found.why})"),
        *(("problem", _problem_words(each)) for each in found.problems),
        ("debug", "on: error texts are recorded" if found.decision.debug else "off"),
        ("cookie", _cookie_words(found.cookie)),
        *([("", _TRACKED)] if found.is_tracked else []),
        (
            "payloads",
            found.problem
            or f"{counts.pending} held, {counts.sent} sent, {counts.rejected} rejected, "
            f"{counts.set_aside} set aside, {counts.dropped} lost",
        ),
        ("endpoint", found.decision.endpoint or "none: payloads stay on this machine"),
    ]
    if found.decision.inspect:
        lines.insert(1, ("inspect", "only: cq-telemetry.txt is written, and nothing is sent"))
    if found.proxy:
        lines.append(("proxy", found.proxy))
    if found.decision.state == ON and not found.problem:
        lines += [
            ("waiting", f"{number(count, 'payload')} held here: {reason}")
            for reason, count in staying(places()).most_common(_REASONS)
        ]
    if found.retry_at:
        when = standing.time_words(found.retry_at)
        lines.append(("delivery", f"next attempt at {when}: {found.retry_why}"))
    lines += [
        ("earlier", f"{each.path} is {_cookie_words(each)}")
        for each in found.legacy
        if each.state != cookies.ABSENT
    ]
    lines += _closed_lines(found)
    for name, words in lines:
        show(f"{name:<10} {words}")
    show()
    show("why:")
    for reason in found.reasons:
        mark = "*" if reason.won else " "
        show(f"{mark} {reason.layer:<13} {reason.says:<9} {reason.source}  {reason.note}".rstrip())


def _decision_words(found: standing.Status) -> str:
    if found.decision.state == ON and any(each.kind == "sender" for each in found.problems):
        return "on: payloads are recorded, but not delivered"
    return standing.WORDS[found.decision.state]


def _problem_words(problem: Problem) -> str:
    when = f" ({standing.time_words(problem.time)})" if problem.time else ""
    return f"{problem.text}{when}"


def _closed_lines(found: standing.Status) -> list[tuple[str, str]]:
    """Return what was closed to the program that ran last, each with the reason."""
    if not found.runs:
        return []
    run = found.runs[0]
    when = standing.time_words(run.created / 1_000_000)
    program = f"{run.app} {run.version}".rstrip()
    lines = [("last run", f"{program} at {when}, {_caught_words(run)}")]
    if any(run.refused.values()):
        lines.append(("refused", refused_words(run.refused)))
    for closed in run.closed:
        tried = "" if closed.attempts is None else f" (tried {closed.attempts:,} times)"
        lines.append(("closed", f"{closed.name}: {closed.reason}{tried}"))
    return lines


def _caught_words(run: Run) -> str:
    words = f"{number(len(run.caught), 'request')} caught"
    if run.late:
        words += f", {run.late:,} of them after the program's end"
    if run.lost:
        words += f", {run.lost:,} lost"
    if refused := sum(run.refused.values()):
        words += f", {refused:,} refused"
    return words if run.is_over else f"{words}; it is still running"


def telemetry(given: argparse.Namespace) -> int:
    """Save on, off or undecided, and say what it comes to."""
    change = decide_telemetry({"on": ON, "off": OFF}.get(given.choice))
    if getattr(given, "include_held", False):
        ids = [label.id for label in Outbox(places().state).labels(PENDING)]
        include(places().state, change["yes"], ask(places()).endpoint, ids)
    _save(given, change)
    if given.choice == "off":
        _take_back(given)
    decision = ask(places())
    say(f"telemetry is {standing.WORDS[decision.state]}")
    if decision.state != _WANTED[given.choice]:
        say(f"your choice is saved, but here {why(decision)} decides")
    elif decision.state == ON:
        _say_what_is_missing(decision, included=given.include_held)
    elif decision.state == OFF and not given.discard:
        _say_what_is_kept(None if given.erase else decision.endpoint)
    return 0


def _take_back(given: argparse.Namespace) -> None:
    """Delete what was recorded, here and at the collector, as far as that is asked for."""
    directory = here_if_any()
    if given.erase or given.discard:
        try:
            offer_erasure(directory, wanted=given.erase)
        except CqtelError as error:
            say("your no is saved; nothing was deleted")
            raise error from None
    if given.discard:
        say(f"deleted: {_removed_words(discard(places(), directory))}")


def _say_what_is_missing(decision: Decision, *, included: bool) -> None:
    """Say what a yes does not come to by itself."""
    if decision.endpoint is None:
        say("there is no endpoint, so that payloads stay here: cq-telemetry endpoint URL")
    held = len(Outbox(places().state).names(PENDING))
    if held and included:
        say(f"held before it, and included: {number(held, 'payload')}; cq-telemetry send --all")
    elif held:
        say(
            f"held before it, and not included: {number(held, 'payload')}; to send them all the "
            "same: cq-telemetry send, or cq-telemetry on --include-held"
        )


def _say_what_is_kept(endpoint: str | None) -> None:
    """Say what a no leaves on this machine, and at the collector of an endpoint."""
    outbox = Outbox(places().state)
    kept = sum(len(outbox.names(box)) for box in (*BOXES, SET_ASIDE))
    directory = here_if_any()
    has_cookie = (
        directory is not None and cookies.look(directory, places().state).state == cookies.PRESENT
    )
    if kept or has_cookie:
        what = [number(kept, "payload")] * bool(kept) + ["the cookie"] * has_cookie
        say(f"still here: {', '.join(what)}; to delete them: cq-telemetry off --discard")
    if has_cookie and endpoint is not None:
        say(f"what {endpoint} has of this cookie is there, too; to erase it: cq-telemetry erase")


def _removed_words(removed: Mapping[str, int]) -> str:
    names = {"pending": "held", "set-aside": "set aside"}
    words = [
        number(count, f"{names.get(box, box)} payload")
        for box, count in removed.items()
        if count and box != "cookie"
    ]
    words += ["the cookie"] * removed["cookie"]
    return ", ".join(words) or "nothing, there was nothing"


def debug(given: argparse.Namespace) -> int:
    """Save whether error texts may be recorded, and say what it comes to."""
    wanted = given.choice == "on"
    _save(given, decide_debug(wanted))
    decision = ask(places())
    say(f"debug mode is {'on: error texts are recorded' if decision.debug else 'off'}")
    if decision.debug != wanted:
        deciding = {OFF, NO_DEBUG} if wanted else {DEBUG}
        sources = [reason.source for reason in reasons(decision) if reason.says in deciding]
        say(f"your choice is saved, but here {', '.join(sources)} decides")
    return 0


def endpoint(given: argparse.Namespace) -> int:
    """Save where to deliver to, and say what it comes to."""
    url = None if given.url == "none" else given.url
    try:
        change = decide_endpoint(url)
    except CqtelError as error:
        raise WrongUsageError(str(error)) from None
    _save(given, change)
    found = standing.look(places(), here_if_any())
    if found.decision.endpoint is None:
        say("payloads stay on this machine")
        return 0
    say(f"payloads go to {found.decision.endpoint}")
    saved = change["endpoint"]
    if found.decision.endpoint == saved != url:
        say(f"{url} has no path of its own: traces go to {TRACES_PATH} there, as OTLP has it")
    if found.decision.endpoint != saved:
        say("your choice is saved, but here another one of yours decides: this project's, or all's")
    if found.proxy:
        say(f"by the proxy {found.proxy}")
    is_on = found.decision.state == ON and not found.problem
    if is_on and (waiting := staying(places()).total()):
        say(
            f"not sent there by themselves: {number(waiting, 'payload')} that are held already; "
            "see why with cq-telemetry status, or send them: cq-telemetry send --all"
        )
    if found.decision.state != ON:
        say(f"not yet: telemetry is {standing.WORDS[found.decision.state]}")
    return 0


def cookie(given: argparse.Namespace) -> int:
    """Show, reset, lock or unlock the cookie of the current directory."""
    directory, state = here(), places().state
    if given.action in {"reset", "lock"}:
        offer_erasure(directory, wanted=given.erase)
    elif given.erase:
        raise WrongUsageError("--erase goes with reset and lock. By itself: cq-telemetry erase")
    if given.action == "reset":
        create = ask(places()).state == ON
        old, new = cookies.reset(directory, state, create=create)
        say(f"{old or 'no cookie'} → {new or 'none, until telemetry is on'}")
    elif given.action == "lock":
        _say_which("locked", cookies.lock(directory, state))
    elif given.action == "unlock":
        _say_which("unlocked", cookies.unlock(directory, state))
    _show_cookies(given, directory, state)
    return 0


def _show_cookies(given: argparse.Namespace, directory: str, state: str) -> None:
    tracked = is_tracked(directory, _COOKIE_FILE)
    found, *legacy = cookies.look(directory, state), *cookies.legacy(directory, state)
    if given.json:
        own = standing.cookie_json(found) | {"tracked": tracked}
        show_json([own, *map(standing.cookie_json, legacy)])
        return
    for each in (found, *legacy):
        show(f"{each.path}: {_cookie_words(each)}")
    if tracked:
        say(_TRACKED)


def _cookie_words(found: Cookie) -> str:
    if found.state == cookies.PRESENT:
        return f"present: {found.value}"
    if found.state == cookies.LOCKED:
        return "locked: no identifier is sent"
    if found.state == cookies.UNSAFE:
        return (
            f"unsafe: {found.reason}; no identifier is sent. To replace it: cq-telemetry cookie "
            "reset"
        )
    return "absent"


def _say_which(done: str, names: list[str]) -> None:
    say(f"{done}: {', '.join(names) if names else 'nothing, it was so already'}")


def _save(given: argparse.Namespace, change: Mapping[str, Any]) -> None:
    save(
        agreed().config,
        change,
        project=here() if given.project else None,
        replace_unreadable=given.replace_unreadable,
    )
