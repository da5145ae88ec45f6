"""The commands that run something, or let something run through here: run, env, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..consent import OFF, OPTIONS, ask
from ..errors import CqtelError, WrongUsageError
from ..paths import places
from .output import say, show, somebody_may_be_there

if TYPE_CHECKING:
    import argparse

_THROUGH_HERE = {
    "bash": "alias cloudquery='cq-telemetry run -- cloudquery'",
    "zsh": "alias cloudquery='cq-telemetry run -- cloudquery'",
    "fish": "alias cloudquery 'cq-telemetry run -- cloudquery'",
    "powershell": "function cloudquery { cq-telemetry run -- cloudquery @args }",
}
_SETTING = {
    "bash": "export {}={}",
    "zsh": "export {}={}",
    "fish": "set -gx {} {}",
    "powershell": '$env:{} = "{}"',
}


def run(given: argparse.Namespace) -> int:  # noqa: RET503  # `end_like` does not return
    """Run a program, hold what it reports, and end as it ended."""
    from ..gate.process import CommandNotFound, end_like
    from ..gate.wrapper import wrap

    command = given.program[1:] if given.program[:1] == ["--"] else given.program
    if not command:
        raise WrongUsageError("Name the program to run: cq-telemetry run -- cloudquery sync FILE")
    flags = (given.no_telemetry, given.debug_telemetry, given.inspect_telemetry)
    options = [option for option, is_given in zip(OPTIONS, flags, strict=True) if is_given]
    held: list[str] = []
    try:
        outcome = wrap(command, options, held.append)
    except CommandNotFound as error:
        say(f"{error}")
        return error.status
    if held and outcome.signal is None and somebody_may_be_there():
        from ..first_run import ask_if_due

        ask_if_due(places(), held[-1])
    end_like(outcome)


def environment(given: argparse.Namespace) -> int:
    """Print what to evaluate in a shell so that its `cloudquery` runs through here."""
    decision = ask(places())
    show(_THROUGH_HERE[given.shell])
    if decision.state == OFF:
        from ..gate.profiles import CLOUDQUERY

        for name, value in CLOUDQUERY.refuse.items():
            show(_SETTING[given.shell].format(name, value))
    return 0


def demo(given: argparse.Namespace) -> int:
    """Open the UI over a throw-away home."""
    del given
    from ..terminal import NO_TERMINAL, is_drawable

    if not is_drawable():
        raise CqtelError(NO_TERMINAL)
    from ..tui.app import run as show_ui

    return show_ui(demo=True)
