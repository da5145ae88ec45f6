"""The commands that ask the collector what it does and what it has of us, or have it erase that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..consent import cookie as cookies
from ..consent.decision import ask
from ..errors import CqtelError, WrongUsageError
from ..paths import places
from ..rights.announced import announced, operation_lines
from ..rights.exporting import write_operations
from ..tui.terminal import has_terminal
from .output import here, is_sure, number, say, show, show_json

if TYPE_CHECKING:
    import argparse

    from ..rights.announced import Line


def policy(given: argparse.Namespace) -> int:
    """Print what the collector says that it does, and what it would derive from this machine."""
    from ..rights.requests import Collector

    with Collector(_endpoint()) as collector:
        announcement = collector.announcement()
    if given.json:
        show_json(announcement.as_json())
    else:
        for line in announced(announcement):
            _show(line, 12)
    return 0


def mine(given: argparse.Namespace) -> int:
    """Print, or write to a file, everything that the collector has of this directory's cookie."""
    from ..rights.requests import Collector, key_of

    endpoint, cookie = _endpoint(), key_of(here(), places().state)
    with Collector(endpoint) as collector:
        operations = collector.data(cookie)
    if given.export is not None:
        write_operations(given.export, operations)
        say(f"{number(len(operations), 'operation')} written to {given.export}")
    if given.json:
        show_json({"endpoint": endpoint, "operations": operations})
    elif given.export is None:
        for line in operation_lines(operations):
            _show(line, 4)
        if not operations:
            say(f"{endpoint} has nothing of this cookie")
    return 0


def erase(given: argparse.Namespace) -> int:
    """Have the collector erase everything of this directory's cookie, after a question."""
    from ..rights.requests import key_of

    if not given.yes and not has_terminal():
        raise WrongUsageError("Nobody is there to be asked. To go on without a question: --yes")
    endpoint, cookie = _endpoint(), key_of(here(), places().state)
    question = f"Have {endpoint} erase all that it has of this directory's cookie? No undo."
    if not given.yes and not is_sure(question):
        say("nothing was asked for")
        return 1
    _erase(endpoint, cookie)
    say("payloads with this cookie are dropped there from now on. For a new one: cq-telemetry "
        "cookie reset")  # fmt: skip
    return 0


def _erase(endpoint: str, cookie: str) -> None:
    """Have a collector erase everything of a cookie, and say what was erased.

    Raises:
        CqtelError: it was not, or nobody knows whether it was.
    """
    from ..rights.requests import Collector

    try:
        with Collector(endpoint) as collector:
            erased = collector.erase(cookie)
    except KeyboardInterrupt:
        say("stopped; it may have been erased all the same: see cq-telemetry mine")
        raise
    say(f"erased at {endpoint}: {number(erased, 'span')}")


def offer_erasure(directory: str | None, *, wanted: bool) -> None:
    """Before a cookie is lost, and the key to one's data with it, have that data erased.

    Args:
        directory: whose cookie; None for a current directory that is gone.
        wanted: whether erasure was asked for by an option. If not, somebody at a terminal is
            asked, and nobody is told how to have it.

    Raises:
        CqtelError: erasure was wanted, and did not come about; the cookie must stay.
    """
    endpoint = ask(places()).endpoint
    if not wanted:
        if directory is None or endpoint is None:
            return
        if cookies.look(directory, places().state).state != cookies.PRESENT:
            return
        if not has_terminal():
            say(f"what {endpoint} has of this cookie stays there: without it, it cannot be erased "
                "any more. --erase does that first")  # fmt: skip
            return
        question = f"First have {endpoint} erase all that it has of this cookie?"
        if not is_sure(f"{question} Without the cookie it cannot be asked for that any more."):
            return
    try:
        from ..rights.requests import key_of

        _erase(_endpoint(), key_of(directory or here(), places().state))
    except CqtelError as error:
        raise CqtelError(
            f"{error}. The cookie was kept: without it, nothing can be erased there. Try again, "
            "or leave out --erase."
        ) from None


def _endpoint() -> str:
    endpoint = ask(places()).endpoint
    if endpoint is None:
        raise CqtelError(
            "There is no endpoint, and so nobody to ask. To set one: cq-telemetry endpoint URL"
        )
    return endpoint


def _show(line: Line, width: int) -> None:
    show(f"{line.name:<{width}}{'!! ' if line.is_warning else ''}{line.text}")
