"""Send pending payloads: where each would go, why others stay, and what became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..deliver.permission import ALL, NAMED, NO_ENDPOINT, SendRequest, grounds, permission
from ..errors import CqtelError
from ..outbox.deliveries import Deliveries
from ..outbox.shown import was_shown
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..review.destination import NOWHERE, destination_of
from ..sanitize import one_line
from .destinations import bound_lines
from .results import Confirmation, Message, Result, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..deliver.permission import Grounds, Permission
    from ..deliver.sender import SendResult  # noqa: TC004  # a type, for the faces
    from ..outbox.envelope import Envelope, Label
    from ..paths import Places
    from ..review.destination import Destination
    from .terms import Terms

__all__ = [
    "ALL",
    "ALWAYS",
    "NAMED",
    "Route",
    "SendRequest",
    "SendResult",
    "SendingPlan",
    "delivery_line",
    "plan_sending",
    "read_routes",
    "send",
    "send_due",
    "sending_result",
    "were_all_sent",
]

ALWAYS = "a"
"""The key of the answer that allows from now on what is undecided."""
_MOST = 5
_SENT = "sent"


@dataclass(frozen=True, slots=True)
class Route:
    """Whether one payload may go, and where to.

    Attributes:
        label: the envelope's.
        now: as things stand; None if the envelope cannot be opened: the sender sets it aside.
        once: if what is undecided is allowed in the same breath.
        destination: where it goes.
    """

    label: Label
    now: Permission | None
    once: Permission | None
    destination: Destination = NOWHERE


@dataclass(frozen=True, slots=True)
class SendingPlan:
    """What would be sent.

    Attributes:
        labels: of the payloads that may go.
        asked: how the user has asked for them.
        needs_yes: the programs whose telemetry is undecided: they are sent this once, or allowed.
        confirmation: what is asked before; None if nothing may go.
        refusal: why nothing may go; None if something may.
        terms: what the contracts of those programs ask, as it is shown.
    """

    labels: tuple[Label, ...]
    asked: SendRequest
    needs_yes: tuple[str, ...]
    confirmation: Confirmation | None
    refusal: Message | None
    terms: Mapping[str, Terms] = field(default_factory=dict)


def read_routes(places: Places, labels: Sequence[Label], request: SendRequest) -> list[Route]:
    """Look up for each of these payloads whether it may go, and where to.

    Args:
        places: where the outbox and the choices are.
        labels: pending envelopes.
        request: how the user has asked for them.
    """
    outbox = Outbox(places.state)
    deliveries = Deliveries(outbox)
    routes = []
    for label in labels:
        try:
            envelope = outbox.open(PENDING, label)
        except CqtelError:
            routes.append(Route(label, None, None))
        else:
            known = grounds(places, envelope, deliveries=deliveries)
            was_read = request.is_named and was_shown(places.state, envelope)
            routes.append(_route(label, envelope, known, replace(request, was_read=was_read)))
    return routes


def _route(label: Label, envelope: Envelope, known: Grounds, request: SendRequest) -> Route:
    now = permission(envelope, known, request)
    once = permission(envelope, known, replace(request, is_once=True))
    decision = known.decision
    bound = destination_of(envelope, decision.endpoint, is_proposed=decision.is_proposed)
    return Route(label, now, once, bound)


def plan_sending(
    routes: Sequence[Route],
    request: SendRequest,
    terms: Mapping[str, Terms] = MappingProxyType({}),
) -> SendingPlan:
    """Return what would be sent, and what has to be asked before.

    What is undecided counts as allowed, for that is asked in the same question.

    Args:
        routes: of each payload.
        request: how sending was asked for.
        terms: what the contracts of programs ask, that a yes would agree to.
    """
    going: list[Label] = []
    destinations: Counter[Destination] = Counter()
    refusals: Counter[str] = Counter()
    undecided: dict[str, None] = {}
    warnings: Counter[str] = Counter()
    for route in routes:
        if route.once is None or route.now is None:
            going.append(route.label)  # the sender sets it aside, and says so
        elif route.once.refusal or route.once.url is None:
            refusals[route.once.refusal] += 1
        else:
            going.append(route.label)
            destinations[route.destination] += 1
            warnings.update([route.once.warning] if route.once.warning else [])
            if route.now.refusal:
                undecided.setdefault(route.label.app)
    if not going:
        return SendingPlan((), request, needs_yes=(), confirmation=None, refusal=_no(refusals))
    details = [*bound_lines(destinations), *_refusals(refusals), *_warnings(warnings)]
    what = number(len(going), "payload")
    asking = Confirmation(f"Send {what}?", tuple(details), "yes, send")
    if undecided:
        whom = " and ".join(undecided)
        details.append(
            f"You have not decided about {whom}. Once is for these alone, without an ID; "
            "always is also a yes to what comes from now on."
        )
        details += [line for one in undecided if one in terms for line in terms[one].lines]
        others = ((ALWAYS, "always, from now on"),)
        asking = replace(asking, details=tuple(details), yes="yes, this once", others=others)
    return SendingPlan(tuple(going), request, tuple(undecided), asking, None, terms)


def _no(refusals: Counter[str]) -> Message:
    reasons = [one_line(refusal, 200) for refusal, _ in refusals.most_common(_MOST)]
    key = "4 sets one" if list(refusals) == [NO_ENDPOINT] else ""
    text = f"nothing is sent: {'. '.join(reasons) or 'nothing is pending'}"
    return Message(text, key=key, is_warning=True)


def _refusals(refusals: Counter[str]) -> list[str]:
    words = []
    for refusal, count in refusals.most_common(_MOST):
        stays = f"{count:,} {'stays' if count == 1 else 'stay'} here"
        hint = " 4 sets one." if refusal == NO_ENDPOINT else ""
        words.append(f"{stays}: {one_line(refusal, 200)}.{hint}")
    return words


def _warnings(warnings: Counter[str]) -> list[str]:
    return [
        f"{one_line(warning, 200)} ({count:,})" for warning, count in warnings.most_common(_MOST)
    ]


def send(
    places: Places,
    labels: Sequence[Label],
    request: SendRequest,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[SendResult]:
    """Send these payloads now, each one if it still may go; give what became of each.

    Raises:
        CqtelError: the outbox cannot be read or written.
    """
    from ..deliver.sender import Sender

    yield from Sender(places).send(labels, request, is_cancelled)


def send_due(places: Places) -> None:
    """Have what is due sent by another process; nothing waits for it."""
    from ..outbox.dispatch import start_if_due

    start_if_due(places.state)


def delivery_line(delivery: SendResult) -> str:
    """Return what became of one payload."""
    by = delivery.receipt.proxy if delivery.receipt else ""
    way = f" (by the proxy {by})" if by else ""
    return f"{delivery.id} {delivery.outcome.value}: {delivery.why}{way}"


def were_all_sent(labels: Sequence[Label], deliveries: Sequence[SendResult]) -> bool:
    """Tell whether each one was sent."""
    return _count_sent(deliveries) == len(labels)


def sending_result(labels: Sequence[Label], deliveries: Sequence[SendResult]) -> Result:
    """Return what became of payloads that were to be sent, as far as it was gone on with."""
    sent = _count_sent(deliveries)
    lines = [delivery_line(delivery) for delivery in deliveries]
    if left := len(labels) - len(deliveries):
        lines.append(f"{left:,} more stay here")
    if were_all_sent(labels, deliveries):
        message = Message(f"sent {sent:,}", key="The receipts are under 2")
    else:
        last = next((each for each in deliveries[::-1] if each.outcome.value != _SENT), None)
        why = f": {last.outcome.value}, {last.why}" if last else ""
        message = Message(f"sent {sent:,} of {len(labels):,}{why}", is_warning=True)
    return Result((message,), lines=tuple(lines))


def _count_sent(deliveries: Sequence[SendResult]) -> int:
    return sum(delivery.outcome.value == _SENT for delivery in deliveries)
