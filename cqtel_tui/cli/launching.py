"""`cq-telemetry run`: start a program, or a shell as a session, and end as it ends.

Where telemetry is off there is nothing to stay for: this process becomes the program. Nothing but
what that takes is loaded before the program starts (DESIGN §11).
"""

import os
import sys

from ..consent.decision import OFF, OPTIONS
from ..errors import CqtelError
from ..gate.executing import CommandNotFound, become
from ..gate.launcher import prepare, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from ..gate.launcher import Start

_FAILED = 1


def main(words: "Sequence[str]") -> "int | None":
    """Do what `cq-telemetry run` does; return its exit code.

    Args:
        words: what follows `run` on the command line.

    Returns:
        the exit code; None for a command line that the parser of all commands is to answer.
    """
    at = 0
    while at < len(words) and words[at] in OPTIONS:
        at += 1
    options, command = tuple(words[:at]), tuple(words[at:])
    if command[:1] == ("--",):
        command = command[1:]
    elif command and command[0].startswith("-"):
        return None
    return launch(command, options)


def launch(command: "Sequence[str]", options: "Sequence[str]") -> int:
    """Run a command, or without one a shell; return the exit code where it could not be started.

    Otherwise this process ends as the program has ended, or becomes it.
    """
    is_session = not command
    try:
        start = prepare(tuple(command) or (_shell(),), options)
        if is_session:
            say(_announced(start.state))
        for note in start.notes:
            say(note)
        if start.state == OFF and not start.is_recorded and hasattr(os, "posix_spawn"):
            become(start.executable or start.command[0], start.command, start.environment)
        _stay(start, is_session=is_session)
    except CommandNotFound as error:
        say(f"{error}")
        return error.status
    except CqtelError as error:
        say(f"{error}")
        return _FAILED


def _shell() -> str:
    return os.environ.get("SHELL") or os.environ.get("COMSPEC") or "/bin/sh"


def _announced(state: str) -> str:
    if state == OFF:
        return "this is a session: telemetry is off for every program in it; exit ends it"
    return (
        "this is a session: what programs in it report is intercepted for your review; exit ends it"
    )


def _stay(start: "Start", *, is_session: bool) -> "NoReturn":
    """Run what was decided about, ask for consent where that is due, and end as it ended.

    Raises:
        CommandNotFound: the program could not be started.
    """
    from ..gate.process import end_like, run
    from ..gate.wrapper import stay

    wrapped = stay(start, run)
    if is_session and start.state != OFF:
        say(f"the session is over; {wrapped.pending:,} pending from it")
    if wrapped.held and wrapped.outcome.ended_by_itself and _is_at_terminal():
        from ..paths import places
        from ..tui.first_run import ask_if_due

        ask_if_due(places(), wrapped.held)
    end_like(wrapped.outcome)


def _is_at_terminal() -> bool:
    """Tell whether somebody may be asked; what else it takes, `first_run` knows."""
    from ..standard_streams import is_terminal

    return is_terminal(sys.stdin) and is_terminal(sys.stderr)
