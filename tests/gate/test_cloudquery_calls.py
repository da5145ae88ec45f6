"""CloudQuery's older usage statistics: a call in gRPC that cannot show a secret."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.formats.cloudquery_fields import read_summary, write_summary
from cqtel_tui.formats.documents import CLOUDQUERY, as_document
from cqtel_tui.formats.grpc import SUMMARY_CALL
from cqtel_tui.formats.readers import NotOfKindError
from cqtel_tui.gate import server as serving_module
from cqtel_tui.gate.listening import Gate
from cqtel_tui.gate.peers import is_ours
from cqtel_tui.gate.profiles import CLOUDQUERY as PROFILE
from cqtel_tui.gate.reviewing import explained
from cqtel_tui.gate.variables import held as held_variables
from cqtel_tui.outbox.runs import read_runs
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from ..cli.machines import Machine
from ..deliver.services import serving

if TYPE_CHECKING:
    from cqtel_tui.outbox.envelope import Envelope

UUID = "6f9e0f3c-9d3c-4f3c-8d2c-0a0b0c0d0e0f"
SUMMARY: dict[str, Any] = {
    "Invocation_UUID": UUID,
    "Timestamp": -1,
    "Source_path": "cloudquery/aws",
    "Source_version": "v22.1.0",
    "Destinations": [
        {"Path": "cloudquery/postgresql", "Version": "v6.0.0"},
        {"Path": "/home/alice/acme", "Version": "development"},
    ],
    "Resources": 1234,
    "Errors": 2,
    "Panics": 1,
    "Client_version": "6.21.1",
    "Exit_reason": "hunter2 is wrong for alice",
}
DOCUMENT: dict[str, Any] = {"sync_summary": SUMMARY}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose an end is")

# As CloudQuery does: in plaintext unless the address ends in :443, and without a deadline.
PROGRAM = """#!{python}
import os, sys
import grpc
if sys.argv[1:] == ["--version"]:
    sys.exit(print("cloudquery version 6.21.1"))
channel = grpc.insecure_channel(os.environ["CQ_ANALYTICS_HOST"])
try:
    print(channel.unary_unary({path!r})(bytes.fromhex({message!r})))
except grpc.RpcError as error:
    print(error.code().name)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    del found.environment["PYTHONWARNINGS"]  # theirs are not ours to mend
    return found


def report(machine: Machine, path: str = SUMMARY_CALL, **more: str) -> str:
    """Let a program make a call beneath a gate; return how that ended."""
    message = write_summary(DOCUMENT).hex()
    source = PROGRAM.format(python=sys.executable, path=path, message=message)
    machine.program("cloudquery", source)
    ended = machine.wrap("cloudquery", "sync", "spec.yml", more=more)
    assert ended.code == 0, ended.said
    return ended.lines[-1]


def intercepted(machine: Machine) -> list[Envelope]:
    outbox = Outbox(str(machine.state))
    found = [outbox.open(PENDING, label) for label in outbox.labels(PENDING)]
    return [one for one in found if one.origin == "gate"]


def blocked(machine: Machine) -> dict[str, int | None]:
    [run] = read_runs(str(machine.state))
    return {one.name: one.attempts for one in run.blocked}


STATISTICS = "the older usage statistics (gRPC)"


@on_linux
def test_a_summary_is_held_redacted_and_no_channel_of_its_own_is_blocked(machine: Machine) -> None:
    for plugin in ("source/cloudquery/aws", "destination/cloudquery/postgresql"):
        folder = machine.project / ".cq" / "plugins" / plugin / "v1.0.0"
        folder.mkdir(parents=True)
        (folder / "plugin").touch()
    assert report(machine) == "b''"
    [one] = intercepted(machine)
    assert (one.kind, one.app, one.operation) == (CLOUDQUERY, "cloudquery", "sync")
    assert one.target == f"https://analyticsv1.cloudquery.io{SUMMARY_CALL}"
    assert one.headers == {"Content-Type": "application/grpc"}
    assert as_document(one.kind, one.payload) == {
        "sync_summary": {
            "Source_path": "cloudquery/aws",
            "Source_version": "v22.1.0",
            "Destinations": [{"Path": "cloudquery/postgresql", "Version": "v6.0.0"}, {}],
            "Resources": 1234,
            "Errors": 2,
            "Panics": 1,
            "Client_version": "6.21.1",
        }
    }
    assert STATISTICS not in blocked(machine)
    assert explained(one, "").unknown == 1  # the destination of which nothing is left
    shown = machine.cq("show", one.id, "--intercepted").out.decode()
    assert "hunter2" in shown
    assert "cloudquery/aws" in machine.cq("show", one.id).out.decode()


@on_linux
def test_after_a_yes_it_goes_by_grpc_to_where_it_was_bound_for(machine: Machine) -> None:
    with serving([SUMMARY_CALL]) as service:
        own = service.url.removeprefix("http://").removesuffix(SUMMARY_CALL)
        assert report(machine, CQ_ANALYTICS_HOST=own) == "b''"
        [one] = intercepted(machine)
        assert (one.target, service.calls) == (service.url, [])
        assert machine.cq("send", one.id, "--once").code == 0
        assert service.calls == [(SUMMARY_CALL, one.payload)]
        assert service.metadata == [{}]


@on_linux
def test_no_other_call_is_taken_there(machine: Machine) -> None:
    assert report(machine, SUMMARY_CALL.replace("Send", "Take")) == "UNIMPLEMENTED"
    assert intercepted(machine) == []


def test_without_its_extra_it_is_blocked_and_counted(machine: Machine) -> None:
    (machine.outside / "sitecustomize.py").write_text('import sys\nsys.modules["h2"] = None\n')
    assert report(machine, PYTHONPATH=str(machine.outside)) == "UNAVAILABLE"
    assert intercepted(machine) == []
    assert (blocked(machine)[STATISTICS] or 0) > 0


def test_what_the_user_has_set_is_told(scrubbed: object) -> None:
    del scrubbed
    gate = Gate()
    found = held_variables([PROFILE], {"CQ_ANALYTICS_HOST": "own.example:443"}, gate)
    assert found.variables["CQ_ANALYTICS_HOST"] == gate.blocked_address
    assert found.upstreams[SUMMARY_CALL] == "https://own.example:443"
    assert [note.partition(" ")[0] for note in found.notes] == ["CQ_ANALYTICS_HOST"]
    found = held_variables([PROFILE], {"CQ_ANALYTICS_HOST": "own.example:80"}, gate)
    assert found.upstreams[SUMMARY_CALL] == ""
    gate.finish("")


# Whose a connection is ----------------------------------------------------------------------------


def ends(folder: Path, owner: str) -> tuple[socket.socket, socket.socket, str]:
    """Connect two ends, and list them as Linux does, as somebody's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    head, *lines = Path("/proc/self/net/tcp").read_text("ascii").splitlines(keepends=True)
    port = f":{theirs.getsockname()[1]:04X}"
    listed = [head]
    for line in lines:
        words = line.split()
        words[7] = owner if port in words[1] else words[7]
        listed.append(" ".join(words) + "\n")
    (folder / "tcp").write_text("".join(listed))
    return theirs, ours, str(folder / "tcp")


@on_linux
def test_an_end_is_ours_if_it_is_our_users_or_the_administrators(tmp_path: Path) -> None:
    own = str(os.geteuid())
    for owner, is_taken in ((own, True), ("0", True), ("4242", False)):
        theirs, ours, table = ends(tmp_path, owner)
        with theirs, ours:
            assert is_ours(ours)
            assert is_ours(ours, [table]) == is_taken
            assert not is_ours(ours, [str(tmp_path / "nowhere")])


@on_linux
def test_an_end_that_was_closed_is_nobodys() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
        with ours:
            theirs.sendall(b"all that it has to say")
            theirs.close()  # from now on Linux lists it as the administrator's
            assert not is_ours(ours)


@on_linux
def test_an_end_of_ipv6_that_has_an_address_of_ipv4_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_INET6) as end:
        end.connect(("::ffff:127.0.0.1", listening.getsockname()[1]))
        ours, _ = listening.accept()
        with ours:
            assert is_ours(ours)


@on_linux
def test_somebody_elses_call_is_not_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    del machine
    from .served import ServedGate

    gate = ServedGate()
    gate.begin()
    assert gate.server is not None
    gate.server.calls = {SUMMARY_CALL.encode(): "cloudquery"}
    monkeypatch.setattr(serving_module, "is_ours", lambda _: False)
    host, _, port = gate.blocked_address.partition(":")
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass
    assert gate.end().blocked_attempts == 1


# Bytes --------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again() -> None:
    assert read_summary(write_summary(DOCUMENT)) == DOCUMENT


def test_a_number_that_is_not_known_is_read_and_never_written() -> None:
    body = write_summary({"sync_summary": {"Errors": 1}}) + b"\x7a\x05alice\x78\x07"
    assert read_summary(body) == {"sync_summary": {"Errors": 1}, "15": 7}
    assert b"alice" not in write_summary(read_summary(body))


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x08\x01",
        b"\x0a\x02\x08\x01",
        b"\x0a\x02\x4a\x00",
        b"\x0a\x03\x0a\x01\xff",
        b"\x0d\x00\x00\x00\x00",
        b"\xff" * 20,
        b"\x0a\x02\x32\x00" * 10_001,
    ],
)
def test_what_is_no_summary_is_none(body: bytes) -> None:
    with pytest.raises(NotOfKindError):
        read_summary(body)
