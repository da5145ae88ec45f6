"""What reaches the network of the real CloudQuery, whatever stands before it: seen by strace."""

from __future__ import annotations

import shutil
import sys
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.observing import destinations, strace_problem
from cqtel_tui.outbox.runs import read_runs

from ..cli.machines import Machine, Result, real_cloudquery, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.gate.observing import Destination

OPTIONS = "init --yes --source hackernews --destination postgresql"
PREFIXES = {
    "nothing": "cloudquery {}",
    "env": "env A=1 cloudquery {}",
    "env -i": "env -i HOME=$HOME PATH=$PATH CLOUDQUERY_API_URL=$CLOUDQUERY_API_URL cloudquery {}",
    "env of another mind": "env CQ_TELEMETRY_LEVEL=all CQ_NO_TELEMETRY= cloudquery {}",
    "bash -c": "bash -c 'cloudquery {}'",
    "a script of several commands": "bash -c 'cd . && cloudquery {}; exit $?'",
    "nice": "nice -n 1 cloudquery {}",
    "timeout": "timeout 60 cloudquery {}",
    "nohup": "nohup cloudquery {}",
    "setsid": "setsid -w cloudquery {}",
    "make": "make -s",
    "sh script": "sh ./script",
    "a script": "./script",
    "a link": "./cq {}",
    "a release's name": "./cloudquery_linux_amd64 {}",
    "a copy of another name": "./tool {}",
    "python -m": "python3 -m cloudquery {}",
    "several": "env A=1 nice timeout 60 bash -c 'env B=1 cloudquery {}'",
    "us": "cq-telemetry run -- cloudquery {}",
}
NEEDED = {"make": "make", "setsid": "setsid", "nohup": "nohup"}


class _Api(BaseHTTPRequestHandler):
    """Says no to whatever CloudQuery asks its API."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        pass


@cache
def why_not_seen() -> str:
    return strace_problem()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    program = real_cloudquery()
    if program is None or sys.platform != "linux":
        pytest.skip("the real CloudQuery is not installed")
    if why_not_seen():
        pytest.skip(why_not_seen())
    found = Machine(tmp_path)
    for link in (found.programs / "cloudquery", found.project / "cq"):
        link.symlink_to(program)
    for copy in ("cloudquery_linux_amd64", "tool"):
        shutil.copy2(program, found.project / copy)
    script = found.project / "script"
    script.write_text(f"#!/bin/sh\ntrue\ncloudquery {OPTIONS}\n")
    script.chmod(0o755)
    (found.project / "Makefile").write_text(f"all:\n\t@cloudquery {OPTIONS}\n")
    python = found.programs / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    ours = found.programs / "cq-telemetry"
    words = " ".join(f"'{word}'" for word in map(str, found.command()))
    ours.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    ours.chmod(0o755)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.environment["CLOUDQUERY_API_URL"] = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()


def observed(machine: Machine, prefix: str, *options: str) -> tuple[Result, list[Destination]]:
    """Run CloudQuery behind a prefix, and return where it and all beneath it tried to send to."""
    line = PREFIXES[prefix].replace("{}", OPTIONS)
    if prefix in NEEDED and shutil.which(NEEDED[prefix]) is None:
        pytest.skip(f"{NEEDED[prefix]} is not installed")
    calls = machine.outside / "calls"
    look_on = f"strace -f -qq -yy -s 0 -e trace=network -o {calls}"
    ours = " ".join(f"'{word}'" for word in map(str, machine.command("run", *options)))
    ended = run(
        ["/bin/sh", "-c", f"{look_on} {ours} -- {line}"],
        environment=machine.environment,
        cwd=machine.project,
    )
    with calls.open(encoding="utf-8", errors="replace") as lines:
        return ended, list(destinations(lines))


def api_port(machine: Machine) -> int:
    return int(machine.environment["CLOUDQUERY_API_URL"].rpartition(":")[2])


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_no_looks_no_name_up_and_reaches_nothing_but_what_the_command_asks(
    machine: Machine, prefix: str
) -> None:
    ended, reached = observed(machine, prefix, "--no-telemetry")
    assert ended.code != 0
    assert "401" in ended.said + ended.out.decode(), ended
    assert {one.port for one in reached if one.family != "unix"} == {api_port(machine)}
    assert all(one.is_local and not one.is_lookup for one in reached)
    assert machine.envelopes() == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_undecided_nothing_gets_past_the_gate_and_all_is_held(
    machine: Machine, prefix: str
) -> None:
    ended, reached = observed(machine, prefix)
    assert ended.code != 0
    assert all(one.is_local and not one.is_lookup for one in reached)
    machine.wait_for_gates()
    held = b"".join(path.read_bytes() for path in machine.envelopes())
    assert b"init_started" in held
    assert b"init_completed" in held
    assert read_runs(str(machine.state))
