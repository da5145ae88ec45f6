"""Every command, among streams of every kind: no traceback, and an exit code that tells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli.parser import parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .machines import Machine

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("sh") is None, reason="the streams are redirected by sh"
)

UI = f"{sys.executable} -P -m cqtel_tui"
CLI = f"{sys.executable} -P -m cqtel_tui.cli"
ARGUMENTS = {
    "show": "0123456789abcdef",
    "export": "0123456789abcdef",
    "trim": "0123456789abcdef",
    "run": "-- true",
    "verify": "-- true",
    "completion": "bash",
    "debug": "off",
    "endpoint": "none",
    "help": "",
}
NOT_HERE = {"demo", "collector"}
"""One draws, the other serves; both are tested where they do so."""
KINDS = {
    "cp1252": "PYTHONIOENCODING=cp1252 {}",
    "ascii": "PYTHONIOENCODING=ascii {}",
    "the C locale": "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {}",
    "a closed pipe": "{{ {}; }} | true",
    "no stdin": "{} <&-",
    "no stdout": "{} >&-",
    "no stderr": "{} 2>&-",
    "no stream at all": "{} <&- >&- 2>&-",
    "a full disk": "{} >/dev/full",
    "a full disk for messages": "{} 2>/dev/full",
}


def commands() -> Iterator[str]:
    for action in parser()._actions:
        for name in action.choices or ():
            if name not in NOT_HERE:
                yield f"{CLI} {name} {ARGUMENTS.get(str(name), '')}"
    yield f"{CLI} --help"
    yield f"{CLI} --version"
    yield f"{UI} --keys"
    yield f"{UI} --help"
    yield f"{UI} --plain"
    yield UI


def in_shell(machine: Machine, line: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", line],
        input=b"pending\nhelp\n",
        capture_output=True,
        cwd=machine.project,
        env=machine.environment | {"LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "default"},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_ends_in_a_traceback(machine: Machine, kind: str) -> None:
    if "full" in kind and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    for command in commands():
        ended = in_shell(machine, KINDS[kind].format(command))
        told = ended.stdout + ended.stderr
        for word in (b"Traceback", b"Exception", b"UnicodeEncodeError", b"lost sys.stderr"):
            assert word not in told, (command, told.decode())
        assert ended.returncode in {0, 1, 2}, (command, ended)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [f"{UI} --keys", f"{UI} --plain", f"{CLI} catalogue"])
def test_a_full_disk_is_told_and_a_failure(machine: Machine, command: str) -> None:
    ended = in_shell(machine, f"{command} >/dev/full")
    assert ended.returncode == 1
    assert b"could not be written: No space left on device" in ended.stderr


@pytest.mark.parametrize("command", [f"{UI} --keys", f"{CLI} catalogue"])
def test_a_reader_that_has_gone_ends_it_as_any_tool(machine: Machine, command: str) -> None:
    line = f"{{ sleep 0.2; {command}; echo $? >&2; }} | true"
    assert in_shell(machine, line).stderr == b"141\n"


@pytest.mark.parametrize("kind", ["cp1252", "ascii"])
def test_keys_are_named_where_there_are_no_letters_for_them(machine: Machine, kind: str) -> None:
    ended = in_shell(machine, KINDS[kind].format(f"{UI} --keys"))
    assert b"| a list | `up` `k` |" in ended.stdout
    assert b"\\u" not in ended.stdout
    assert "`↑`".encode() in in_shell(machine, f"{UI} --keys").stdout


def test_a_byte_that_is_no_utf_8_ends_no_plain_session(machine: Machine) -> None:
    ended = subprocess.run(
        [*UI.split(), "--plain"],
        input=b"\xe9\xff\nshow \xe9\npending\n",
        capture_output=True,
        cwd=machine.project,
        env=machine.environment,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0
    assert b"Traceback" not in ended.stderr
    assert ended.stdout.count(b"cqtel>") == 4, "no line ends it, and none is taken for an answer"


def test_the_package_of_the_commands_runs_as_a_module(machine: Machine) -> None:
    ended = in_shell(machine, f"{CLI} --version")
    assert ended.returncode == 0
    assert ended.stdout.strip()
