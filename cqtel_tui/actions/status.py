"""How things stand: the decision and why, the cookie, the outbox and the endpoint."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..consent import cookie
from ..consent.contract_seen import propose
from ..consent.decision import ON, ask_each
from ..consent.layers import Reason, reasons, why
from ..consent.tracking import is_tracked
from ..deliver.waiting import next_attempt
from ..errors import CqtelError
from ..files import PROJECT_FOLDER
from ..outbox.left_out import kept
from ..outbox.runs import Run, read_runs
from ..outbox.store import Outbox, OutboxCounts
from ..outbox.writing import RETRY_AT
from .identity import named_folders
from .problems import find_problems
from .programs import known_programs, usual_program
from .terms import read_terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..consent import Program
    from ..consent.cookie import Cookie
    from ..consent.decision import Decision
    from ..outbox.left_out import LeftOut
    from ..paths import Places
    from ..review.destination import Destination
    from .problems import Problem
    from .terms import Terms

_MAX_WHY = 500
_RUNS = 10
_MICROSECONDS = 1_000_000
_NO_COOKIE = cookie.Cookie(
    f"{PROJECT_FOLDER}/{cookie.NAME}",
    cookie.UNSAFE,
    reason="the current directory cannot be read",
)

WORDS = {
    "on": "on: payloads are recorded and delivered",
    "hold": "undecided: payloads stay on this machine, nothing is sent",
    "off": "off: nothing is recorded, nothing is sent, of what is run through cq-telemetry",
}
"""The decision, in words."""


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand in one directory.

    Attributes:
        program: the program that it is about; None for what is chosen for all of them.
        decision: what all layers come to for it.
        decisions: what they come to for each program that is known here.
        reasons: each layer's say.
        cookie: the cookie of this directory.
        is_tracked: whether git tracks the cookie's file, so that whoever has the repository has it;
            None if that cannot be told.
        legacy: what earlier releases left here or in the home folder.
        counts: what is in the outbox; nothing where it cannot be read.
        problem: why the outbox cannot be read; empty if it can.
        proxy: the proxy that the endpoint is reached by, without its password; empty for none.
        retry_at: when the next attempt is due, in seconds since 1970; 0 if none is put off.
        retry_why: why it was put off; the server's part in it is untrusted.
        problems: what is wrong, the most urgent first.
        runs: the last runs of other programs, the newest first: what they left, what was blocked.
        destinations: how many of what is pending would go where, where that was looked up.
        terms: what the contract of each program asks, of those that have one.
        left_out: what was left out of a payload of theirs, by program: the last that was not whole.
    """

    program: Program
    decision: Decision
    decisions: Mapping[str, Decision]
    reasons: Sequence[Reason]
    cookie: Cookie
    is_tracked: bool | None
    legacy: Sequence[Cookie]
    counts: OutboxCounts
    problem: str
    proxy: str
    retry_at: float
    retry_why: str
    problems: Sequence[Problem]
    runs: Sequence[Run]
    destinations: Mapping[Destination, int] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[LeftOut]] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """The reason that won, in words."""
        return why(self.decision)

    def as_json(self) -> dict[str, Any]:
        """Return the status under the stable keys of `cq-telemetry status --json`."""
        return {
            "program": self.program,
            "decision": self.decision.state,
            "debug": self.decision.debug,
            "inspect": self.decision.inspect,
            "reasons": [asdict(reason) for reason in self.reasons],
            "programs": [self._program_json(one) for one in self.decisions.values()],
            "cookie": cookie_json(self.cookie) | {"tracked": self.is_tracked},
            "legacy_cookies": [cookie_json(each) for each in self.legacy],
            "outbox": {
                name: None if self.problem else count for name, count in asdict(self.counts).items()
            },
            "destinations": [
                where.as_json() | {"pending": count} for where, count in self.destinations.items()
            ],
            "endpoint": self.decision.endpoint,
            "proxy": self.proxy or None,
            "retry_at": time_json(self.retry_at) if self.retry_at else None,
            "retry_why": self.retry_why or None,
            "problem": self.problem or None,
            "problems": [problem_json(problem) for problem in self.problems],
            "runs": [run_json(run) for run in self.runs],
        }

    def _program_json(self, decision: Decision) -> dict[str, Any]:
        """Return what holds for one program, and what its contract asks, under its stable keys."""
        name = decision.program or ""
        terms = self.terms.get(name)
        return program_json(decision) | {
            "contract": terms.as_json() if terms else None,
            "left_out": [{"key": key, "why": why} for key, why in self.left_out.get(name, ())],
        }


def look(  # noqa: PLR0913  # what is known already, each thing by its name
    places: Places,
    directory: str | None,
    options: Sequence[str] = (),
    counts: OutboxCounts | None = None,
    *,
    program: Program = "",
    pending: Sequence[str] | None = None,
) -> Status:
    """Return how things stand in `directory`, without changing anything.

    Args:
        places: where the choices and the outbox are.
        directory: the project, a real path; None for a current directory that is gone, which
            means off.
        options: the telemetry options given on the command line.
        counts: what is in the outbox, where that is known already.
        program: which one it is about, None for all; empty for the usual one.
        pending: the names of what is pending, where they are known already.
    """
    known = known_programs(places, pending)
    chosen = usual_program(known) if program == "" else program
    decisions = ask_each(tuple({chosen, *known}), places, options, None, directory)
    for one in decisions.values():
        propose(places.state, one)
    decision = decisions[chosen]
    outbox = Outbox(places.state)
    problem = ""
    if counts is None:
        counts, problem = _counts(outbox)
    retry_at = next_attempt(outbox, time.time())
    named = {name: decisions[name] for name in sorted(filter(None, {*known, chosen}))}
    return Status(
        chosen,
        decision,
        named,
        reasons(decision),
        _NO_COOKIE if directory is None else cookie.look(directory, places.state),
        None if directory is None else is_tracked(directory, f"{PROJECT_FOLDER}/{cookie.NAME}"),
        [] if directory is None else cookie.legacy(directory, places.state, named_folders()),
        counts,
        problem,
        proxy_to(decision.endpoint),
        retry_at,
        _why_put_off(outbox) if retry_at else "",
        find_problems(outbox, is_on=any(one.state == ON for one in named.values())),
        read_runs(places.state, _RUNS),
        terms={name: terms for name, one in named.items() if (terms := read_terms(places, one))},
        left_out={name: left for name in named if (left := kept(places.state, name))},
    )


def _counts(outbox: Outbox) -> tuple[OutboxCounts, str]:
    try:
        return outbox.counts(), ""
    except CqtelError as error:
        return OutboxCounts(0, 0, 0, 0, 0), str(error)


def program_json(decision: Decision) -> dict[str, Any]:
    """Return what holds for one program under its stable keys."""
    return {
        "program": decision.program,
        "decision": decision.state,
        "debug": decision.debug,
        "endpoint": decision.endpoint,
        "proposed": decision.is_proposed,
        "why": why(decision),
    }


def proxy_to(endpoint: str | None) -> str:
    """Return the proxy that an endpoint is reached by, without its password; empty for none."""
    if endpoint is None:
        return ""
    from ..deliver.proxies import proxy_for, without_password

    return without_password(proxy_for(endpoint))


def _why_put_off(outbox: Outbox) -> str:
    try:
        return (outbox.folder / RETRY_AT).read_text("utf-8", "replace")[:_MAX_WHY].strip()
    except OSError:
        return ""


def cookie_json(cookie: Cookie) -> dict[str, Any]:
    """Return a cookie under its stable keys."""
    return {
        "state": cookie.state,
        "path": cookie.path,
        "value": cookie.value,
        "reason": cookie.reason,
        "modified": None if cookie.modified is None else time_json(cookie.modified),
    }


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return something that is wrong under its stable keys."""
    return asdict(problem) | {"time": time_json(problem.time) if problem.time else None}


def run_json(run: Run) -> dict[str, Any]:
    """Return a run of another program under its stable keys."""
    return asdict(run) | {
        "created": time_json(run.created / _MICROSECONDS),
        "refused": [{"reason": why, "requests": number} for why, number in run.refused.items()],
    }


def time_json(seconds: float) -> str | None:
    """Return a time as ISO 8601 in UTC; None for one that no calendar has."""
    moment = _moment(seconds)
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def time_words(seconds: float) -> str:
    """Return a time as a person here reads it: this machine's, to the second."""
    moment = _moment(seconds)
    try:
        return "?" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "?"


def _moment(seconds: float) -> datetime | None:
    # Times come from files that others may have written, a cookie's above all.
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
