"""Run a program that we did not write, record its operation, and keep its own telemetry from going.

Its exit code, signals, terminal and streams are as they would be without us (see `process`).
Whatever goes wrong with the recording is told on stderr, and stops nothing.

Limit: in the C locale Python adds `LC_CTYPE` to its own environment (PEP 538). Linux tells what was
there before; elsewhere the program is given that `LC_CTYPE`, too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent import NO_TELEMETRY, OFF, ask
from ..errors import CqtelError
from ..paths import places
from ..record import Telemetry
from ..sanitize import printable
from .process import Outcome, run
from .profiles import hush, recognise, take_options
from .versions import Version, find_binary, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..consent import Decision
    from .profiles import Invocation

_COERCED_LOCALES = {"C.UTF-8", "C.utf8", "UTF-8"}
_FIRST_ENVIRONMENT = Path("/proc/self/environ")


@dataclass(frozen=True, slots=True)
class _Start:
    """What is started.

    Attributes:
        command: the program and its arguments.
        environment: all of its environment.
        executable: its file, where `PATH` has none.
        binary: the file whose version it has, if that can be told.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    executable: str | None = None
    binary: str | None = None

    def run(self) -> Outcome:
        return run(self.command, self.environment, executable=self.executable)


def wrap(
    command: Sequence[str],
    options: Sequence[str],
    on_held: Callable[[str], object] | None = None,
) -> Outcome:
    """Run `command`, and return how it ended.

    Args:
        command: the program and its arguments.
        options: the telemetry options that were given to us.
        on_held: called with the name of the envelope that its operation became, if it became one.

    Raises:
        CommandNotFound: the program could not be started.
    """
    invocation = recognise(command)
    if invocation is None:
        _say(f"{command[0]} is not a program we know; it runs untouched, and nothing is recorded")
        return _Start(command, environment_given()).run()
    given, arguments = take_options(invocation.arguments)
    arguments, is_hushed = hush(invocation.profile, arguments)
    if is_hushed:
        _say(
            f"{invocation.profile.level} was set to {invocation.profile.quiet}: "
            "what cannot be reviewed is not sent"
        )
    options = [*options, *given]
    decision = _decide(options)
    is_off = decision is None or decision.state == OFF
    invocation = replace(invocation, arguments=tuple(arguments))
    start = _prepare(invocation, is_off=is_off)
    operation = invocation.operation
    if decision is None or operation is None or (is_off and not decision.inspect):
        return start.run()
    outcome, held = _record(start, invocation, operation, options)
    if held is not None and on_held is not None:
        on_held(held)
    return outcome


def environment_given() -> dict[str, str]:
    """Return the environment that we were started with, without what Python has put in."""
    environment = dict(os.environ)
    if environment.get("LC_CTYPE") in _COERCED_LOCALES:
        with contextlib.suppress(OSError):
            first = _FIRST_ENVIRONMENT.read_bytes().split(b"\0")
            given = [entry[9:] for entry in first if entry.startswith(b"LC_CTYPE=")]
            if given:
                environment["LC_CTYPE"] = os.fsdecode(given[0])
            else:
                del environment["LC_CTYPE"]
    return environment


def _decide(options: Sequence[str]) -> Decision | None:
    """Ask for the decision; None, which is off, where there is nowhere to ask."""
    try:
        return ask(places(), options)
    except CqtelError as error:
        _say(f"{error} Until then nothing is recorded, and nothing is sent.")
        return None


def _prepare(invocation: Invocation, *, is_off: bool) -> _Start:
    profile = invocation.profile
    environment = {
        **{name: v for name, v in environment_given().items() if name not in profile.ours},
        **(profile.refuse if is_off else profile.closed),
    }
    executable = substitute(invocation, environment)
    return _Start(
        [*invocation.prefix, *invocation.arguments],
        environment,
        executable,
        executable or find_binary(invocation, environment),
    )


def _record(
    start: _Start, invocation: Invocation, operation: str, options: Sequence[str]
) -> tuple[Outcome, str | None]:
    telemetry = Telemetry(
        invocation.profile.name,
        no_telemetry=NO_TELEMETRY in options,
        debug_telemetry="--debug-telemetry" in options,
        inspect_telemetry="--inspect-telemetry" in options,
    )
    recorded = telemetry.operation(operation)
    # Not `with`: a program that could not be started is no operation, and is forgotten.
    recorded.__enter__()
    outcome = start.run()
    ended = telemetry.stopwatch()
    telemetry.stopwatch = lambda: ended  # what we do from here on is not the program's time
    recorded.exit(outcome.shell_status)
    # Whoever presses Ctrl+C now wants the prompt back, and how the program ended is what counts.
    with contextlib.suppress(KeyboardInterrupt):
        version = Version(start.binary, invocation.profile, places().state)
        telemetry.version = version.get(start.environment)
        recorded.__exit__(None, None, None)
        # Only what is recorded leaves a trace on this machine: inspecting does not.
        if recorded.held is not None:
            version.remember()
    if telemetry.lost:
        _say("this operation could not be recorded; cq-telemetry status tells what is wrong")
    return outcome, recorded.held


def _say(text: str) -> None:
    # Without stderr, or with nobody who reads it, the program runs all the same.
    with contextlib.suppress(AttributeError, OSError):
        sys.stderr.write(f"cq-telemetry: {printable(text)}\n")
