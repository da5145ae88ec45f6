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
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent import NO_TELEMETRY, OFF, ON, ask
from ..deliver.starting import start_if_due
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
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from ..consent import Decision
    from ..outbox.runs import ClosedChannel
    from ..record import Operation
    from .catching import Run
    from .listening import Caught
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
"""Where in the name of an envelope its time and its id are."""
_FIRST_ENVIRONMENT = Path("/proc/self/environ")
_READ_WITHIN_SECONDS = 0.5
"""With the gate's farewell: nobody waits for us more than a second, whatever the clients did."""
_SERVED_BY = "h11"
_PROTOBUF_IS_READ_BY = "opentelemetry.proto"
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
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    runner: Runner
    executable: str | None = None
    binary: str | None = None
    gate: Gate | None = None
    upstream: str = ""
    problem: str = ""

    def run(self) -> Outcome:
        gate = self.gate
        if gate is None:
            return self.runner(self.command, self.environment, executable=self.executable)
        try:
            return self.runner(
                self.command,
                self.environment,
                executable=self.executable,
                on_start=lambda _: gate.serve(),
            )
        except BaseException:
            gate.finish()
            raise


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
    if decision is None or operation is None or (is_off and not decision.inspect):
        return Wrapped(start.run(), OFF if decision is None else decision.state)
    return replace(_record(start, invocation, operation, options), decision=decision.state)


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


def _is_protobuf(caught: Caught) -> bool:
    return caught.header("content-type").startswith("application/x-protobuf")


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
    ended_at = time.monotonic()
    seen: Seen | None = None
    # Whoever presses Ctrl+C now wants the prompt back, and how the program ended is what counts.
    with contextlib.suppress(KeyboardInterrupt):
        seen = None if start.gate is None else start.gate.finish()
        patience = ended_at + _READ_WITHIN_SECONDS - time.monotonic()
        version = Version(start.binary, invocation.profile, places().state)
        telemetry.version = version.get(start.environment)
        after = _After(start, invocation.profile, telemetry, recorded, seen, patience)
        after.inspect()
        recorded.__exit__(None, None, None)
        # Only what is recorded leaves a trace on this machine: inspecting does not.
        if recorded.held is not None:
            version.remember()
            after.hold()
    if telemetry.lost:
        _say("this operation could not be recorded; cq-telemetry status tells what is wrong")
    return Wrapped(outcome, "", recorded.held, start.gate, seen)


@dataclass(frozen=True, slots=True)
class _After:
    """What is done with what the gate has seen, once the program has ended.

    Attributes:
        start: what was started.
        profile: the program's.
        telemetry: what its operation is recorded by.
        recorded: its operation.
        seen: what the gate has seen; None if there was none.
        patience: for how many seconds what was seen may be read.
    """

    start: _Start
    profile: Profile
    telemetry: Telemetry
    recorded: Operation
    seen: Seen | None
    patience: float

    def inspect(self) -> None:
        """Let what was caught be in the inspection, if that is what is written."""
        decision = self.recorded.decision
        if self.seen is None or decision is None or not decision.inspect:
            return
        from .catching import for_inspection

        run_ = self._run("", decision)
        self.telemetry.inspected += for_inspection(
            self.seen.caught, self.profile.channels, run_, self.patience
        )

    def hold(self) -> None:
        """Hold what was caught, if the answer is still not no; have it sent if it is yes."""
        state = places().state
        decision = ask(places(), self.telemetry.options, directory=self.recorded.project)
        if self.recorded.held is None or decision.state == OFF or decision.inspect:
            return
        names: list[str] = []
        seen = self.seen or Seen()
        if seen.caught:
            from ..outbox.envelope import identity_of
            from .catching import hold_caught

            run_ = self._run(identity_of(self.recorded.held), decision)
            names = hold_caught(
                state, seen.caught, self.profile.channels, run_, patience=self.patience
            )
        lost = seen.lost + len(seen.caught) - len(names)
        if seen.failure or lost:
            reason = seen.failure or f"{lost} requests could not be held"
            _say(f"not all that the program reported is held: {reason}")
        if any(map(_is_protobuf, seen.caught)) and not _is_installed(_PROTOBUF_IS_READ_BY):
            _say(f"held as it came: protobuf is read by opentelemetry-proto ({_EXTRA})")
        self._remember(state, names, lost)
        if names and decision.state == ON:
            start_if_due(state, self.telemetry.options)

    def _run(self, operation: str, decision: Decision) -> Run:
        from .catching import Run

        return Run(
            self.telemetry.application,
            self.telemetry.version or "",
            self.recorded.project,
            operation,
            self.start.upstream,
            decision.debug,
            decision.mark(None),
            tuple(self.start.command[1:]),
            self.profile.operations | self.profile.programs,
        )

    def _remember(self, state: str, names: Sequence[str], lost: int) -> None:
        """Keep which payloads belong together, and what was closed."""
        from ..outbox.envelope import identity_of, read_label
        from ..outbox.runs import Run, write_run

        operation = read_label(self.recorded.held or "")
        if operation is None:
            return
        run_ = Run(
            operation.id,
            operation.created,
            self.profile.name,
            self.telemetry.version or "",
            tuple(map(identity_of, names)),
            lost,
            tuple(self._closed()),
        )
        try:
            write_run(state, run_)
        except OSError as error:
            _say(f"what was closed to the program could not be written down: {error.strerror}")

    def _closed(self) -> Iterator[ClosedChannel]:
        from ..outbox.runs import ClosedChannel

        if problem := self.start.problem or (self.seen.failure if self.seen else ""):
            yield ClosedChannel("all that the gate would hold", f"it could not: {problem}", None)
        attempts = self.seen.closed_attempts if self.seen and not self.seen.failure else None
        for closed in self.profile.channels.closed:
            seen = attempts if closed.counted else None
            yield ClosedChannel(closed.name, closed.reason, seen)


def _say(text: str) -> None:
    # Without stderr, or with nobody who reads it, the program runs all the same.
    with contextlib.suppress(AttributeError, OSError):
        sys.stderr.write(f"cq-telemetry: {printable(text)}\n")
