"""Say where the payloads of a program go, before a yes and after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..deliver.permission import decision_for
from ..errors import CqtelError
from ..gate.profiles import known_profiles
from ..gate.shipped import PROFILES
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..review.destination import ENDPOINT, NOWHERE, UPSTREAM, destination_of, to_endpoint
from ..sanitize import one_line
from .results import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..consent import Program
    from ..consent.decision import Decision
    from ..paths import Places
    from ..review.destination import Destination

_MOST = 5
_MAX_URL = 200
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
    """

    endpoint: str | None = None
    upstream: str = ""
    pending: tuple[str, ...] = ()
    bound: Mapping[Destination, int] = field(default_factory=dict)
    listed: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)


def read_outlook(places: Places, program: Program, endpoint: str | None) -> Outlook:
    """Look up where what is pending of a program, or of all, would go, and what comes after it.

    Args:
        places: where the outbox and the choices are.
        program: the program; None for all.
        endpoint: where what it records goes from now on.

    Raises:
        CqtelError: the outbox cannot be read.
    """
    outbox = Outbox(places.state)
    labels = [one for one in outbox.labels(PENDING) if program in {None, one.app}]
    bound: Counter[Destination] = Counter()
    listed: dict[str | None, list[str]] = {}
    decisions: dict[tuple[str, str], Decision] = {}
    for label in labels:
        try:
            envelope = outbox.open(PENDING, label)
        except CqtelError:
            bound[NOWHERE] += 1  # the sender sets it aside
            continue
        key = envelope.app, envelope.project
        if key not in decisions:
            decisions[key] = decision_for(places, envelope)[0]
        bound[destination_of(envelope, decisions[key].endpoint)] += 1
        listed.setdefault(decisions[key].endpoint, []).append(label.id)
    return Outlook(
        endpoint,
        _upstream(places, program),
        tuple(label.id for label in labels),
        bound,
        {where: tuple(ids) for where, ids in listed.items()},
    )


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
    recorded = to_endpoint(outlook.endpoint)
    line = (
        f"From now on, what is recorded goes to {words(recorded)}."
        if recorded.url
        else "From now on, what is recorded stays here: no endpoint is set."
    )
    return [line, *_upstream_lines(outlook)]


def outlook_lines(outlook: Outlook) -> list[str]:
    """Return where what is pending goes and what comes later, in few lines if it is one place."""
    recorded = to_endpoint(outlook.endpoint)
    if list(outlook.bound) != [recorded]:
        return [*bound_lines(outlook.bound), *later_lines(outlook)]
    what = f"{number(outlook.bound[recorded], 'payload')}, and what is recorded from now on,"
    line = f"{what} {'go to' if recorded.url else 'have'} {words(recorded)}."
    return [line, *_upstream_lines(outlook)]


def _upstream_lines(outlook: Outlook) -> list[str]:
    if not outlook.upstream:
        return []
    upstream = one_line(outlook.upstream, _MAX_URL)
    return [f"What the program itself reports goes to {upstream} ({_ITS_OWN})."]
