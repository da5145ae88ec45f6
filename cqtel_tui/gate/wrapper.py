"""Run a program that we did not write, record its operation, and hold what it reports itself.

Its exit code, signals, terminal and streams are as they would be without us (see `process`).
Whatever goes wrong with the recording is told on stderr, and stops nothing.

Limit: in the C locale Python adds `LC_CTYPE` to its own environment (PEP 538). Linux tells what was
there before; elsewhere the program is given that `LC_CTYPE`, too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..consent import NO_TELEMETRY, OFF, ask
from ..errors import CqtelError
from ..paths import places
from ..record import Telemetry
from ..sanitize import printable
from .channels import environment
from .listening import Gate, Seen
from .process import Outcome, run
from .profiles import Invocation, hush, program_name, recognise, take_options
from .versions import Version, find_binary, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from ..consent import Decision
    from ..record import Operation
    from .profiles import Profile

    class Runner(Protocol):
        """Runs a program as `process.run` does, which it is unless somebody looks on."""

        def __call__(
            self,
            arguments: Sequence[str],
            environment: Mapping[str, str],
            *,
            executable: str | None = None,
            on_start: Callable[[int], None] | None = None,
        ) -> Outcome:
            """Run it, and return how it ended."""


_COERCED_LOCALES = {"C.UTF-8", "C.utf8", "UTF-8"}
_CREATED = slice(0, 16)
_ID = slice(17, 33)
"""Where in the name of an envelope its time and its id are."""
_FIRST_ENVIRONMENT = Path("/proc/self/environ")
_INSPECTED_WITHIN_SECONDS = 5.0
"""Who inspects waits for what is to be seen."""
_SERVED_BY = "h11"
_EXTRA = "pip install 'cqtel-tui[gate]'"


@dataclass(frozen=True, slots=True)
class _Start:
    """What is started.

    Attributes:
        command: the program and its arguments.
        environment: all of its environment.
        runner: what runs it.
        executable: its file, where `PATH` has none.
        binary: the file whose version it has, if that can be told.
        gate: where it reports to, if that is held.
        upstream: where what it reports was bound for.
        problem: why nothing of what it reports can be held; empty if it can, or is not wanted.
        run_facts: what the gate is told of the run (see `Gate.serve`).
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    runner: Runner
    executable: str | None = None
    binary: str | None = None
    gate: Gate | None = None
    upstream: str = ""
    problem: str = ""
    run_facts: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> Outcome:
        gate = self.gate
        if gate is None:
            return self.runner(self.command, self.environment, executable=self.executable)
        try:
            return self.runner(
                self.command,
                self.environment,
                executable=self.executable,
                on_start=self._serve,
            )
        except BaseException:
            gate.finish()
            raise

    def _serve(self, process: int) -> None:
        """Let the gate take over, now that the program has started."""
        assert self.gate is not None  # noqa: S101  # or nobody would have asked
        here = places()
        self.gate.serve(state=here.state, config=here.config, process=process, **self.run_facts)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """How a program ended that was run through here.

    Attributes:
        outcome: how it ended.
        decision: `on`, `hold` or `off`; empty for a program that is not known.
        held: the name of the envelope that its operation became; None if it became none.
        gate: where it was to report to; None where nothing was to be held.
        seen: what the gate has seen.
    """

    outcome: Outcome
    decision: str = ""
    held: str | None = None
    gate: Gate | None = None
    seen: Seen | None = None


def wrap(command: Sequence[str], options: Sequence[str], runner: Runner = run) -> Wrapped:
    """Run `command`, and return how it ended.

    Args:
        command: the program and its arguments.
        options: the telemetry options that were given to us.
        runner: what runs it.

    Raises:
        CommandNotFound: the program could not be started.
        ProfileError: the user's own profiles cannot be relied on; the program was not started.
    """
    invocation = recognise(command) or _recognise_own(command)
    if invocation is None:
        _say(f"{command[0]} is not a program we know; it runs untouched, and nothing is recorded")
        return Wrapped(_Start(command, environment_given(), runner).run())
    given, arguments = take_options(invocation.arguments)
    options = [*options, *given]
    decision = _decide(options)
    is_off = decision is None or decision.state == OFF
    profile = invocation.profile
    operation = invocation.operation
    gate, problem = _open_gate() if not is_off and operation is not None else (None, "")
    arguments, is_hushed = hush(profile, arguments, profile.levels if gate else None)
    if is_hushed:
        _say(f"{profile.level} was turned down: what cannot be reviewed is not sent")
    invocation = replace(invocation, arguments=tuple(arguments))
    start = replace(_prepare(invocation, gate, runner, is_off=is_off), problem=problem)
    if decision is not None:
        start = replace(start, run_facts=_facts(start, profile, decision, options))
    if decision is None or operation is None or (is_off and not decision.inspect):
        return Wrapped(start.run(), OFF if decision is None else decision.state)
    return replace(_record(start, invocation, operation, options), decision=decision.state)


def _facts(
    start: _Start, profile: Profile, decision: Decision, options: Sequence[str]
) -> dict[str, Any]:
    """Return what the gate is told of the run."""
    try:
        project = os.path.realpath(os.getcwd())  # noqa: PTH109  # as `record` has it
    except OSError:
        project = ""
    version = Version(start.binary, profile, places().state)
    return {
        "project": project,
        "app": profile.name,
        "version": version.known(),
        "upstreams": {profile.name: start.upstream},
        "debug": decision.debug,
        "inspect": decision.inspect,
        "options": options,
        "arguments": start.command[1:],
    }


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


def _recognise_own(command: Sequence[str]) -> Invocation | None:
    """Return what the user's own profiles know of a program; None if that is nothing."""
    try:
        config = places().config
    except CqtelError:
        return None  # without a home there are no profiles
    from .profile_files import profile_for

    profile = profile_for(config, program_name(command))
    if profile is None:
        return None
    return Invocation(profile, (command[0],), tuple(command[1:]))


def _open_gate() -> tuple[Gate | None, str]:
    """Return a gate; or why there is none, so that what cannot be held is closed."""
    problem = ""
    if not _is_installed(_SERVED_BY):
        problem = f"{_SERVED_BY} is not installed ({_EXTRA})"
    else:
        try:
            return Gate(), ""
        except OSError as error:
            problem = f"no port can be had: {error.strerror}"
    _say(f"the program's own telemetry is closed, as it cannot be held: {problem}")
    return None, problem


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def _prepare(invocation: Invocation, gate: Gate | None, runner: Runner, *, is_off: bool) -> _Start:
    profile = invocation.profile
    given = {name: v for name, v in environment_given().items() if name not in profile.ours}
    upstream = ""
    if gate is None:
        variables: Mapping[str, str] = {**given, **(profile.refuse if is_off else profile.closed)}
    else:
        opened = environment(profile.channels, given, gate, profile.name)
        variables, upstream = opened.variables, opened.upstream
        for note in opened.notes:
            _say(note)
    executable = substitute(invocation, variables)
    return _Start(
        [*invocation.prefix, *invocation.arguments],
        variables,
        runner,
        executable,
        executable or find_binary(invocation, variables),
        gate,
        upstream,
    )


def _record(
    start: _Start, invocation: Invocation, operation: str, options: Sequence[str]
) -> Wrapped:
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
    seen: Seen | None = None
    # Whoever presses Ctrl+C now wants the prompt back, and how the program ended is what counts.
    with contextlib.suppress(KeyboardInterrupt):
        version = Version(start.binary, invocation.profile, places().state)
        telemetry.version = version.get(start.environment)
        decision = recorded.decision
        if start.gate is not None and decision is not None and decision.inspect:
            seen = start.gate.finish(seconds=_INSPECTED_WITHIN_SECONDS)
            telemetry.inspected += seen.documents
        recorded.__exit__(None, None, None)
        if start.gate is not None:
            seen = start.gate.finish((recorded.held or "")[_ID], telemetry.version or "")
        # Only what is recorded leaves a trace on this machine: inspecting does not.
        if recorded.held is not None:
            version.remember()
        _tell(seen or Seen())
        if recorded.held is not None and (start.problem or (seen and seen.failure)):
            _remember_that_nothing_was_held(start, invocation.profile, telemetry, recorded, seen)
    if telemetry.lost:
        _say("this operation could not be recorded; cq-telemetry status tells what is wrong")
    return Wrapped(outcome, "", recorded.held, start.gate, seen)


def _tell(seen: Seen) -> None:
    """Tell in a line each what was refused, and what else is not held."""
    if seen.failure or seen.lost:
        reason = seen.failure or f"{seen.lost} requests could not be held"
        _say(f"not all that the program reported is held: {reason}")
    if any(seen.refused.values()):
        from .refusals import refused_words

        _say(f"not held, as the gate refused it: {refused_words(seen.refused)}")


def _remember_that_nothing_was_held(
    start: _Start,
    profile: Profile,
    telemetry: Telemetry,
    recorded: Operation,
    seen: Seen | None,
) -> None:
    """Write the run's record, where there is no gate to do it."""
    from ..outbox.runs import ClosedChannel, Run, write_run

    held = recorded.held or ""
    problem = start.problem or (seen.failure if seen else "")
    closed = [ClosedChannel("all that the gate would hold", f"it could not: {problem}", None)]
    closed += [ClosedChannel(each.name, each.reason, None) for each in profile.channels.closed]
    run_ = Run(
        held[_ID],
        int(held[_CREATED]),
        profile.name,
        telemetry.version or "",
        (),
        0,
        tuple(closed),
    )
    try:
        write_run(places().state, run_)
    except OSError as error:
        _say(f"what was closed to the program could not be written down: {error.strerror}")


def _say(text: str) -> None:
    # Without stderr, or with nobody who reads it, the program runs all the same.
    with contextlib.suppress(AttributeError, OSError):
        sys.stderr.write(f"cq-telemetry: {printable(text)}\n")
