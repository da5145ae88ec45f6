"""Prove a refusal: run a program under the current decision, and say what it tried to reach."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..gate.listening import HOST, Seen
from ..gate.observing import STRACE, Destination, Observation, observe
from ..gate.wrapper import Wrapped, wrap
from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..gate.process import Outcome

_STDOUT, _STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class Verification:
    """What was seen of one run.

    Attributes:
        wrapped: how the program ended, and what the gate has seen.
        observation: where it tried to send to.
    """

    wrapped: Wrapped
    observation: Observation

    @property
    def is_proof(self) -> bool:
        """Whether it was seen, and seen to try nothing outside of this machine."""
        return self.observation.means == STRACE and not self.observation.outside

    def what(self, destination: Destination) -> str:
        """Say what a destination is."""
        gate = self.wrapped.start.gate
        if gate is not None and destination.address == HOST:
            if destination.port == gate.port:
                return "the gate"
            if gate.blocked_address == f"{HOST}:{destination.port}":
                # Where all of them could be read, none was blocked.
                is_read = self.wrapped.seen is not None and not self.wrapped.seen.blocked_attempts
                return "the gate" if is_read else "a blocked channel"
        if destination.is_local:
            return "this machine"
        return "a name server" if destination.is_lookup else "outside"

    def as_json(self) -> dict[str, Any]:
        """Return it under its stable keys."""
        seen = self.wrapped.seen or Seen()
        return {
            "means": self.observation.means,
            "why_not_seen": self.observation.why or None,
            "decision": self.wrapped.start.state,
            "exit_code": self.wrapped.outcome.shell_status,
            "outside": len(self.observation.outside),
            "destinations": [
                asdict(one) | {"times": times, "what": self.what(one)}
                for one, times in self.observation.destinations.items()
            ],
            "intercepted": seen.requests,
            "blocked_attempts": seen.blocked_attempts,
        }

    def as_lines(self) -> Iterator[str]:
        """Give it in words; what strace wrote is made printable."""
        seen, observation = self.wrapped.seen, self.observation
        yield f"decision   {self.wrapped.start.state}"
        yield f"ended      with {self.wrapped.outcome.shell_status}"
        if observation.means == STRACE:
            yield f"seen by    {STRACE}, which sees every connection attempt"
        else:
            yield f"seen by    the gate only, which sees what comes to it: {observation.why}"
        if seen is not None:
            yield (
                f"gate       {seen.requests:,} requests intercepted, "
                f"{seen.blocked_attempts:,} attempts on blocked channels"
            )
        for one, times in observation.destinations.items():
            yield f"tried      {printable(str(one))}, {times:,} times: {self.what(one)}"
        if self.is_proof:
            yield "It tried to reach nothing outside this machine."
        elif observation.means == STRACE:
            yield "It tried to reach something outside this machine; it may need to."
        else:
            yield "Other connection attempts were not observed."


def verify(command: Sequence[str], options: Sequence[str]) -> Verification:
    """Run a program as `wrapper.wrap` does, and see where it tries to send to.

    What it writes to stdout goes to stderr, so that stdout has the report alone.

    Raises:
        CommandNotFound: the program could not be started.
        ProfileError: the user's own profiles cannot be relied on; the program was not started.
    """
    observations: list[Observation] = []

    def look_on(
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        executable: str | None = None,
        on_start: Callable[[int], None] | None = None,
    ) -> Outcome:
        with _stdout_to_stderr():
            seen = observe(arguments, environment, executable=executable, on_start=on_start)
        observations.append(seen)
        return seen.outcome

    wrapped = wrap(command, options, look_on)
    return Verification(wrapped, observations[0])


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    try:
        stdout = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
    except OSError:  # one of them is closed: there is nothing to keep apart
        yield
        return
    try:
        yield
    finally:
        os.dup2(stdout, _STDOUT)
        os.close(stdout)
