"""The gate's own process: what it acknowledges is never lost, and it is in nobody's way."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from cqtel_tui.gate.holding import hold_one, read_original
from cqtel_tui.gate.lingering import LONGEST_SECONDS, descendants, is_alive, longest
from cqtel_tui.gate.listening import FAREWELL_SECONDS, Gate
from cqtel_tui.gate.recovering import recover
from cqtel_tui.gate.redactor import Redactor
from cqtel_tui.gate.requests import Request
from cqtel_tui.gate.session import Session
from cqtel_tui.gate.spool import BacklogError, Spool, left_over
from cqtel_tui.outbox.runs import has_leftovers, read_runs
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from ..cli.machines import PATIENCE, Machine, Result, started
from ..disks import mounted

if TYPE_CHECKING:
    from collections.abc import Callable

    from cqtel_tui.outbox.envelope import Envelope

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux shows which processes are there, and of whom"
)

IS_LONG = bool(os.environ.get("CQTEL_LONG_TESTS"))
KILLS = 400 if IS_LONG else 100
SLACK = 1.0

# What sends one request to the gate, with a text of its own, and says what came of it.
CLIENT = """\
import json, os, sys, time, urllib.request
def post(event, size=0, more=""):
    body = json.dumps({"batch": [{"type": "track", "event": event, "pad": "x" * size}]}).encode()
    url = os.environ["CQ_RUDDERSTACK_DATA_PLANE_URL"] + "/v1/batch" + more
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=60).status
    except Exception as error:
        return getattr(error, "code", repr(error))
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def program(machine: Machine, source: str) -> None:
    """Put a program on the PATH that reports as its source says."""
    versioned = "import sys\nif sys.argv[1:] == ['--version']: sys.exit(print('none'))\n"
    machine.program("cloudquery", f"#!{sys.executable} -SE\n{versioned}{CLIENT}{source}\n")


def detached(source: str) -> str:
    """Return what starts a child that is detached in every way that there is."""
    return f"""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.chdir("/")
        {source}
    os._exit(0)
os.wait()
"""


def eventually(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.01)


def intercepted(machine: Machine) -> list[Envelope]:
    outbox = Outbox(str(machine.state))
    found = [outbox.open(PENDING, label) for label in outbox.labels(PENDING)]
    return [one for one in found if one.origin == "gate"]


def events(machine: Machine) -> list[str]:
    bodies = [json.loads(read_original(one.intercepted).body) for one in intercepted(machine)]
    return [one["event"] for body in bodies for one in body["batch"]]


# Nothing that was acknowledged is lost ------------------------------------------------------------


def test_a_hundred_kills_lose_nothing_that_was_acknowledged_and_keep_nothing_twice(
    tmp_path: Path,
) -> None:
    environment = {
        "HOME": str(tmp_path),
        "CQ_TELEMETRY_HOME": str(tmp_path),
        "CQ_TELEMETRY_LINGER": "0",
        "PATH": os.defpath,
    }
    script = Path(__file__).with_name("killing.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(KILLS)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found.pop("acknowledged") >= KILLS / 2
    assert found == {
        "lost": 0,
        "twice": 0,
        "unlinked": 0,
        "unread": 0,
        "left": False,
        "whole": True,
    }


@pytest.mark.parametrize("killed", ["launcher", "gate", "both"])
def test_what_was_acknowledged_is_found_by_the_next_command(machine: Machine, killed: str) -> None:
    program(machine, "print(post('before'), flush=True); time.sleep(1000)")
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"200\n"
        gates = machine.gates()
        assert gates
        if killed != "gate":
            process.kill()
        if killed != "launcher":
            for one in gates:
                os.kill(one, signal.SIGKILL)
        eventually(lambda: killed == "launcher" or not machine.gates())
        # Whoever looks, in whichever way, finds it.
        eventually(lambda: "1 pending" in machine.cq("status").out.decode())
        assert events(machine) == ["before"]


def test_the_program_goes_on_reporting_when_the_launcher_was_killed(machine: Machine) -> None:
    ask = "print(post('a'), flush=True); sys.stdin.readline(); "
    program(machine, f"{ask}print(post('b'), flush=True)")
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"200\n"
        process.kill()
        process.wait(PATIENCE)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"200\n"
        machine.wait_for_gates()
    assert events(machine) == ["a", "b"]
    [found] = read_runs(str(machine.state))
    assert (found.operation, len(found.intercepted), found.is_over) == ("", 2, True)


def test_what_ends_the_redaction_takes_no_other_request_along(machine: Machine) -> None:
    (machine.outside / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'gate.serving' in ' '.join(sys.orig_argv):\n"
        "    import os, json\n"
        "    original = json.loads\n"
        "    from cqtel_tui.gate import protocols\n"
        "    read = protocols.understand\n"
        "    def understand(intercepted, rules):\n"
        "        if b'bomb' in intercepted.body: os._exit(1)\n"
        "        return read(intercepted, rules)\n"
        "    protocols.understand = understand\n"
    )
    machine.environment["PYTHONPATH"] = str(machine.outside)
    program(machine, "print([post(one) for one in ('a', 'bomb', 'b', 'bomb', 'c')])")
    assert machine.wrap("cloudquery", "sync").out == b"[200, 200, 200, 200, 200]\n"
    found = {one["event"]: one for one in _as_read(machine)}
    assert sorted(events(machine)) == ["a", "b", "bomb", "bomb", "c"]
    assert {name for name, one in found.items() if one["kind"] == "unredacted"} == {"bomb"}
    assert not has_leftovers(str(machine.state))


def _as_read(machine: Machine) -> list[dict[str, Any]]:
    return [
        {
            "event": json.loads(read_original(one.intercepted).body)["batch"][0]["event"],
            "kind": one.kind,
        }
        for one in intercepted(machine)
    ]


def test_what_is_not_redacted_yet_can_be_neither_shown_nor_sent(machine: Machine) -> None:
    state = str(machine.state)
    spool = Spool(_session(state))
    spool.put(_intercepted(b'{"batch":[{"type":"track"}]}'), "0" * 16)
    assert machine.envelopes() == []
    assert machine.cq("pending", "--json").json == []  # its gate lives, as far as others know
    assert machine.cq("show", "0" * 16).code == 1
    assert machine.cq("send", "0" * 16).code == 1
    spool_folder = spool.folder
    os.close(spool._lock)  # as if it had been killed
    [shown] = machine.cq("pending", "--json").json
    assert shown["id"] == "0" * 16
    assert not spool_folder.exists()


def test_taking_everything_back_takes_what_waits_too(machine: Machine) -> None:
    spool = Spool(_session(str(machine.state)))
    spool.put(_intercepted(b"{}"), "0" * 16)
    machine.cq("off", "--discard")
    assert spool.names() == []
    spool.put(_intercepted(b"{}"), "1" * 16)  # and a gate that is still there can go on
    assert len(spool.names()) == 1
    spool.close()


def test_what_two_redactions_died_of_is_never_sent_and_is_held_once(machine: Machine) -> None:
    spool = Spool(_session(str(machine.state)))
    spool.put(_intercepted(b'{"batch":[]}'), "0" * 16)
    for _ in range(2):
        spool.begin(spool.names()[0])
    assert recover(str(machine.state)) == 0  # whoever holds the lock is at work on it
    os.close(spool._lock)
    assert recover(str(machine.state)) == 1
    [found] = intercepted(machine)
    assert (found.id, found.kind) == ("0" * 16, "unredacted")


def test_a_redaction_that_was_killed_after_it_was_done_is_not_done_twice(machine: Machine) -> None:
    state = str(machine.state)
    spool = Spool(_session(state))
    spool.put(_intercepted(b'{"batch":[]}'), "0" * 16)
    spool.begin(spool.names()[0])
    [name] = spool.names()
    data = (spool.folder / name).read_bytes()
    redactor = Redactor(spool, is_live=False)
    redactor.work()
    (spool.folder / name).write_bytes(data)
    os.close(spool._lock)
    recover(state)
    assert [one.id for one in intercepted(machine)] == ["0" * 16]
    assert [run_.intercepted for run_ in read_runs(state)] == [("0" * 16,)]
    assert not has_leftovers(state)


def test_one_request_that_has_no_room_stays_and_keeps_no_other_from_being_held(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(state: str, request: Request, *more: Any) -> str:
        if b"large" in request.body:
            raise OSError(errno.ENOSPC, "No space left on device")
        return hold_one(state, request, *more)

    spool = Spool(_session(str(machine.state)))
    for number, event in enumerate(("large", "small")):
        body = json.dumps({"batch": [{"type": "track", "event": event}]}).encode()
        spool.put(_intercepted(body, time.time_ns() // 1000 + number), str(number) * 16)
    monkeypatch.setattr("cqtel_tui.gate.redactor.hold_one", hold)
    redactor = Redactor(spool, is_live=True)
    with pytest.raises(OSError, match="No space left"):
        redactor.work()
    assert events(machine) == ["small"]
    assert len(spool.names()) == 1
    monkeypatch.undo()
    assert redactor.work() == 1
    assert sorted(events(machine)) == ["large", "small"]
    assert spool.names() == []


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\n", b'{"length":5}\nabc', b"[]\nx"])
def test_a_torn_file_is_counted_and_stops_nothing(machine: Machine, damage: bytes) -> None:
    state = str(machine.state)
    spool = Spool(_session(state))
    spool.put(_intercepted(b'{"batch":[]}'), "0" * 16)
    (spool.folder / f"{0:016d},{'1' * 16},0.request").write_bytes(damage)
    os.close(spool._lock)
    recover(state)
    assert [one.id for one in intercepted(machine)] == ["0" * 16]
    assert Outbox(state).losses() == 1
    assert not has_leftovers(state)


@pytest.mark.parametrize(
    "run_json", [None, b"", b"[]", b'{"id": 5}', b'{"id":"../x"}', b"{" * 9999]
)
def test_a_folder_that_is_none_of_ours_stops_nothing(
    machine: Machine, run_json: bytes | None
) -> None:
    state = str(machine.state)
    folder = machine.outbox / "intercepted" / f"{1:016d},{'f' * 16}"
    folder.mkdir(parents=True)
    (folder.parent / "a file").write_bytes(b"x")
    (folder.parent / "a link").symlink_to("/")
    if run_json is not None:
        (folder / "run.json").write_bytes(run_json)
    spool = Spool(_session(state))
    spool.put(_intercepted(b'{"batch":[]}'), "0" * 16)
    os.close(spool._lock)
    assert recover(state) == 1
    assert left_over(state) == []


def test_more_than_the_outbox_takes_does_not_wait_for_redaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cqtel_tui.gate.spool.MAX_PENDING", 3)
    spool = Spool(_session(str(tmp_path)))
    for at in range(3):
        spool.put(_intercepted(b"{}", when=at), f"{at:016x}")
    with pytest.raises(BacklogError):
        spool.put(_intercepted(b"{}"), "f" * 16)
    spool.done(spool.names()[0])
    spool.put(_intercepted(b"{}"), "f" * 16)
    spool.close()


def _session(state: str, identity: str = "a" * 16) -> Session:
    return Session(identity, 1, state, app="cloudquery", key="00" * 32)


def _intercepted(body: bytes, when: int = 0) -> Request:
    headers = (("content-type", "application/json"),)
    now = when or time.time_ns() // 1000
    return Request("POST", "/v1/batch", headers, body, now, "cloudquery")


# It lingers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 0.2, 1, *[10] * IS_LONG])
def test_what_a_detached_child_sends_is_held_and_belongs_to_its_run(
    machine: Machine, seconds: float
) -> None:
    program(
        machine,
        "print(post('in time'), flush=True)" + detached(f"time.sleep({seconds}); post('late')"),
    )
    began = time.monotonic()
    assert machine.cq("run", "--", "cloudquery", "sync").out == b"200\n"
    assert time.monotonic() - began >= seconds
    assert sorted(events(machine)) == ["in time", "late"]
    [found] = read_runs(str(machine.state))
    assert len(found.intercepted) == 2


def test_the_launcher_waits_for_no_child_and_no_pipe_stays_open(machine: Machine) -> None:
    note = machine.outside / "go on"
    wait = f"while not os.path.exists({str(note)!r}): time.sleep(0.01)"
    late = f"{wait}\n        post('late')"
    program(machine, "print(post('in time'), flush=True)" + detached(late))
    machine.waits_for_gates = False
    ended = machine.wrap("cloudquery", "sync")  # which reads both streams to their ends
    assert ended == Result(0, b"200\n", b"")
    assert machine.gates()
    note.touch()
    machine.wait_for_gates()
    assert sorted(events(machine)) == ["in time", "late"]
    [found] = read_runs(str(machine.state))
    assert (len(found.intercepted), found.late) == (2, 1)
    assert "1 of them after the program's end" in machine.cq("status").out.decode()


def test_it_stays_no_longer_than_it_may(machine: Machine) -> None:
    assert LONGEST_SECONDS == 60
    machine.environment["CQ_TELEMETRY_LINGER"] = "0.5"
    note = machine.outside / "child"
    child = f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    program(machine, "post('in time')" + detached(child))
    machine.waits_for_gates = False
    machine.wrap("cloudquery", "sync")
    try:
        machine.wait_for_gates()
        eventually(note.exists)
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


def test_a_connection_that_stays_open_is_served_after_the_end(machine: Machine) -> None:
    ours, theirs = socket.socketpair()
    source = (
        "import socket\n"
        "from urllib.parse import urlsplit\n"
        "to = urlsplit(os.environ['CQ_RUDDERSTACK_DATA_PLANE_URL'])\n"
        "client = socket.create_connection((to.hostname, to.port))\n"
        "client.sendall(b'POST ' + to.path.encode() + b'/v1/track HTTP/1.1\\r\\nHost: x\\r\\n'"
        "b'Content-Length: 2\\r\\n\\r\\n{}')\n"
        "client.recv(1000)\n"
        "client.sendall(b'POST ' + to.path.encode() + b'/v1/track HTTP/1.1\\r\\nHost: x\\r\\n'"
        "b'Content-Length: 2\\r\\n\\r\\n')\n"
        f"socket.send_fds(socket.socket(fileno={theirs.fileno()}), [b'x'], [client.fileno()])\n"
        "os._exit(0)"
    )
    program(machine, source)
    machine.waits_for_gates = False
    with ours, theirs:
        ended = subprocess.run(
            machine.command("run", "--", "cloudquery", "sync"),
            env=machine.environment,
            cwd=machine.project,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 0
        _, handles, _, _ = socket.recv_fds(ours, 1, 1)
        with socket.socket(fileno=handles[0]) as client:
            client.sendall(b"{}")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    machine.wait_for_gates()
    [found] = read_runs(str(machine.state))
    assert (len(found.intercepted), found.late) == (2, 1)


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [("", 60), ("0", 0), ("5", 5), ("0.5", 0.5), ("-1", 60), ("nan", 60), ("inf", 60), ("x", 60)],
)
def test_how_long_it_stays_is_a_setting(setting: str, seconds: float) -> None:
    assert longest(setting) == seconds


def test_a_descendant_is_known_by_what_it_was_started_with(tmp_path: Path) -> None:
    def of(secret: str) -> list[int]:
        return descendants([secret]) or []

    secret = os.urandom(16).hex()
    environment = {"URL": f"http://127.0.0.1:1/{secret}"}
    command = [sys.executable, "-SEc", "print(flush=True); input()"]
    with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert of(secret) == [process.pid]
        assert of("f" * 32) == []
        alive = is_alive(process.pid)
        assert alive()
        process.kill()
        eventually(lambda: not alive())
    assert of(secret) == []
    assert not is_alive(0)()
    assert descendants([secret], str(tmp_path / "nowhere")) is None


# It is in nobody's way ----------------------------------------------------------------------------


def test_it_has_no_terminal_no_stream_and_no_secret_in_its_command_line(machine: Machine) -> None:
    program(machine, "print(post('a'), flush=True); sys.stdin.readline()")
    pipe, write = os.pipe()
    command = machine.command("run", "--", "cloudquery", "sync", "--password", "hunter2")
    with subprocess.Popen(
        command,
        env=machine.environment,
        cwd=machine.project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[write],
    ) as process:
        os.close(write)
        assert process.stdout is not None
        assert process.stdout.readline() == b"200\n"
        gates = machine.gates()
        for one in gates:
            folder = Path(f"/proc/{one}")
            facts = folder.joinpath("stat").read_text().rpartition(")")[2].split()
            session, terminal = int(facts[3]), int(facts[4])
            assert session in gates
            assert session != os.getsid(0)
            assert terminal == 0
            assert (folder / "cwd").readlink() == Path("/")
            opened = set()
            for each in (folder / "fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                    opened.add(str(each.readlink()))
            assert not any(each.startswith("pipe:") for each in opened)
            told = folder.joinpath("cmdline").read_bytes()
            assert b"hunter2" not in told
            assert str(machine.state).encode() not in told
        process.communicate(b"\n", PATIENCE)
    assert os.read(pipe, 1) == b""  # nobody holds the other end
    os.close(pipe)
    machine.wait_for_gates()


@pytest.mark.parametrize("flags", [[], ["-I"], ["-E", "-s"]])
def test_its_python_is_started_as_ours_was_and_imports_nothing_from_here(
    tmp_path: Path, flags: list[str]
) -> None:
    code = (
        "from cqtel_tui.gate import listening as l;"
        f"g = l.Gate(); g.serve(state={str(tmp_path / 'state')!r}, inspect=True);"
        "print(l._flags()); print(g.finish(seconds=20).failure)"
    )
    (tmp_path / "h11.py").write_text("raise SystemExit('planted')")
    (tmp_path / "json.py").write_text("raise SystemExit('planted')")
    done = subprocess.run(
        [sys.executable, *flags, "-P", "-c", code],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.defpath, "CQ_TELEMETRY_LINGER": "0"},
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    told, failure = done.stdout.decode().splitlines()
    assert told.startswith("['-P'")
    assert all(flag in told for flag in flags)
    assert failure == ""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_what_a_terminal_sends_does_not_reach_it(machine: Machine, number: signal.Signals) -> None:
    program(machine, "print(post('a'), flush=True); sys.stdin.readline(); print(post('b'))")
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"200\n"
        for one in machine.gates():
            os.kill(one, number)
        out, _ = process.communicate(b"\n", PATIENCE)
        assert out == b"200\n"
    machine.wait_for_gates()
    assert events(machine) == ["a", "b"]


def test_a_gate_that_nobody_came_to_makes_nobody_wait(scrubbed: Path) -> None:
    unserved = Gate()
    assert unserved.finish().requests == 0
    gate = Gate()
    gate.url_for("cloudquery")
    gate.serve(state=str(scrubbed / "state"), project=str(scrubbed))
    began = time.monotonic()
    assert gate.finish().requests == 0
    assert time.monotonic() - began < FAREWELL_SECONDS + SLACK
    assert gate.finish().failure == ""


def test_where_no_process_can_take_the_sockets_over_a_thread_does(
    scrubbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_spawn")
    monkeypatch.setenv("CQ_TELEMETRY_LINGER", "0")
    state = str(scrubbed / ".local" / "state" / "cqtel")
    gate = Gate()
    to = urlsplit(gate.url_for("cloudquery"))
    gate.serve(state=state, project=str(scrubbed), app="cloudquery")
    client = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=PATIENCE)
    client.request("POST", f"{to.path}/v1/batch", b'{"batch":[]}')
    assert client.getresponse().read() == b"OK"
    client.close()
    assert gate.finish(seconds=PATIENCE).requests == 1
    assert len(Outbox(state).labels(PENDING)) == 1
    eventually(lambda: not has_leftovers(state))
    for thread in threading.enumerate():
        if thread.name == "gate":
            thread.join(PATIENCE)


def test_a_gate_that_cannot_be_started_is_told_and_refuses(
    scrubbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    gate = Gate()
    gate.serve(state=str(scrubbed / "state"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gate.port), PATIENCE)
    assert "could not be started" in gate.finish().failure


# It shows what comes in at once -------------------------------------------------------------------


def test_what_comes_in_is_pending_while_the_program_still_runs(machine: Machine) -> None:
    program(machine, "print(post('a'), flush=True); sys.stdin.readline()")
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"200\n"
        eventually(lambda: len(read_runs(str(machine.state))) == 1)
        [envelope] = intercepted(machine)
        [during] = read_runs(str(machine.state))
        assert (during.intercepted, during.is_over, during.operation) == ((envelope.id,), False, "")
        assert "it is still running" in machine.cq("status").out.decode()
        process.communicate(b"\n", PATIENCE)
    machine.wait_for_gates()
    [after] = read_runs(str(machine.state))
    assert (after.id, after.intercepted, after.is_over) == (during.id, during.intercepted, True)
    assert after.operation


# What it refuses is told --------------------------------------------------------------------------


def test_what_is_too_large_is_told_when_the_program_ends_and_in_the_status(
    machine: Machine,
) -> None:
    program(machine, "print(post('a'), post('large', 5 << 20))")
    ended = machine.wrap("cloudquery", "sync")
    assert ended.out.startswith(b"200 ")
    assert not ended.out.endswith(b" 200\n")
    [line] = ended.said.splitlines()
    assert line.startswith("cq-telemetry: refused by the gate: 1 too large (a request")
    [found] = read_runs(str(machine.state))
    assert (len(found.intercepted), found.refused) == (1, {"too large": 1})
    status = machine.cq("status")
    assert "1 request intercepted, 1 refused" in status.out.decode()
    assert "4 MiB" in status.out.decode()
    assert machine.cq("status", "--json").json["runs"][0]["refused"] == [
        {"reason": "too large", "requests": 1}
    ]
    assert machine.cq("status", "--json").json["outbox"]["dropped"] == 1


def test_on_a_full_disk_nothing_is_acknowledged_and_the_status_says_why(
    machine: Machine, tmp_path: Path
) -> None:
    program(machine, "print(post('a'))")
    with mounted(tmp_path / "disk") as disk:
        machine.environment["CQ_TELEMETRY_HOME"] = str(disk.folder / "home")
        disk.fill()
        ended = machine.wrap("cloudquery", "sync")
        assert ended.out == b"503\n"
        assert "free space on the disk" in ended.said
        assert "full" in machine.cq("status").out.decode()
        disk.make_room()
        assert machine.wrap("cloudquery", "sync").out == b"200\n"


def test_what_was_acknowledged_before_the_disk_was_full_is_redacted_once_there_is_room(
    machine: Machine, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk") as disk:
        state = str(disk.folder / "state")
        spool = Spool(_session(state))
        for at in range(3):
            spool.put(
                _intercepted(json.dumps({"batch": [{"event": f"e{at}"}]}).encode()), f"{at:016x}"
            )
        os.close(spool._lock)
        disk.fill()
        recover(state)
        disk.make_room()
        for _ in range(3):
            recover(state)
        outbox = Outbox(state)
        found = [outbox.open(PENDING, label) for label in outbox.labels(PENDING)]
        assert [one.kind for one in found] == ["rudderstack"] * 3
        assert not has_leftovers(state)
