"""Ask a collector what it does and what it has of us, and have it erase that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent.cookie_file import PRESENT, UNSAFE
from ..errors import CqtelError
from ..sanitize import one_line
from .results import Confirmation, Message, Result, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..consent.cookie import Cookie
    from ..formats.strict_json import JsonObject
    from ..rights.announced import Announcement

NO_COLLECTOR = (
    "No endpoint is set, so there is no collector to ask. To set one: cq-telemetry endpoint URL, "
    "or 4 in cq-telemetry-ui"
)
KEPT = Message(
    "the installation ID was left as it is: without it, nothing can be erased there",
    is_warning=True,
)
STOPPED = "stopped; it may have been erased all the same: see cq-telemetry mine"


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """An erasure at a collector.

    Attributes:
        endpoint: the collector's.
        key: the cookie, which is the key to what is erased.
        confirmation: what is asked where nothing but this is done.
        offer: what is asked before the cookie is lost.
        unasked: what is said instead, where nobody is there to be asked.
    """

    endpoint: str
    key: str
    confirmation: Confirmation
    offer: Confirmation
    unasked: Message


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A request for everything that a collector has of an installation.

    Attributes:
        endpoint: the collector's.
        key: the cookie.
        confirmation: what is asked before.
    """

    endpoint: str
    key: str
    confirmation: Confirmation


def key_of(cookie: Cookie) -> str:
    """Return the value of a cookie, the key to what a collector has of it.

    Raises:
        CqtelError: there is none that could be used.
    """
    if cookie.value is not None:
        return cookie.value
    state = f"unsafe: {cookie.reason}" if cookie.state == UNSAFE else cookie.state
    raise CqtelError(
        f"{cookie.path} is {state}. Without the ID no collector can tell what is yours, and "
        "nothing can be requested or erased. Go to the directory whose ID it was sent with."
    )


def plan_erasure(key: str, endpoint: str | None) -> ErasurePlan:
    """Return what an erasure at a collector would mean.

    Raises:
        CqtelError: there is no collector.
    """
    collector = _required(endpoint)
    shown = one_line(collector, 200)
    meaning = (
        f"{shown} sees your network address. What is sent with this ID later is dropped there, "
        "too. This cannot be undone."
    )
    return ErasurePlan(
        collector,
        key,
        Confirmation(
            "Have the collector erase all data under this installation ID?",
            (meaning,),
            "yes, erase it",
        ),
        Confirmation(
            f"First have {shown} erase all data under this ID?",
            (f"The installation ID is the key to your data at {one_line(collector, 100)}.",),
            "yes, and erase there",
        ),
        Message(
            f"the data that {shown} has under this ID stays there: it cannot be erased without "
            "the ID. --erase does that first"
        ),
    )


def offered_erasure(cookie: Cookie, endpoint: str | None) -> ErasurePlan | None:
    """Return what can be erased at a collector before a cookie is lost; None if nothing can."""
    if endpoint is None or cookie.state != PRESENT or cookie.value is None:
        return None
    return plan_erasure(cookie.value, endpoint)


def erase(plan: ErasurePlan, is_cancelled: Callable[[], bool] = lambda: False) -> Result:
    """Have a collector erase everything of a cookie; the cookie stays.

    Raises:
        CqtelError: it was not erased, or nobody knows whether it was.
    """
    from ..rights.requests import Collector

    with Collector(plan.endpoint, is_cancelled) as collector:
        erased = collector.erase(plan.key)
    return Result((Message(f"erased at {plan.endpoint}: {number(erased, 'span')}"),))


def plan_data(key: str, endpoint: str | None) -> DataRequest:
    """Return what asking a collector for all that it has of a cookie would mean.

    Raises:
        CqtelError: there is no collector.
    """
    collector = _required(endpoint)
    meaning = (
        f"{one_line(collector, 200)} sees your network address and the installation ID, which is "
        "the key to that data."
    )
    asking = Confirmation(
        "Ask the collector for all data under this installation ID?",
        (meaning,),
        "yes, ask",
    )
    return DataRequest(collector, key, asking)


def ask_data(
    request: DataRequest, is_cancelled: Callable[[], bool] = lambda: False
) -> list[JsonObject]:
    """Ask a collector for everything that it has of a cookie.

    Raises:
        CqtelError: there was no answer, or none that can be understood.
    """
    from ..rights.requests import Collector

    with Collector(request.endpoint, is_cancelled) as collector:
        return collector.data(request.key)


def ask_announcement(
    endpoint: str | None, is_cancelled: Callable[[], bool] = lambda: False
) -> Announcement:
    """Ask a collector what it does, and what it would derive from this machine; no cookie is shown.

    Raises:
        CqtelError: there is no collector, or no answer that can be understood.
    """
    from ..rights.requests import Collector

    with Collector(_required(endpoint), is_cancelled) as collector:
        return collector.announcement()


def _required(endpoint: str | None) -> str:
    if endpoint is None:
        raise CqtelError(NO_COLLECTOR)
    return endpoint
