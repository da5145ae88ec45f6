"""Kill gates at all moments, and print what became of what they had acknowledged.

    python killing.py STATE TIMES

A process of its own, since it forks: all that a gate imports is there already, so that each of
them serves within milliseconds, and a hundred are killed in a few seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from cqtel_tui.gate import listening, recovering, serving
from cqtel_tui.gate.holding import read_original
from cqtel_tui.gate.redactor import Redactor
from cqtel_tui.outbox.runs import has_leftovers, read_runs
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

_LONGEST_SECONDS = 0.06
_PATIENCE_SECONDS = 30.0


def forked_instead_of_spawned(
    control: socket.socket, listener: socket.socket, blocked_port: socket.socket
) -> None:
    """Start a gate's process by fork."""
    handles = [each.fileno() for each in (control, listener, blocked_port)]
    if (process := os.fork()) == 0:
        try:
            os.setsid()
            serving.serve(*(socket.socket(fileno=os.dup(one)) for one in handles))
        finally:
            os._exit(0)
    GATES.append(process)


GATES: list[int] = []


def children_of(process: int) -> list[int]:
    """Return the children of a process, on Linux."""
    with contextlib.suppress(OSError):
        return [
            int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    return []


def post_until_killed(url: str, number: int, until: float, kill: str) -> list[bytes]:
    """Send requests, let somebody die when a moment comes, and return what was acknowledged."""
    to = urlsplit(url)
    acknowledged = []
    with contextlib.suppress(OSError), socket.socket() as client:
        client.settimeout(_PATIENCE_SECONDS)
        client.connect((to.hostname, to.port))
        for at in range(1000):
            if time.monotonic() >= until:
                kill_some(kill)
                until = float("inf")
                if kill != "redaction":
                    at = -at - 1  # noqa: PLW2901  # one more, to see what is answered now
            body = json.dumps({"batch": [{"type": "track", "event": f"e{number}n{at}"}]}).encode()
            head = (
                f"POST {to.path}/v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            client.sendall(head.encode() + body)
            if not client.recv(4096).startswith(b"HTTP/1.1 200"):
                break
            acknowledged.append(body)
            if at < 0 or (until == float("inf") and at % 5 == 0):
                break
    return acknowledged


def kill_some(kill: str) -> None:
    """Kill the last gate, its child, or both."""
    gate = GATES[-1]
    victims = {"gate": [gate], "redaction": children_of(gate)}.get(kill, [*children_of(gate), gate])
    for one in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def finish() -> None:
    """Let all gates end that are still there, and take in what is left."""
    for gate in GATES:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(gate, 0)
    GATES.clear()


def main(state: str, times: int) -> None:
    """Kill so many gates, and print what was found as JSON."""
    listening._start = forked_instead_of_spawned  # type: ignore[assignment]
    assert Redactor is not None  # loaded now, with all that it imports
    chance = random.Random(7)  # noqa: S311  # the same moments each time
    acknowledged: list[bytes] = []
    for number in range(times):
        gate = listening.Gate()
        url = gate.url_for("cloudquery")
        gate.serve(state=state, project=state, app="cloudquery", process=os.getpid())
        kill = ("gate", "both", "redaction", "gate")[number % 4]
        moment = time.monotonic() + chance.random() * _LONGEST_SECONDS * (number % 10) / 10
        acknowledged += post_until_killed(url, number, moment, kill)
        gate.finish(seconds=0.01)
        finish()
    until = time.monotonic() + _PATIENCE_SECONDS
    while has_leftovers(state) and time.monotonic() < until:  # a child may be at work on the last
        recovering.recover(state)
        time.sleep(0.01)
    outbox = Outbox(state)
    held = [outbox.open(PENDING, label) for label in outbox.labels(PENDING)]
    bodies = [read_original(each.intercepted).body for each in held]
    linked = {identity for run in read_runs(state) for identity in run.intercepted}
    found = {
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(bodies)),
        "twice": len(bodies) - len(set(bodies)),
        "unlinked": len({each.id for each in held} - linked),
        "unread": sum(each.kind == "unredacted" for each in held),
        "left": has_leftovers(state),
        "whole": all(outbox.open(PENDING, label).is_sealed for label in outbox.labels(PENDING)),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
