"""Stay with a program until it has ended: record its operation, and hold what it reports itself.

Its exit code, signals, terminal and streams are as they would be without us (see `process`).
Whatever goes wrong with the recording is told on stderr, and stops nothing.
"""

import os

from ..consent import NO_TELEMETRY
from ..errors import CqtelError
from ..hot_path import Telemetry, folders
from .launcher import prepare, say
from .process import run
from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from ..record import Operation
    from .launcher import Start
    from .listening import Gate, Seen
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


_CREATED = slice(0, 16)
_ID = slice(17, 33)
"""Where in the name of an envelope its time and its id are."""
_INSPECTED_WITHIN_SECONDS = 5.0
"""Who inspects waits for what is to be seen."""
_EXTRA = "pip install 'cqtel-tui[gate]'"


@record(frozen=True)
class Wrapped:
    """How a program ended that was run through here.

    Attributes:
        outcome: how it ended.
        start: how it was started.
        held: the name of the envelope that its operation became; None if it became none.
        seen: what the gate has seen; None where there was none.
        pending: how many of its requests are held.
    """

    outcome: "Outcome"
    start: "Start"
    held: "str | None" = None
    seen: "Seen | None" = None
    pending: int = 0


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
        return _note(start, outcome)
    telemetry = Telemetry(
        invocation.profile.name,
        no_telemetry=NO_TELEMETRY in start.options,
        debug_telemetry="--debug-telemetry" in start.options,
        inspect_telemetry="--inspect-telemetry" in start.options,
    )
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

    def serve(process: int) -> None:
        try:
            _serve(start, gate, process)
        except CqtelError as error:
            gate.close(f"{error}")

    try:
        return runner(start.command, start.environment, executable=start.executable, on_start=serve)
    except BaseException:
        gate.finish()
        raise


def _serve(start: "Start", gate: "Gate", process: int) -> None:
    """Let the gate take over, now that the program has started.

    Raises:
        CqtelError: there is no home folder.
    """
    decision, invocation = start.decision, start.invocation
    config, state, _ = folders(os.environ)
    gate.serve(
        state=state,
        config=config,
        project=os.path.realpath("."),
        named=start.named_folders,
        app=invocation.profile.name if invocation is not None else "",
        version=(_version(start).known if invocation is not None else None) or "",
        upstreams=start.upstreams,
        debug=decision is not None and decision.debug,
        inspect=decision is not None and decision.inspect,
        options=start.options,
        # The words of a script are looked for one by one.
        arguments=[word for one in start.command[1:] for word in (one, *one.split())],
        process=process,
    )


def _note(start: "Start", outcome: "Outcome") -> Wrapped:
    """Tell of what came in of a command that is not known."""
    seen = None
    try:
        seen = None if start.gate is None else start.gate.finish()
    except KeyboardInterrupt:
        pass  # whoever presses Ctrl+C now wants the prompt back
    _tell(seen)
    return Wrapped(outcome, start, None, seen, 0 if seen is None else seen.requests)


def _record(
    start: "Start", outcome: "Outcome", telemetry: Telemetry, recorded: "Operation"
) -> Wrapped:
    gate, decision = start.gate, recorded.decision
    seen: Seen | None = None
    held = 0
    # Whoever presses Ctrl+C now wants the prompt back, and how the program ended is what counts.
    try:
        version = _version(start)
        telemetry.version = version.get(start.environment)
        if gate is not None and decision is not None and decision.inspect:
            seen = gate.finish(seconds=_INSPECTED_WITHIN_SECONDS)
            telemetry.inspected += seen.documents
        recorded.__exit__(None, None, None)
        if gate is not None:
            seen = gate.finish((recorded.held or "")[_ID], telemetry.version or "")
        # Only what is recorded leaves a trace on this machine: inspecting does not.
        if recorded.held is not None:
            version.remember()
            held = 1 + (0 if seen is None else seen.requests)
            if problem := start.problem or (seen.failure if seen else ""):
                _remember(start, telemetry, recorded.held, problem)
    except KeyboardInterrupt:
        pass
    _tell(seen)
    if telemetry.lost:
        say("this operation could not be recorded; cq-telemetry status tells what is wrong")
    if telemetry.inspected and start.open_channels:
        say(f"what {', '.join(start.open_channels)} names was not held back")
    return Wrapped(outcome, start, recorded.held, seen, held)


def _version(start: "Start") -> "Version":
    from ..paths import places
    from .versions import Version, find_binary

    invocation = start.invocation
    assert invocation is not None  # noqa: S101  # an operation is recorded of a known program
    binary = start.executable or find_binary(invocation, start.environment)
    return Version(binary, invocation.profile, places().state)


def _tell(seen: "Seen | None") -> None:
    """Tell in a line each what was refused, and what else is not held."""
    if seen is None:
        return
    if seen.failure or seen.lost:
        reason = seen.failure or f"{seen.lost} requests could not be held"
        say(f"not all that the program reported is held: {reason}")
    if any(seen.refused.values()):
        from .refusals import refused_words

        say(f"not held, as the gate refused it: {refused_words(seen.refused)}")
    if seen.is_protobuf_unread:
        say(f"held as it came: protobuf is read by opentelemetry-proto ({_EXTRA})")


def _remember(start: "Start", telemetry: Telemetry, held: str, problem: str) -> None:
    """Write the run's record, where there is no gate to do it."""
    from ..outbox.runs import ClosedChannel, Run, write_run
    from ..paths import places

    closed = [ClosedChannel("all that the gate would hold", f"it could not: {problem}", None)]
    if start.invocation is not None:
        channels = start.invocation.profile.channels.closed
        closed += [ClosedChannel(one.name, one.reason, None) for one in channels]
    run_ = Run(
        held[_ID],
        int(held[_CREATED]),
        telemetry.application,
        telemetry.version or "",
        (),
        0,
        tuple(closed),
    )
    try:
        write_run(places().state, run_)
    except OSError as error:
        say(f"what was closed to the program could not be written down: {error.strerror}")
