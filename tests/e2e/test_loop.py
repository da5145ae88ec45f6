"""The whole loop, with real programs: record, consent, deliver, report, erase, gone."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.consent.saving import decide_telemetry, save

from ..cli.machines import PATIENCE, Machine, run
from ..collector.served import Command, command
from ..tui.terminal import UI, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..tui.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

OTHERS = 4
"""One more, and there are as many installations as a report may tell of."""

RECORD = """
import sys
from cqtel_tui import Telemetry
operation = sys.argv[1]
with Telemetry("cloudquery", version="6.21.1").operation(operation) as recorded:
    with recorded.span(f"{operation}.aws"):
        pass
"""
ADDRESS_HASH = hashlib.sha1(b"127.0.0.1", usedforsecurity=False).hexdigest()


@pytest.fixture
def collector(scrubbed: Path, tmp_path: Path) -> Iterator[Command]:
    with command(tmp_path / "collector") as running:
        yield running


class Store:
    """What the operator of a collector can ask it for, by the command line."""

    def __init__(self, machine: Machine, home: Path) -> None:
        self._machine = machine
        self._home = {"CQ_TELEMETRY_HOME": str(home)}

    def operations(self) -> dict[str | None, int]:
        """Return how often each operation was reported; nothing if too few installations did."""
        answer = ("collector", "report", "--json")
        found: dict[str, Any] = self._machine.cq(*answer, more=self._home).json
        return {row["operation"]: row["count"] for row in found["operations"]}

    def check(self) -> str:
        return self._machine.cq("collector", "--check", more=self._home).said


def record(machine: Machine, operation: str) -> None:
    """Run a program that records an operation."""
    ended = run(
        [sys.executable, "-P", "-c", RECORD, operation],
        environment=machine.environment,
        cwd=machine.project,
    )
    assert (ended.code, ended.err) == (0, b"")


def delivered(machine: Machine, number: int) -> None:
    """Wait until a sender, which nobody called by hand, has delivered so many in all."""
    deadline = time.monotonic() + PATIENCE
    while len(machine.envelopes("sent")) < number:
        assert time.monotonic() < deadline, machine.cq("status").out.decode()
        time.sleep(0.02)


@contextlib.contextmanager
def drawn(machine: Machine) -> Iterator[Terminal]:
    """Open the UI in a real terminal, as that user in that project, and leave it at the end."""
    given = [f"{name}={value}" for name, value in machine.environment.items()]
    there = ("/bin/sh", "-c", 'cd "$1" && shift && exec env -i "$@"', "sh", str(machine.project))
    with terminal(*there, "TERM=xterm-256color", *given, *UI, size=(110, 44)) as it:
        yield it
        it.type(b"q")
        assert it.end() == 0


def others_report(root: Path, endpoint: str) -> None:
    """Let other installations report, each from a machine of its own."""
    others = []
    for number in range(OTHERS):
        folder = root / f"other-{number}"
        folder.mkdir()
        other = Machine(folder)
        save(str(other.config), {**decide_telemetry("on"), "endpoint": endpoint})
        record(other, "drift")
        others.append(other)
    for other in others:
        delivered(other, 1)


def look_and_consent(machine: Machine, endpoint: str) -> None:
    """Read what the collector says of itself, and then say yes, but not to what is held."""
    with drawn(machine) as it:
        it.shows("UNDECIDED", "fetch")
        it.type(b"6")
        it.shows(f"a asks {endpoint}")
        it.type(b"a")
        it.shows("software   cqtel", "An unsalted SHA-1", f"cloudquery.ip_sha1 = {ADDRESS_HASH}")
        it.type(b"t")
        it.shows("Send telemetry of cloudquery")
        it.type(b"o")
        it.shows("1 payload was already pending")
        it.type(b"y")
        it.shows("Telemetry of cloudquery is on: ")


def read_and_erase(machine: Machine, cookie: str) -> None:
    """Read what the collector has of this cookie, and have it erased."""
    with drawn(machine) as it:
        it.shows("ON")
        it.type(b"5")
        it.shows(cookie)
        it.type(b"m")
        it.shows("sees your network address")
        it.type(b"y")
        it.shows("The collector's data about you: 1 operation", "name drift.aws")
        it.type(b"\x1b")
        it.until(lambda: "What the collector has of you" not in it.text, "the way back")
        it.type(b"e")
        it.shows("Have the collector erase all data under this installation ID?")
        it.type(b"y")
        it.shows("Erased at")


def test_record_consent_deliver_report_erase_gone(tmp_path: Path, collector: Command) -> None:
    endpoint = f"{collector.url}/v1/traces"
    others_report(tmp_path, endpoint)
    machine = Machine(tmp_path)
    store = Store(machine, tmp_path / "collector")
    assert machine.cq("endpoint", endpoint).code == 0
    record(machine, "fetch")
    assert len(machine.envelopes()) == 1, "what nobody has decided about is held"
    assert store.operations() == {}, "nothing is told of so few"

    look_and_consent(machine, endpoint)
    record(machine, "drift")
    delivered(machine, 1)
    assert store.operations() == {"drift": OTHERS + 1}
    assert len(machine.envelopes()) == 1, "a yes does not cover what was held before it"

    cookie = (machine.project / ".cq" / "telemetry-cookie").read_text().strip()
    [mine] = machine.cq("mine", "--json").json["operations"]
    assert [span["name"] for span in mine["spans"]] == ["drift", "drift.aws"]
    assert mine["cloudquery.ip_sha1"] == ADDRESS_HASH
    read_and_erase(machine, cookie)

    assert store.operations() == {}, "one less is too few again"
    assert machine.cq("mine", "--json").json["operations"] == []
    record(machine, "drift")
    delivered(machine, 2)
    assert store.operations() == {}, "what comes of an erased cookie later is dropped"
    assert machine.cq("mine", "--json").json["operations"] == []
    assert collector.stop() == 0
    assert store.check().endswith("is whole\n")
