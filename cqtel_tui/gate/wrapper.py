"""Run a program that we did not write, record its operation, and keep its own telemetry from going.

Its exit code, signals, terminal and streams are as they would be without us (see `process`).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..consent import OFF, ask
from ..paths import places
from ..record import Telemetry
from .process import Outcome, run
from .profiles import Invocation, hush, recognise, take_options
from .versions import Version, find_binary, packaged_binary

if TYPE_CHECKING:
    from collections.abc import Sequence


def wrap(command: Sequence[str], options: Sequence[str]) -> Outcome:
    """Run `command`, and return how it ended.

    Args:
        command: the program and its arguments.
        options: the telemetry options that were given to us.

    Raises:
        CommandNotFound: the program could not be started.
    """
    invocation = recognise(command)
    if invocation is None:
        _say(f"{command[0]} is not a program we know; it runs untouched, and nothing is recorded")
        return run(command, os.environ)
    given, arguments = take_options(invocation.arguments)
    return _wrap(
        Invocation(invocation.profile, invocation.prefix, tuple(arguments)), [*options, *given]
    )


def _wrap(invocation: Invocation, options: Sequence[str]) -> Outcome:
    profile = invocation.profile
    decision = ask(places(), options)
    environment = {
        **os.environ,
        **(profile.refuse if decision.state == OFF else profile.closed),
    }
    arguments, changed = hush(profile, invocation.arguments)
    if changed:
        _say(f"{profile.level} was set to {profile.quiet}: what cannot be reviewed is not sent")
    binary = find_binary(invocation, environment)
    executable = None
    if not invocation.through_python and binary == packaged_binary(invocation):
        executable = binary
    command = [*invocation.prefix, *arguments]
    operation = invocation.operation
    if operation is None or (decision.state == OFF and not decision.inspect):
        return run(command, environment, executable=executable)
    telemetry = Telemetry(
        profile.name,
        no_telemetry="--no-telemetry" in options,
        debug_telemetry="--debug-telemetry" in options,
        inspect_telemetry="--inspect-telemetry" in options,
    )
    versions: list[Version] = []

    def ask_for_version(process: int) -> None:
        del process
        if binary is not None:
            versions.append(Version(binary, places().state, environment))

    recorded = telemetry.operation(operation)
    # Not `with`: a program that could not be started is no operation, and is forgotten.
    recorded.__enter__()
    outcome = run(command, environment, executable=executable, on_start=ask_for_version)
    recorded.stop()
    recorded.exit(outcome.shell_status)
    if versions:
        telemetry.version = versions[0].get()
    recorded.__exit__(None, None, None)
    return outcome


def _say(text: str) -> None:
    sys.stderr.write(f"cq-telemetry: {text}\n")
