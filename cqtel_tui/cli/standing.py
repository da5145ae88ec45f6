"""What a bare `cq-telemetry` says: how things stand, and the three commands that come next."""

from __future__ import annotations

from ..actions import status as standing
from ..consent.decision import HOLD, OFF
from ..paths import places
from .output import here_if_any, number, show


def stand() -> int:
    """Print how things stand and what comes next; a failure if the outbox cannot be read."""
    status = standing.look(places(), here_if_any())
    show(f"Telemetry is {standing.WORDS[status.decision.state]}.")
    if status.problem:
        show(status.problem)
    else:
        counts = status.counts
        show(f"{number(counts.pending, 'payload')} pending, {counts.sent:,} sent.")
    for problem in status.problems[:1]:
        show(f"!! {problem.text}")
    show()
    for command, words in next_commands(status):
        show(f"  {command:<32} {words}")
    show()
    show("All commands: cq-telemetry help")
    return 1 if status.problem else 0


def next_commands(status: standing.Status) -> list[tuple[str, str]]:
    """Return the three commands that somebody may want now, each with what it does."""
    look = ("cq-telemetry-ui", "see what would be sent, and decide")
    if status.decision.state == OFF:
        return [
            ("cq-telemetry status", "why it is off, layer by layer"),
            ("cq-telemetry off --discard", "delete what is still here"),
            ("cq-telemetry on", "allow it from now on"),
        ]
    if not status.counts.pending:
        return [
            ("cq-telemetry run -- COMMAND", "run a program, and keep what it reports"),
            ("cq-telemetry sent", "what was sent, with receipts"),
            look if status.decision.state == HOLD else ("cq-telemetry off", "refuse telemetry"),
        ]
    if status.decision.state == HOLD:
        return [
            look,
            ("cq-telemetry off", "refuse: nothing is recorded or sent"),
            ("cq-telemetry on", "allow it from now on"),
        ]
    return [
        look,
        ("cq-telemetry send --all", "send what is pending now"),
        ("cq-telemetry off", "refuse: nothing is recorded or sent"),
    ]
