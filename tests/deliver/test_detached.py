from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.files import locked
from cqtel_tui.outbox.store import SENT

from .collectors import PATIENCE, QUICK, reply
from .conftest import ended

if TYPE_CHECKING:
    from .collectors import Collector
    from .conftest import Machine

# What a command does that records its operations.
RECORD = """
from cqtel_tui import Telemetry
with Telemetry("cloudquery", version="0.20.0").operation("fetch") as operation:
    with operation.span("fetch.aws") as span:
        span.set("process.exit.code", 3)
print(operation.held)
"""


def wait_for_the_sender(machine: Machine) -> None:
    """Wait until no sender runs: whoever holds the lock is one."""
    with locked(machine.outbox.folder / "sender.lock"):
        pass


def test_what_a_command_records_arrives_by_itself(ready: Machine, collector: Collector) -> None:
    held = ended(ready.python("-c", RECORD)).strip()
    collector.wait_for_request()
    wait_for_the_sender(ready)
    [label] = ready.labels(SENT)
    assert label.file_name == held
    assert collector.bodies == [ready.outbox.open(SENT, label).payload]
    assert dict(collector.requests[0].headers) == {
        "Host": f"127.0.0.1:{collector.port}",
        "Content-Length": str(label.size),
        "Content-Type": "application/json",
        "User-Agent": "cqtel",
    }
    assert b'"fetch.aws"' in collector.bodies[0]


def test_a_command_never_waits_for_a_collector_that_hangs(
    ready: Machine, collector: Collector
) -> None:
    collector.always = collector.hang
    # Its output is read to the end: whoever inherited the pipe would hold it, too.
    ended(ready.python("-c", RECORD))
    collector.wait_for_request()
    assert not collector.released.is_set()
    assert len(ready.pending) == 1
    ended(ready.python("-c", RECORD))
    assert len(ready.pending) == 2
    collector.released.set()
    wait_for_the_sender(ready)


def test_nothing_is_started_without_a_yes(machine: Machine, collector: Collector) -> None:
    machine.choose(endpoint=collector.url)
    ended(machine.python("-c", RECORD))
    assert len(machine.pending) == 1
    assert not (machine.outbox.folder / "sender-called").exists()
    assert collector.connections == 0


def test_a_detached_sender_says_nothing_and_succeeds_whatever_becomes_of_it(
    ready: Machine, collector: Collector
) -> None:
    collector.replies.extend([reply(400, b"\x1b[31mno"), reply(503)])
    for _ in range(3):
        ready.hold()
    assert ended(ready.start()) == ""
    assert (len(ready.rejected), len(ready.pending)) == (1, 2)


def test_a_detached_sender_knows_the_options_of_the_command(
    ready: Machine, collector: Collector
) -> None:
    ready.hold()
    assert ended(ready.start("--no-telemetry", "--whatever")) == ""
    assert collector.connections == 0


def test_a_detached_sender_imports_nothing_from_the_folder_it_stands_in(
    ready: Machine, collector: Collector
) -> None:
    for name in ("json.py", "httpx.py", "sitecustomize.py", "cqtel_tui.py"):
        (ready.project / name).write_text("raise SystemExit('the project ran code')")
    ready.hold()
    assert ended(ready.start()) == ""
    assert len(collector.requests) == 1


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="its folder is seen in /proc")
def test_a_detached_sender_holds_nobodys_folder_while_it_works(
    ready: Machine, collector: Collector
) -> None:
    collector.always = collector.hang
    ready.hold()
    process = ready.start()
    collector.wait_for_request()
    assert Path(f"/proc/{process.pid}/cwd").readlink() == Path("/")
    collector.released.set()
    assert ended(process) == ""


def test_a_detached_sender_ends_though_what_it_waits_for_never_comes(ready: Machine) -> None:
    ready.hold()
    program = "from cqtel_tui.deliver.__main__ import main; main([], longest=0.5)"
    with locked(ready.outbox.folder / "sender.lock"):
        began = time.monotonic()
        process = ready.python("-c", program)
        process.communicate(timeout=PATIENCE)
        assert time.monotonic() - began < PATIENCE
    assert process.returncode == 1
    assert len(ready.pending) == 1


def test_a_detached_sender_that_was_ended_holds_up_nobody(
    ready: Machine, collector: Collector
) -> None:
    collector.always = collector.hang
    ready.hold()
    # The time is up when the request has arrived.
    up = ready.home / "up"
    program = (
        "import os, threading, time\n"
        "from cqtel_tui.deliver.__main__ import main\n"
        "class Timer(threading.Thread):\n"
        "    def __init__(self, seconds, function, arguments):\n"
        "        super().__init__(daemon=True)\n"
        "        self.end = lambda: function(*arguments)\n"
        "    def run(self):\n"
        f"        while not os.path.exists({str(up)!r}): time.sleep(0.01)\n"
        "        self.end()\n"
        "threading.Timer = Timer\n"
        "main([])\n"
    )
    process = ready.python("-c", program)
    collector.wait_for_request()
    up.touch()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert len(ready.pending) == 1
    collector.always = QUICK
    other = ready.hold()
    assert ended(ready.start()) == ""
    assert ready.sent == [other]
    assert ready.in_doubt() == ready.pending
