"""The commands that ask the collector what it does and what it has of us, or have it erase that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions import erasing
from ..actions.programs import only_collector
from ..consent import cookie as cookies
from ..errors import CqtelError, WrongUsageError
from ..paths import places
from ..rights.announced import announced, operation_lines
from ..rights.exporting import write_operations
from ..tui.terminal import has_terminal
from .output import ask, here, number, say, show, show_json, tell, tell_message

if TYPE_CHECKING:
    import argparse

    from ..actions.erasing import ErasurePlan
    from ..consent import Program
    from ..rights.announced import Line


def policy(arguments: argparse.Namespace) -> int:
    """Print what the collector says that it does, and what it would derive from this machine."""
    announcement = erasing.ask_announcement(_endpoint(_named(arguments)))
    if arguments.json:
        show_json(announcement.as_json())
    else:
        for line in announced(announcement):
            _show(line, 12)
    return 0


def old_policy(arguments: argparse.Namespace) -> int:
    """Do what `collector-policy` does, under the name that it had."""
    say(
        "cq-telemetry policy is called cq-telemetry collector-policy now; this name goes with the "
        "next version"
    )
    return policy(arguments)


def mine(arguments: argparse.Namespace) -> int:
    """Print, or write to a file, everything that the collector has of this directory's cookie."""
    endpoint = _endpoint(_named(arguments))
    operations = erasing.ask_data(erasing.plan_data(_key(here()), endpoint))
    if arguments.export is not None:
        write_operations(arguments.export, operations)
        say(f"{number(len(operations), 'operation')} written to {arguments.export}")
    if arguments.json:
        show_json({"endpoint": endpoint, "operations": operations})
    elif arguments.export is None:
        for line in operation_lines(operations):
            _show(line, 4)
        if not operations:
            say(f"{endpoint} has no data under this installation ID")
    return 0


def erase(arguments: argparse.Namespace) -> int:
    """Have the collector erase everything of this directory's cookie, after a question."""
    if not arguments.yes and not has_terminal():
        raise WrongUsageError("No terminal to ask at; pass --yes")
    endpoint = _endpoint(_named(arguments))
    plan = erasing.plan_erasure(_key(here()), endpoint)
    if not arguments.yes and not ask(plan.confirmation):
        say("nothing was requested")
        return 1
    _erase(plan)
    say("payloads with this installation ID are dropped there from now on. For a new one: "
        "cq-telemetry cookie reset")  # fmt: skip
    return 0


def _erase(plan: ErasurePlan) -> None:
    """Have a collector erase everything of a cookie, and say what was erased.

    Raises:
        CqtelError: it was not, or nobody knows whether it was.
    """
    try:
        tell(erasing.erase(plan))
    except KeyboardInterrupt:
        say(erasing.STOPPED)
        raise


def offer_erasure(plan: ErasurePlan | None, directory: str | None, *, wanted: bool) -> None:
    """Before a cookie is lost, and the key to one's data with it, have that data erased.

    Args:
        plan: of the erasure; None if there seems to be nothing to be erased.
        directory: whose cookie; None for a current directory that is gone.
        wanted: whether erasure was asked for by an option. If not, somebody at a terminal is
            asked, and nobody is told how to have it.

    Raises:
        CqtelError: erasure was wanted, and did not come about; the cookie must stay.
    """
    if not wanted:
        if plan is None:
            return
        if not has_terminal():
            tell_message(plan.unasked)
            return
        if not ask(plan.offer):
            return
    try:
        if plan is None:
            endpoint, key = _endpoint(), _key(directory or here())
            plan = erasing.plan_erasure(key, endpoint)
        _erase(plan)
    except CqtelError as error:
        kept = erasing.KEPT.text
        raise CqtelError(
            f"{error}. {kept[:1].upper()}{kept[1:]}. Try again, or leave out --erase."
        ) from None


def _named(arguments: argparse.Namespace) -> Program:
    return arguments.program or ""


def _key(directory: str) -> str:
    return erasing.key_of(cookies.look(directory, places().state))


def _endpoint(program: Program = "") -> str:
    endpoint = only_collector(places(), program)
    if endpoint is None:
        raise CqtelError(erasing.NO_COLLECTOR)
    return endpoint


def _show(line: Line, width: int) -> None:
    show(f"{line.name:<{width}}{'!! ' if line.is_warning else ''}{line.text}")
