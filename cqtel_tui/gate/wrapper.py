"""Run a program that we did not write, record its operation, and keep its own telemetry from going.

Its exit code, signals, terminal and streams are as they would be without us (see `process`), and
whatever goes wrong with the recording is told on stderr and stops nothing.

Limit: in the C locale Python adds `LC_CTYPE` to its environment (PEP 538). Linux tells what was
there before; elsewhere the program is given that `LC_CTYPE`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent import OFF, ask
from ..errors import CqtelError
from ..paths import places
from ..record import Telemetry
from ..sanitize import printable
from .process import Outcome, run
from .profiles import Invocation, hush, recognise, take_options
from .versions import Versions, ask_version, find_binary, mark_of, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..consent import Decision
    from ..record import Operation

_COERCED = {"C.UTF-8", "C.utf8", "UTF-8"}


def wrap(command: Sequence[str], options: Sequence[str]) -> Outcome:
    """Run `command`, and return how it ended.

    Args:
        command: the program and its arguments.
        options: the telemetry options that were given to us.

    Raises:
        CommandNotFound: the program could not be started.
    """
    environment = _as_given()
    invocation = recognise(command)
    if invocation is None:
        _say(f"{command[0]} is not a program we know; it runs untouched, and nothing is recorded")
        return run(command, environment)
    profile = invocation.profile
    given, arguments = take_options(invocation.arguments)
    arguments, is_hushed = hush(profile, arguments)
    if is_hushed:
        _say(f"{profile.level} was set to {profile.quiet}: what cannot be reviewed is not sent")
    options = [*options, *given]
    decision = _decide(options)
    is_off = decision is None or decision.state == OFF
    environment = {
        **{name: value for name, value in environment.items() if name not in profile.ours},
        **(profile.refuse if is_off else profile.closed),
    }
    executable = substitute(invocation, environment)

    def run_it() -> Outcome:
        return run([*invocation.prefix, *arguments], environment, executable=executable)

    invocation = Invocation(profile, invocation.prefix, tuple(arguments))
    operation = invocation.operation
    if decision is None or operation is None or (is_off and not decision.inspect):
        return run_it()
    binary = executable or find_binary(invocation, environment)
    telemetry = Telemetry(
        profile.name,
        no_telemetry="--no-telemetry" in options,
        debug_telemetry="--debug-telemetry" in options,
        inspect_telemetry="--inspect-telemetry" in options,
    )
    recording = _Recording(telemetry, invocation, operation)
    return _recorded(telemetry.operation(operation), run_it)
