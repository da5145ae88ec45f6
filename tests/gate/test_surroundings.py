from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cqtel_tui.gate import surroundings as module
from cqtel_tui.gate.surroundings import surroundings_here
from cqtel_tui.review.needles import Surroundings

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 999.0.2.2
           /32 host LOCAL
"""
IF_INET6 = """\
20010db8000000000000000000000017 04 40 00 82     eth0
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
nonsense
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a machine with two interfaces, whose tables are files of this test."""
    for interface, mac in (("eth0", "02:fc:00:aa:bb:cc"), ("lo", "00:00:00:00:00:00")):
        folder = tmp_path / "net" / interface
        folder.mkdir(parents=True)
        (folder / "address").write_text(mac + "\n")
    (tmp_path / "net" / "bonding_masters").write_text("")
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text(IF_INET6)
    monkeypatch.setattr(module, "_INTERFACES", tmp_path / "net")
    monkeypatch.setattr(module, "_IPV4_TABLE", tmp_path / "fib_trie")
    monkeypatch.setattr(module, "_IPV6_TABLE", tmp_path / "if_inet6")


@pytest.mark.usefixtures("machine")
def test_addresses_are_read_from_the_systems_tables() -> None:
    found = surroundings_here(environ={})
    assert found.addresses == ("192.0.2.2", "2001:db8::17", "fe80::fc:ff:fe00:1")
    assert found.macs == ("02:fc:00:aa:bb:cc",)


def test_names_and_secrets_are_read_from_the_environment(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.mkdir()
    link = tmp_path / "home"
    link.symlink_to(home)
    environ = {
        "HOME": str(link),
        "USER": "alice",
        "SUDO_USER": "lory",
        "HOSTNAME": "wonderland",
        "GITHUB_TOKEN": "curiouser-and-curiouser",
        "EDITOR": "a-long-name-of-an-editor",
        "CI_TOKEN": "short",
    }
    found = surroundings_here(["sync"], environ)
    assert {str(link), str(home.resolve())} <= set(found.homes)
    assert {"alice", "lory"} <= set(found.users)
    assert "wonderland" in found.hosts
    assert found.secrets == (("GITHUB_TOKEN", "curiouser-and-curiouser"),)
    assert found.directory == str(Path.cwd())
    assert found.arguments == ("sync",)
    assert surroundings_here(environ={}).arguments is None


def test_what_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_INTERFACES", "_IPV4_TABLE", "_IPV6_TABLE"):
        monkeypatch.setattr(module, name, tmp_path / "missing")

    def nobody() -> tuple[list[str], list[str]]:
        return [], []

    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(module, "_MACHINE_IDS", (tmp_path / "missing",))
    monkeypatch.setattr(module, "_account", nobody)
    monkeypatch.setattr(Path, "cwd", gone)
    monkeypatch.delattr(os, "uname", raising=False)
    assert surroundings_here(environ={}) == Surroundings()


def test_no_socket_is_opened_and_no_name_is_looked_up(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "events = []\n"
        "sys.addaudithook(lambda event, _: events.append(event))\n"
        "from cqtel_tui.gate.surroundings import surroundings_here\n"
        "surroundings_here()\n"
        "assert not [e for e in events if e.startswith('socket')], events\n"
        "assert not {'socket', '_socket', 'textual', 'rich', 'httpx'} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(module.__file__).parents[1]),
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_id_of_the_machine_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "machine-id"
    file.write_text("0af7651916cd43dd8448eb211c80319c\n")
    monkeypatch.setattr(module, "_MACHINE_IDS", (tmp_path / "missing", file, file))
    assert surroundings_here(environ={}).machine_ids == ("0af7651916cd43dd8448eb211c80319c",)
