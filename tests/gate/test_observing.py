from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate import observing
from cqtel_tui.gate.executing import CommandNotFound
from cqtel_tui.gate.observing import Destination, destinations, observe, strace_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = """\
3408  connect(6<TCP:[120623]>, {sa_family=AF_INET, sin_port=htons(443), \
sin_addr=inet_addr("192.0.2.7")}, 16) = -1 EINPROGRESS (Operation now in progress)
3408  connect(6<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53), \
sin_addr=inet_addr("192.0.2.53")}, 16 <unfinished ...>
3409  <... connect resumed>)            = 0
3410  connect(7<TCPv6:[2]>, {sa_family=AF_INET6, sin6_port=htons(4317), sin6_flowinfo=htonl(0), \
inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH (no)
3410  sendto(5<UDP:[3]>, ""..., 20, 0, {sa_family=AF_INET, sin_port=htons(8125), \
sin_addr=inet_addr("127.0.0.1")}, 16) = 20
connect(3<UNIX-STREAM:[4]>, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110) = -1 ENOENT (no)
connect(3<UNIX-STREAM:[4]>, {sa_family=AF_UNIX, sun_path=@"/tmp/dbus"}, 110) = 0
3411  sendmsg(5<UDP:[5]>, {msg_name={sa_family=AF_INET, sin_port=htons(9), \
sin_addr=inet_addr("192.0.2.9")}, msg_namelen=16, msg_iov=[{iov_base=""..., iov_len=4}]}, 0) = 4
3411  sendto(4<NETLINK:[ROUTE:1]>, [{...}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 20
3411  sendto(6<TCP:[127.0.0.1:1->127.0.0.1:2]>, ""..., 5, 0, NULL, 0) = 5
3408  connect(6<TCP:[7]>, {sa_family=AF_INET, sin_port=htons(443), \
sin_addr=inet_addr("192.0.2.7")}, 16) = 0
3412  connect(6, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.8")}, 16) = 0
+++ exited with 0 +++
"""
PROBLEM = strace_problem()
with_strace = pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM)

CLIENT = """
import socket, sys
if len(sys.argv) > 1:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("127.0.0.1", int(sys.argv[1])))
sys.exit(7)
"""


def test_every_destination_is_read_from_the_calls() -> None:
    found = destinations(LINES.splitlines(keepends=True))
    assert found == {
        Destination("ipv4", "", "192.0.2.8", 80): 1,
        Destination("ipv4", "tcp", "192.0.2.7", 443): 2,
        Destination("ipv4", "udp", "127.0.0.1", 8125): 1,
        Destination("ipv4", "udp", "192.0.2.53", 53): 1,
        Destination("ipv4", "udp", "192.0.2.9", 9): 1,
        Destination("ipv6", "tcp", "2001:db8::1", 4317): 1,
        Destination("unix", "", "/run/nscd/socket", 0): 1,
        Destination("unix", "", "@/tmp/dbus", 0): 1,
    }


def test_a_destination_says_what_it_is() -> None:
    names = {str(one): one for one in destinations(LINES.splitlines())}
    assert "udp 192.0.2.53:53 (a name lookup)" in names
    assert "tcp [2001:db8::1]:4317" in names
    assert "unix @/tmp/dbus" in names
    assert {name for name, one in names.items() if one.is_local} == {
        "udp 127.0.0.1:8125",
        "unix /run/nscd/socket",
        "unix @/tmp/dbus",
    }


def test_lines_that_are_no_calls_tell_of_nothing() -> None:
    lines = ["", "x", 'write(1, "connect(3, {sa_family=AF_INET, sin_port=htons(1)") = 5', "\ufffd"]
    assert destinations(lines) == {}


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield int(found.getsockname()[1])


@with_strace
def test_what_a_program_tries_is_seen_and_its_end_is_its_own(listener: int) -> None:
    seen = observe([sys.executable, "-S", "-E", "-c", CLIENT, str(listener)], os.environ)
    assert (seen.means, seen.why, seen.outcome.exit_code) == ("strace", "", 7)
    assert seen.destinations == {
        Destination("ipv4", "tcp", "127.0.0.1", listener): 1,
        Destination("ipv4", "udp", "127.0.0.1", listener): 1,
    }
    assert seen.outside == {}


@with_strace
def test_a_program_that_tries_nothing_is_seen_to_try_nothing() -> None:
    seen = observe([sys.executable, "-S", "-E", "-c", CLIENT], os.environ)
    assert (seen.means, dict(seen.destinations)) == ("strace", {})


@with_strace
def test_what_its_children_try_is_seen_too(listener: int) -> None:
    code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    child = [sys.executable, "-S", "-E", "-c", CLIENT, str(listener)]
    seen = observe([sys.executable, "-S", "-E", "-c", code, *child], os.environ)
    assert Destination("ipv4", "tcp", "127.0.0.1", listener) in seen.destinations


def test_without_strace_the_program_runs_all_the_same_and_it_is_said(
    listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "STRACE", "no-such-strace")
    seen = observe([sys.executable, "-S", "-E", "-c", CLIENT, str(listener)], os.environ)
    assert (seen.means, seen.outcome.exit_code, dict(seen.destinations)) == ("gate", 7, {})
    assert "strace" in seen.why


def test_a_program_that_is_not_there_is_told_of_as_ever() -> None:
    with pytest.raises(CommandNotFound):
        observe(["no-such-program"], os.environ)
