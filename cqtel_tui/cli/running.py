"""The commands that run something, or let something run through here: run, env, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..consent.decision import CLOUDQUERY, OFF, OPTIONS, ask
from ..errors import CqtelError, WrongUsageError
from ..paths import places
from .output import say, show, show_json

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


def run(arguments: argparse.Namespace) -> int:
    """Run a program, hold what it reports, and end as it ended; without one, a shell."""
    from .launching import launch

    return launch(*_command(arguments))


def verify(arguments: argparse.Namespace) -> int:
    """Run a program, and list where it tried to send to.

    Returns:
        0 if it was seen to try nothing outside of this machine, else 1.
    """
    from ..gate.executing import CommandNotFound
    from ..proof.verification import verify as look_on

    command, options = _command(arguments)
    if not command:
        raise WrongUsageError(
            "Name the program to run: cq-telemetry verify -- cloudquery sync FILE"
        )
    try:
        verification = look_on(command, options)
    except CommandNotFound as error:
        say(f"{error}")
        return error.status
    if arguments.json:
        show_json(verification.as_json())
    else:
        for line in verification.as_lines():
            show(line)
    return 0 if verification.is_proof else 1


def _command(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the program's command line, and the telemetry options that stand before it."""
    command = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    flags = (arguments.no_telemetry, arguments.debug_telemetry, arguments.inspect_telemetry)
    return command, [option for option, is_given in zip(OPTIONS, flags, strict=True) if is_given]


def environment(arguments: argparse.Namespace) -> int:
    """Print shell code that makes `cloudquery` run through cq-telemetry."""
    decision = ask(places(), program=CLOUDQUERY)
    show(_THROUGH_HERE[arguments.shell])
    if decision.state == OFF:
        for name, value in _opt_outs().items():
            show(_SETTING[arguments.shell].format(name, _quoted(value, arguments.shell)))
    return 0


def _opt_outs() -> dict[str, str]:
    """Return the opt-out variables of every known profile: what is shipped, and the user's own."""
    from ..gate.profiles import known_profiles
    from ..gate.shipped import PROFILES

    try:
        profiles = known_profiles(str(places().config))
    except CqtelError as error:
        say(f"{error}")
        profiles = PROFILES
    return {name: value for profile in profiles for name, value in profile.refuse.items()}


def _quoted(value: str, shell: str) -> str:
    """Return a value as one word of this shell, in which nothing is expanded."""
    if shell == "powershell":  # it stands in double quotes there
        return value.translate({ord(each): f"`{each}" for each in '`$"'})
    if shell == "fish":
        is_plain = value.replace("-", "").replace("_", "").isalnum()
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return value if is_plain else f"'{escaped}'"
    from shlex import quote

    return quote(value)


def demo(arguments: argparse.Namespace) -> int:
    """Open the UI over a throw-away home."""
    del arguments
    from ..tui.terminal import is_drawable, why_not_drawable

    if not is_drawable():
        raise CqtelError(why_not_drawable())
    from ..tui.app import run as show_ui

    return show_ui(demo=True)
