"""Stay with a program until it has ended, and record its operation; the gate holds what it reports.

Its exit code, signals, terminal and streams are as they would be without us (see `process`).
Whatever goes wrong with the recording is told on stderr, and stops nothing.
"""

import os

from ..consent.decision import NO_TELEMETRY
from ..folders import folders
from ..outbox import field_of
from ..record.telemetry import Telemetry
from .launcher import prepare, say
from .process import run
from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from ..record.telemetry import Operation
    from .launcher import Start
    from .listening import Seen
    from .process import Outcome
    from .versions import Version

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


_INSPECTED_WITHIN_SECONDS = 5.0
"""Who inspects waits for what is to be seen."""


@record(frozen=True)
class Wrapped:
    """How a program ended that was run through here.

    Attributes:
        outcome: how it ended.
        start: how it was started.
        held: the name of the envelope that its operation became; None if it became none.
        seen: what the gate has seen; None where there was none.
    """

    outcome: "Outcome"
    start: "Start"
    held: "str | None" = None
    seen: "Seen | None" = None

    @property
    def pending(self) -> int:
        """How many payloads it left so far."""
        return (self.held is not None) + (0 if self.seen is None else self.seen.requests)


def wrap(
    command: "Sequence[str]", options: "Sequence[str]", runner: "Runner | None" = None
) -> Wrapped:
    """Run `command`, and return how it ended.

    Args:
        command: the program and its arguments.
        options: the telemetry options that were given to us.
        runner: what runs it.

    Raises:
        CommandNotFound: the program could not be started.
        ProfileError: the user's own profiles cannot be relied on; the program was not started.
        EndlessError: it would start itself without end.
    """
    start = prepare(command, options)
    for note in start.notes:
        say(note)
    return stay(start, run if runner is None else runner)


def stay(start: "Start", runner: "Runner") -> Wrapped:
    """Run what was decided about, and record it.

    Raises:
        CommandNotFound: the program could not be started.
    """
    invocation, operation = start.invocation, start.operation
    if not start.is_recorded or invocation is None or operation is None:
        outcome = _run(start, runner)
        return _finish(start, outcome)
    telemetry = Telemetry(
        invocation.profile.name,
        no_telemetry=NO_TELEMETRY in start.options,
        debug_telemetry="--debug-telemetry" in start.options,
        inspect_telemetry="--inspect-telemetry" in start.options,
    )
    telemetry.named = start.named_folders
    telemetry.left_open = start.open_channels
    recorded = telemetry.operation(operation)
    # Not `with`: a program that could not be started is no operation, and is forgotten.
    recorded.__enter__()
    outcome = _run(start, runner)
    ended = telemetry.stopwatch()
    telemetry.stopwatch = lambda: ended  # what we do from here on is not the program's time
    recorded.exit(outcome.shell_status)
    return _record(start, outcome, telemetry, recorded)


def _run(start: "Start", runner: "Runner") -> "Outcome":
    gate = start.gate
    if gate is None:
        return runner(start.command, start.environment, executable=start.executable)
    try:
        return runner(
            start.command,
            start.environment,
            executable=start.executable,
            on_start=lambda process: _serve(start, process),
        )
    except BaseException:
        gate.finish()
        raise


def _serve(start: "Start", process: int) -> None:
    """Let the gate take over, now that the program has started."""
    gate, decision = start.gate, start.decision
    assert gate is not None  # noqa: S101  # or nobody would have asked
    assert decision is not None  # noqa: S101  # or nothing would be held
    config, state, _ = folders(os.environ)
    gate.serve(
        state=state,
        config=config,
        process=process,
        project=_project(),
        named=start.named_folders,
        app=start.invocation.profile.name if start.invocation is not None else "",
        version=_known_version(start),
        upstreams=start.upstreams,
        debug=[name for name, one in start.decisions.items() if name and one.debug],
        consent={name: one.mark(None) for name, one in start.decisions.items() if name},
        inspect=decision.inspect,
        options=start.options,
        arguments=_words(start.command[1:]),
    )


def _words(arguments: "Sequence[str]") -> "list[str]":
    """Return the arguments, and those of a script one by one."""
    return list(dict.fromkeys([word for one in arguments for word in (one, *one.split())]))


def _project() -> str:
    try:
        return os.path.realpath(os.getcwd())  # noqa: PTH109  # as `record` has it
    except OSError:
        return ""


def _finish(start: "Start", outcome: "Outcome") -> Wrapped:
    """Tell the gate that a command has ended of which no operation is recorded."""
    seen: Seen | None = None
    try:
        if start.gate is not None:
            decision = start.decision
            if decision is not None and decision.inspect:
                seen = start.gate.finish(seconds=_INSPECTED_WITHIN_SECONDS)
            else:
                seen = start.gate.finish()
            if seen.documents:
                from ..record.inspection import inspect

                inspect(seen.documents, _project(), start.open_channels)
            _tell(seen)
    except KeyboardInterrupt:
        pass  # whoever presses Ctrl+C now wants the prompt back
    return Wrapped(outcome, start, None, seen)


def _record(
    start: "Start", outcome: "Outcome", telemetry: Telemetry, recorded: "Operation"
) -> Wrapped:
    seen: Seen | None = None
    # Whoever presses Ctrl+C now wants the prompt back, and how the program ended is what counts.
    try:
        version = _version(start)
        telemetry.version = version.get(start.environment)
        telemetry.build_date = version.build_date or None
        decision = recorded.decision
        if start.gate is not None and decision is not None and decision.inspect:
            seen = start.gate.finish(seconds=_INSPECTED_WITHIN_SECONDS)
            telemetry.inspected += seen.documents
        recorded.__exit__(None, None, None)
        if start.gate is not None:
            held = field_of(recorded.held or "", "id")
            seen = start.gate.finish(held, telemetry.version or "")
            _tell(seen)
        # Only what is recorded leaves a trace on this machine: inspecting does not.
        if recorded.held is not None:
            version.remember()
            if start.problem or (seen is not None and seen.failure):
                _remember_that_nothing_was_held(start, telemetry, recorded.held, seen)
    except KeyboardInterrupt:
        pass
    if telemetry.lost:
        say("this operation could not be recorded; cq-telemetry status says why")
    return Wrapped(outcome, start, recorded.held, seen)


def _version(start: "Start") -> "Version":
    from .versions import Version, find_binary

    invocation = start.invocation
    assert invocation is not None  # noqa: S101  # an operation is recorded of a known program
    binary = start.executable or find_binary(invocation, start.environment)
    return Version(binary, invocation.profile, folders(os.environ)[1], project=_project())


def _known_version(start: "Start") -> str:
    if start.invocation is None:
        return ""
    return _version(start).known(start.environment) or ""


def _tell(seen: "Seen") -> None:
    """Tell in a line each what was refused, and what else is not held."""
    if seen.failure or seen.lost:
        reason = seen.failure or f"{seen.lost} requests could not be stored"
        say(f"not all that the program reported was intercepted: {reason}")
    if any(seen.refused.values()):
        from .refusals import refused_words

        say(f"refused by the gate: {refused_words(seen.refused)}")
    if seen.is_protobuf_unread:
        from ..extras import how_to_install

        missing = "opentelemetry-proto is needed to read protobuf"
        say(f"intercepted unread: {missing} ({how_to_install('gate')})")


def _remember_that_nothing_was_held(
    start: "Start", telemetry: Telemetry, held: str, seen: "Seen | None"
) -> None:
    """Write the run's record, where there is no gate to do it."""
    from ..outbox.envelope import read_label
    from ..outbox.runs import BlockedChannel, Run, write_run

    problem = start.problem or (seen.failure if seen else "")
    known = () if start.invocation is None else start.invocation.profile.channels.blocked
    blocked = [
        BlockedChannel("all that the gate would intercept", f"it could not: {problem}", None)
    ]
    blocked += [BlockedChannel(one.name, one.reason, None) for one in known]
    operation = read_label(held)
    if operation is None:
        return
    run_ = Run(
        operation.id,
        operation.created,
        telemetry.application,
        telemetry.version or "",
        (),
        0,
        tuple(blocked),
    )
    try:
        write_run(folders(os.environ)[1], run_)
    except OSError as error:
        say(f"what was blocked could not be recorded: {error.strerror}")
