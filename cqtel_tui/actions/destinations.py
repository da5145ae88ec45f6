"""Say where the payloads of a program go, before a yes and after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..consent.contract_seen import after_yes
from ..consent.decision import ask
from ..deliver.permission import decision_for
from ..errors import CqtelError
from ..gate.profiles import known_profiles
from ..gate.shipped import PROFILES
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..review.destination import ENDPOINT, NOWHERE, PROPOSED, UPSTREAM, destination_of, to_endpoint
from ..sanitize import one_line
from .results import number
from .terms import read_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..consent import Program
    from ..consent.decision import Decision
    from ..outbox.envelope import Label
    from ..paths import Places
    from ..review.destination import Destination
    from .terms import Terms

_MOST = 5
_MAX_URL = 200
_MAX_HOST = 60
_ITS_OWN = "the program's own"


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where payloads would go after a yes.

    Attributes:
        endpoint: where what is recorded goes from now on; None for nowhere.
        upstream: where what a known program reports itself is bound for; empty if nothing is known
            of that, or it is about all programs.
        pending: the ids of what is pending, the oldest first.
        bound: how many of those go where.
        listed: the ids of what is pending, by the endpoint that a yes covers them for.
        terms: what the program's contract asks; None if there is none.
    """

    endpoint: str | None = None
    upstream: str = ""
    pending: tuple[str, ...] = ()
    bound: Mapping[Destination, int] = field(default_factory=dict)
    listed: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)
    terms: Terms | None = None

    @property
    def is_proposed(self) -> bool:
        """Whether the endpoint is the contract's, which a yes would set."""
        return self.terms is not None and self.terms.is_endpoint_new


def read_outlook(places: Places, program: Program, directory: str | None = None) -> Outlook:
    """Look up where what is pending of a program, or of all, would go, and what comes after it.

    Args:
        places: where the outbox and the choices are.
        program: the program; None for all.
        directory: the project that it is asked for; None for the current directory.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    decision = ask(places, directory=directory, program=program)
    terms = read_terms(places, decision)
    pending = _pending(places, program, partial(after_yes, places.state))
    listed: dict[str | None, list[str]] = {}
    for label, bound in pending:
        if bound is not None:
            listed.setdefault(bound.endpoint, []).append(label.id)
    return Outlook(
        terms.endpoint if terms else decision.endpoint,
        _upstream(places, program),
        tuple(label.id for label, _ in pending),
        Counter(bound.destination if bound else NOWHERE for _, bound in pending),
        {where: tuple(ids) for where, ids in listed.items()},
        terms,
    )


def bound_now(places: Places) -> Mapping[Destination, int]:
    """Return how many of all that is pending go where, as things stand.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    pending = _pending(places, None, lambda decision: decision)
    return Counter(bound.destination if bound else NOWHERE for _, bound in pending)


class _Bound(NamedTuple):
    """Where a payload goes, and by which endpoint of its program."""

    destination: Destination
    endpoint: str | None


def _pending(
    places: Places, program: Program, as_asked: Callable[[Decision], Decision]
) -> list[tuple[Label, _Bound | None]]:
    """Return what is pending of a program, the oldest first, and where each goes.

    None stands for what cannot be opened: the sender sets it aside.
    """
    outbox = Outbox(places.state)
    decisions: dict[tuple[str, str], Decision] = {}
    pending: list[tuple[Label, _Bound | None]] = []
    for label in outbox.labels(PENDING):
        if program not in {None, label.app}:
            continue
        try:
            envelope = outbox.open(PENDING, label)
        except CqtelError:
            pending.append((label, None))
            continue
        key = envelope.app, envelope.project
        if key not in decisions:
            decisions[key] = as_asked(decision_for(places, envelope)[0])
        known = decisions[key]
        where = destination_of(envelope, known.endpoint, is_proposed=known.is_proposed)
        pending.append((label, _Bound(where, known.endpoint)))
    return pending


def _upstream(places: Places, program: Program) -> str:
    try:
        profiles = known_profiles(places.config)
    except CqtelError:
        profiles = PROFILES
    return next((one.channels.upstream for one in profiles if one.name == program), "")


def words(destination: Destination) -> str:
    """Return where a destination is, and whose it is."""
    if destination.url is None:
        return "no destination: no endpoint is set"
    return f"{one_line(destination.url, _MAX_URL)} ({whose(destination)})"


def whose(destination: Destination) -> str:
    """Return whose a destination is that a URL leads to."""
    if destination.kind == PROPOSED:
        return "as its contract says"
    return "your endpoint" if destination.kind == ENDPOINT else _ITS_OWN


def bound_lines(bound: Mapping[Destination, int]) -> list[str]:
    """Return how many payloads go where, a line for each destination."""
    order = sorted(bound.items(), key=lambda one: (one[0].kind != UPSTREAM, -one[1]))
    lines = [
        f"{number(count, 'payload')} {'goes' if count == 1 else 'go'} to {words(where)}"
        if where.url is not None
        else f"{number(count, 'payload')} {'has' if count == 1 else 'have'} {words(where)}"
        for where, count in order[:_MOST]
    ]
    if len(order) > _MOST:
        lines.append(f"and more to {len(order) - _MOST:,} other places")
    return lines


def later_lines(outlook: Outlook) -> list[str]:
    """Return where what comes after a yes goes."""
    recorded = to_endpoint(outlook.endpoint, is_proposed=outlook.is_proposed)
    line = (
        f"From now on, what is recorded goes to {words(recorded)}."
        if recorded.url
        else "From now on, what is recorded stays here: no endpoint is set."
    )
    return [line, *_upstream_lines(outlook)]


def outlook_lines(outlook: Outlook) -> list[str]:
    """Return where what is pending goes and what comes later, in few lines if it is one place."""
    recorded = to_endpoint(outlook.endpoint, is_proposed=outlook.is_proposed)
    if list(outlook.bound) != [recorded]:
        return [*bound_lines(outlook.bound), *later_lines(outlook)]
    what = f"{number(outlook.bound[recorded], 'payload')}, and what is recorded from now on,"
    line = f"{what} {'go to' if recorded.url else 'have'} {words(recorded)}."
    return [line, *_upstream_lines(outlook)]


def brief(outlook: Outlook) -> str:
    """Return the same in a sentence, with the hosts alone."""
    recorded = to_endpoint(outlook.endpoint, is_proposed=outlook.is_proposed)
    later = "what is recorded from now on"
    parts: list[str] = []
    for where, count in sorted(outlook.bound.items(), key=lambda one: one[0].kind != UPSTREAM):
        what = f"{count:,}" if parts else number(count, "payload")
        is_one = count == 1 and where != recorded
        parts.append(
            f"{what}, and {later}, {_goes(where, is_one=False)}"
            if where == recorded
            else f"{what} {_goes(where, is_one=is_one)}"
        )
    if recorded not in outlook.bound:
        parts.append(f"{later} {_goes(recorded, is_one=True)}")
    hosts = {_host(where.url) for where in outlook.bound if where.url}
    if outlook.upstream and _host(outlook.upstream) not in hosts:
        parts.append(f"its own reports go to {_host(outlook.upstream)}")
    return "; ".join(parts) + "."


def _goes(where: Destination, *, is_one: bool) -> str:
    if where.url is None:
        return "stays here" if is_one else "stay here"
    return f"{'goes' if is_one else 'go'} to {_host(where.url)} ({whose(where)})"


def host_of(url: str, *, with_port: bool = False) -> str:
    """Return a URL's host, to be shown; all of it where it has none."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2] if with_port else parts.hostname
    except ValueError:
        host = None
    return one_line(host or url, _MAX_HOST)


def _host(url: str) -> str:
    return host_of(url, with_port=True)


def _upstream_lines(outlook: Outlook) -> list[str]:
    if not outlook.upstream:
        return []
    upstream = one_line(outlook.upstream, _MAX_URL)
    return [f"What the program itself reports goes to {upstream} ({_ITS_OWN})."]
