"""Nothing is lost or sent twice in silence: full disks, wrong clocks, altered files, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ...cli.machines import PATIENCE, started
from ...deliver.collectors import reply
from .installing import OPERATION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...deliver.collectors import Collector
    from ...disks import Disk
    from .installing import Installed

YEAR = 365 * 86400


def eventually(happens: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


# Full disks --------------------------------------------------------------------------------------


def test_on_a_full_disk_nothing_is_posted_and_with_room_it_is_posted_once(
    machine: Installed, upstream: Collector, disk: Disk
) -> None:
    machine.environment["CQ_TELEMETRY_HOME"] = str(disk.folder / "home")
    machine.cq("on")
    machine.record()
    machine.cq("endpoint", upstream.url)
    disk.fill()
    for _ in range(3):
        ended = machine.cq("send", "--all")
        assert ended.code != 0
        assert "nothing was sent" in ended.said
        assert "No space left on device" in ended.said
    assert upstream.connections == 0
    disk.make_room()
    assert machine.cq("send", "--all").code == 0
    machine.cq("send", "--all")
    assert len(upstream.requests) == 1
    [sent] = machine.cq("sent", "--json").json
    assert sent["receipt"]["status"] == 200


def test_the_status_knows_of_a_loss_that_was_announced(machine: Installed, disk: Disk) -> None:
    machine.environment["CQ_TELEMETRY_HOME"] = str(disk.folder / "home")
    machine.answering("cloudquery", "exit 3")
    disk.fill()
    ended = machine.cq("run", "--", "cloudquery", "sync")
    assert ended.code == 3
    assert "could not be recorded" in ended.said
    problems = [line for line in machine.cq("status").lines if line.startswith("problem")]
    assert any("full" in line for line in problems), problems
    assert any("could not be recorded" in line for line in problems), problems


# Clocks ------------------------------------------------------------------------------------------


def test_a_yes_from_a_clock_that_was_ahead_begins_now(
    machine: Installed, upstream: Collector
) -> None:
    machine.cq("on")
    machine.cq("endpoint", upstream.url)
    choices = machine.config / "choices.json"
    saved = json.loads(choices.read_text())
    saved["programs"]["cloudquery"]["all"]["consented"] += YEAR * 10**9
    choices.write_text(json.dumps(saved))
    machine.record()
    assert upstream.arrived.acquire(timeout=PATIENCE)


def test_a_pause_until_a_day_that_is_far_away_is_not_kept(
    machine: Installed, upstream: Collector
) -> None:
    machine.cq("on")
    machine.cq("endpoint", upstream.url)
    pause = machine.outbox / "retry-at"
    pause.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    pause.write_text("x")
    os.utime(pause, (time.time() + YEAR, time.time() + YEAR))
    machine.record()
    assert upstream.arrived.acquire(timeout=PATIENCE)


# Senders and endpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize("has_libraries", [True, False])
def test_a_copy_of_the_package_delivers_or_the_status_says_that_it_cannot(
    machine: Installed, upstream: Collector, has_libraries: bool
) -> None:
    machine.cq("on")
    machine.cq("endpoint", upstream.url)
    [packages] = machine.commands.parent.glob("lib/*/site-packages")
    vendored = machine.outside / "vendored"
    machine.sh(f"mkdir '{vendored}' && cp -r '{packages}/cqtel_tui' '{vendored}'")
    seen = [str(vendored)]
    if has_libraries:
        seen += (packages / "libraries.pth").read_text().splitlines()
    # A Python that has nothing installed: -S leaves out its own folder of libraries as well.
    source = f"import sys\nsys.path[:0] = {seen!r}\n{OPERATION}"
    interpreter = os.path.realpath(sys.executable)
    done = subprocess.run(
        [interpreter, "-S", "-c", source],
        env=machine.environment,
        cwd=machine.project,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if has_libraries:
        assert upstream.arrived.acquire(timeout=PATIENCE)
        return
    eventually(lambda: machine.status("problem"))
    assert "payloads are not sent by themselves" in machine.status("problem")
    assert upstream.connections == 0


def test_a_base_url_gets_the_path_of_traces_and_is_told(
    machine: Installed, upstream: Collector
) -> None:
    machine.cq("on")
    ended = machine.cq("endpoint", upstream.url.removesuffix("/v1/traces"))
    assert ended.code == 0
    assert upstream.url in ended.said
    machine.record()
    assert upstream.arrived.acquire(timeout=PATIENCE)
    assert upstream.requests[0].line == "POST /v1/traces HTTP/1.1"


def test_a_path_that_is_not_there_is_told_in_the_status(
    machine: Installed, upstream: Collector
) -> None:
    upstream.always = reply(404)
    machine.cq("on")
    machine.cq("endpoint", upstream.url)
    machine.record()
    assert upstream.arrived.acquire(timeout=PATIENCE)
    eventually(lambda: "1 rejected" in machine.status("payloads"))
    assert any("404" in line for line in machine.cq("status").lines)


# Altered envelopes -------------------------------------------------------------------------------


def altered(envelope: Path, change: Callable[[dict[str, object]], object]) -> None:
    head, _, payload = envelope.read_bytes().partition(b"\n")
    header = json.loads(head)
    change(header)
    text = json.dumps(header, separators=(",", ":")).replace('"1e999"', "1e999")
    envelope.write_bytes(text.encode() + b"\n" + payload)


ALTERATIONS: dict[str, Callable[[dict[str, object]], object]] = {
    "a length without end": lambda header: header.update(length="1e999"),
    "another id": lambda header: header.update(id="0123456789abcdef"),
    "another time": lambda header: header.update(created=int(str(header["created"])) + 1),
    "another project": lambda header: header.update(project="0" * 16),
    "another target": lambda header: header.update(
        origin="gate", target="http://127.0.0.1:9/v1/traces"
    ),
    "another program": lambda header: header.update(app={"name": "other", "version": "1.0.0"}),
    "more headers": lambda header: header.update(headers={"X-Mine": "1"}),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_envelope_is_set_aside_and_stops_no_other(
    machine: Installed, upstream: Collector, alteration: str
) -> None:
    machine.record()
    [first] = machine.envelopes()
    altered(first, ALTERATIONS[alteration])
    machine.record()
    [other] = [path for path in machine.envelopes() if path != first]
    payload = other.read_bytes().partition(b"\n")[2]
    machine.cq("on", "--include-held")
    machine.cq("endpoint", upstream.url)
    machine.cq("send", "--all")
    assert [one.body for one in upstream.requests] == [payload]
    assert "1 set aside" in machine.status("payloads")
    assert machine.cq("pending").code == 0


# What a program reports --------------------------------------------------------------------------

POST = 'post(os.environ["CQ_RUDDERSTACK_DATA_PLANE_URL"] + "/v1/batch", {body})'
VERSION = 'if sys.argv[1:] == ["--version"]: sys.exit(print("cloudquery version 6.21.1"))\n'


@pytest.mark.skipif(sys.platform == "win32", reason="setsid is a Unix thing")
def test_what_comes_after_the_programs_own_end_is_held(machine: Installed) -> None:
    result = machine.outside / "flushed"
    machine.posting(
        "cloudquery",
        VERSION
        + "first = os.getpid()\nif os.fork(): sys.exit()\n"
        "import time\nos.setsid()\nwhile os.getppid() == first: time.sleep(0.01)\n"
        "null = os.open(os.devnull, os.O_RDWR)\nfor at in range(3): os.dup2(null, at)\n"
        f"""print({POST.format(body="b'{{}}'")}, file=open({str(result)!r}, "w"))""".replace(
            "{{}}", '{"batch":[]}'
        ),
    )
    assert machine.cq("run", "--", "cloudquery", "sync").code == 0
    eventually(lambda: result.exists() and result.read_text())
    machine.wait_for_gates()
    assert result.read_text().strip() == "200"
    assert len(machine.intercepted()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="nobody can be killed like that there")
def test_what_was_acknowledged_outlives_a_kill_of_ours(machine: Installed) -> None:
    machine.posting(
        "cloudquery",
        VERSION
        + "print("
        + POST.format(body="b'{\"batch\":[]}'")
        + ", flush=True)\nsys.stdin.read()",
    )
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"200\n"
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    machine.wait_for_gates()
    assert " 0 lost" in machine.status("payloads")
    assert len(machine.intercepted()) == 1


def test_what_the_gate_refuses_is_counted_and_told(machine: Installed) -> None:
    machine.profile("big")
    machine.posting(
        "big",
        'url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"\n'
        'span = {"name": "x" * 30, "traceId": "5b8efff798038103d269b633813fc60c"}\n'
        "def spans(many): return [span | {'spanId': '%016x' % (i + 1)} for i in range(many)]\n"
        "for many in (12_000, 60_000):\n"
        "    scopes = [{'spans': spans(many)}]\n"
        "    body = json.dumps({'resourceSpans': [{'scopeSpans': scopes}]}).encode()\n"
        "    print(len(body) >> 20, post(url, body))",
    )
    ended = machine.cq("run", "--", "big")
    # A program that is refused before it has sent all of it may see a broken connection instead.
    assert ended.lines[0] == "1 200"
    assert ended.lines[1].split()[1] in {"413", "BrokenPipeError", "URLError"}
    assert len(machine.intercepted()) == 1
    assert "1 lost" in machine.status("payloads")
    refused = machine.status("refused")
    assert "1 too large" in refused
    assert "make the program send smaller batches" in refused
    assert refused.split(None, 1)[1] in ended.said


def test_what_speaks_http_2_to_the_gate_is_told_how_else(machine: Installed) -> None:
    machine.profile("grpc")
    machine.posting(
        "grpc",
        "import socket, urllib.parse\n"
        'url = urllib.parse.urlsplit(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])\n'
        "with socket.create_connection((url.hostname, url.port)) as it:\n"
        '    it.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes(9))\n'
        "    it.recv(100)",
    )
    (machine.outside / "sitecustomize.py").write_text('import sys\nsys.modules["h2"] = None\n')
    ended = machine.cq("run", "--", "grpc", more={"PYTHONPATH": str(machine.outside)})
    assert ended.code == 0
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in machine.status("refused")
    assert "to have HTTP/2 and gRPC intercepted: pip install" in ended.said
