"""Stay with a program until it has ended: record its operation, and hold what it reports itself.

Its exit code, signals, terminal and streams are as they would be without us (see `process`).
Whatever goes wrong with the recording is told on stderr, and stops nothing.
"""

import time

from ..consent import NO_TELEMETRY, OFF, ON, ask
from ..hot_path import Telemetry
from .launcher import prepare, say
from .process import run
from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from ..consent import Decision
    from ..outbox.runs import ClosedChannel
    from ..record import Operation
    from .catching import Run
    from .launcher import Start
    from .listening import Caught, Seen
    from .process import Outcome
    from .profiles import Profile
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


_READ_WITHIN_SECONDS = 0.5
"""With the gate's farewell: nobody waits for us more than a second, whatever the clients did."""
_PROTOBUF_IS_READ_BY = "opentelemetry.proto"
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
    try:
        return runner(
            start.command,
            start.environment,
            executable=start.executable,
            on_start=lambda _: gate.serve(),
        )
    except BaseException:
        gate.finish()
        raise


def _note(start: "Start", outcome: "Outcome") -> Wrapped:
    """Hold what came in of a command that is not known."""
    seen, held = None, 0
    try:
        seen = None if start.gate is None else start.gate.finish()
        if seen is not None and seen.caught:
            held = _After(start, None, None, seen, _READ_WITHIN_SECONDS).hold_unnamed()
    except KeyboardInterrupt:
        pass  # whoever presses Ctrl+C now wants the prompt back
    return Wrapped(outcome, start, None, seen, held)


def _record(
    start: "Start", outcome: "Outcome", telemetry: Telemetry, recorded: "Operation"
) -> Wrapped:
    ended_at = time.monotonic()
    seen: Seen | None = None
    held = 0
    # Whoever presses Ctrl+C now wants the prompt back, and how the program ended is what counts.
    try:
        seen = None if start.gate is None else start.gate.finish()
        patience = ended_at + _READ_WITHIN_SECONDS - time.monotonic()
        version = _version(start)
        telemetry.version = version.get(start.environment)
        after = _After(start, telemetry, recorded, seen, patience)
        after.inspect()
        recorded.__exit__(None, None, None)
        # Only what is recorded leaves a trace on this machine: inspecting does not.
        if recorded.held is not None:
            version.remember()
            held = after.hold() + 1
    except KeyboardInterrupt:
        pass
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


@record(frozen=True)
class _After:
    """What is done with what the gate has seen, once the program has ended.

    Attributes:
        start: what was started.
        telemetry: what its operation is recorded by; None where none is.
        recorded: its operation.
        seen: what the gate has seen; None if there was none.
        patience: for how many seconds what was seen may be read.
    """

    start: "Start"
    telemetry: "Telemetry | None"
    recorded: "Operation | None"
    seen: "Seen | None"
    patience: float

    def inspect(self) -> None:
        """Let what was caught be in the inspection, if that is what is written."""
        decision = self.start.decision
        if self.seen is None or self.telemetry is None or decision is None or not decision.inspect:
            return
        from .catching import for_inspection

        for name, caught in self._by_profile():
            self.telemetry.inspected += for_inspection(
                caught, self._profile(name).channels, self._run(name, "", decision), self.patience
            )

    def hold_unnamed(self) -> int:
        """Hold what came in of a command that is not known; return how many are held."""
        from ..paths import places

        decision = ask(places(), self.start.options, named=self.start.named_folders)
        if decision.state == OFF or decision.inspect:
            return 0
        return len(self._hold(places().state, "", decision))

    def hold(self) -> int:
        """Hold what was caught, if the answer is still not no; return how many are held."""
        from ..paths import places

        recorded = self.recorded
        assert recorded is not None  # noqa: S101  # an operation was recorded
        start = self.start
        decision = ask(places(), start.options, None, recorded.project, start.named_folders)
        if recorded.held is None or decision.state == OFF or decision.inspect:
            return 0
        from ..outbox.envelope import identity_of

        names = self._hold(places().state, identity_of(recorded.held), decision)
        self._remember(places().state, names)
        return len(names)

    def _hold(self, state: str, operation: str, decision: "Decision") -> "list[str]":
        names: list[str] = []
        for name, caught in self._by_profile():
            from .catching import hold_caught

            run_ = self._run(name, operation, decision)
            channels = self._profile(name).channels
            names += hold_caught(state, caught, channels, run_, patience=self.patience)
        lost = self._lost(names)
        if self.seen is not None and (self.seen.failure or lost):
            reason = self.seen.failure or f"{lost} requests could not be held"
            say(f"not all that the program reported is held: {reason}")
        self._tell_of_protobuf()
        if names and decision.state == ON:
            from ..deliver.starting import start_if_due

            start_if_due(state, self.start.options)
        return names

    def _tell_of_protobuf(self) -> None:
        if self.seen is None or not any([_is_protobuf(one) for one in self.seen.caught]):
            return
        from importlib.util import find_spec

        try:
            is_read = find_spec(_PROTOBUF_IS_READ_BY) is not None
        except ModuleNotFoundError:  # not even the package around it
            is_read = False
        if not is_read:
            say(f"held as it came: protobuf is read by opentelemetry-proto ({_EXTRA})")

    def _lost(self, names: "Sequence[str]") -> int:
        return 0 if self.seen is None else self.seen.lost + len(self.seen.caught) - len(names)

    def _by_profile(self) -> "list[tuple[str, list[Caught]]]":
        caught = [] if self.seen is None else self.seen.caught
        names = dict.fromkeys([one.profile for one in caught])
        return [(name, [one for one in caught if one.profile == name]) for name in names]

    def _profile(self, name: str) -> "Profile":
        return next(one for one in self.start.profiles if one.name == name)

    def _run(self, name: str, operation: str, decision: "Decision") -> "Run":
        import os

        from .catching import Run

        profile = self._profile(name)
        is_its_own = self.telemetry is not None and self.telemetry.application == name
        return Run(
            name,
            (self.telemetry.version if is_its_own and self.telemetry else None) or "",
            self.recorded.project if self.recorded is not None else os.path.realpath("."),
            operation,
            self.start.upstreams.get(name, ""),
            decision.debug,
            decision.mark(None),
            # The words of a script are looked for one by one.
            tuple([word for one in self.start.command[1:] for word in (one, *one.split())]),
            profile.operations | profile.programs,
        )

    def _remember(self, state: str, names: "Sequence[str]") -> None:
        """Keep which payloads belong together, and what was closed."""
        from ..outbox.envelope import identity_of, read_label
        from ..outbox.runs import Run, write_run

        operation = read_label((self.recorded.held if self.recorded is not None else None) or "")
        telemetry = self.telemetry
        assert telemetry is not None  # noqa: S101  # an operation was recorded
        if operation is None:
            return
        run_ = Run(
            operation.id,
            operation.created,
            telemetry.application,
            telemetry.version or "",
            tuple([identity_of(name) for name in names]),
            self._lost(names),
            tuple(self._closed()),
        )
        try:
            write_run(state, run_)
        except OSError as error:
            say(f"what was closed to the program could not be written down: {error.strerror}")

    def _closed(self) -> "Iterator[ClosedChannel]":
        from ..outbox.runs import ClosedChannel

        if problem := self.start.problem or (self.seen.failure if self.seen else ""):
            yield ClosedChannel("all that the gate would hold", f"it could not: {problem}", None)
        attempts = self.seen.closed_attempts if self.seen and not self.seen.failure else None
        invocation = self.start.invocation
        for closed in () if invocation is None else invocation.profile.channels.closed:
            yield ClosedChannel(closed.name, closed.reason, attempts if closed.counted else None)


def _is_protobuf(caught: "Caught") -> bool:
    return caught.header("content-type").startswith("application/x-protobuf")
