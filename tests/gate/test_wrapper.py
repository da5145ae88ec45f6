from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.gate.profiles import CLOUDQUERY
from cqtel_tui.record.inspection import FILE_NAME, is_ours

from ..cli.machines import PATIENCE, SYSTEM_PATH, Machine, Result, run, started
from .test_process import at_a_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells what was in the environment at first"
)
BASH = shutil.which("bash") or ""
with_bash = pytest.mark.skipif(not BASH, reason="bash is not installed")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def sh(machine: Machine, script: str, name: str = "cloudquery") -> None:
    """Put a program on the PATH that answers --version, and otherwise runs a script."""
    machine.program(
        name, f'#!/bin/sh\n[ "$*" = --version ] && echo cloudquery version 6.21.1 && exit\n{script}'
    )


def operations(machine: Machine) -> list[str]:
    return [span["name"] for span in machine.spans()]


def exit_codes(machine: Machine) -> list[int]:
    return [int(span["attributes"][0]["value"]["intValue"]) for span in machine.spans()]


def eventually(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# As without us -----------------------------------------------------------------------------------


def with_and_without(machine: Machine, *arguments: str, **settings: Any) -> tuple[Result, Result]:
    without = run(
        ["cloudquery", *arguments],
        environment=machine.environment | {"PATH": machine.environment["PATH"]},
        cwd=machine.project,
        **settings,
    )
    return machine.wrap("cloudquery", *arguments, **settings), without


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_and_every_byte_of_both_streams_are_the_programs_own(
    machine: Machine, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.witness(code=code)
    monkeypatch.setenv("PATH", machine.environment["PATH"])
    with_us, without = with_and_without(machine, "sync", "spec.yml", stdin=b"\x00\xff\n")
    assert with_us == without == Result(code, b"\x00out\xff\r\n", b"\x1berr\xfe")
    assert exit_codes(machine) == [code]
    assert machine.spans()[0]["status"]["code"] == (2 if code else 1)


def test_arguments_standard_input_and_folder_are_given_as_they_are(machine: Machine) -> None:
    witness = machine.witness()
    arguments = [b"sync", b"", b"a b", b"new\nline", b"\xff\xfe", "ü€😀".encode(), b"--x=\x1b[31m"]
    machine.wrap("cloudquery", *arguments, stdin=b"\x00\xff\r\n" * 1000)
    assert witness.last["argv"] == arguments
    assert witness.last["stdin"] == b"\x00\xff\r\n" * 1000
    assert witness.last["cwd"] == str(machine.project)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_a_program_that_a_signal_ends_ends_us_by_that_signal(
    machine: Machine, number: signal.Signals
) -> None:
    sh(machine, f"ulimit -c 0; kill -{number.name[3:]} $$")
    assert machine.wrap("cloudquery", "sync").code == -number
    assert exit_codes(machine) == [128 + number]


def test_a_signal_that_we_are_sent_is_the_programs_to_handle(machine: Machine) -> None:
    sh(machine, "trap 'exit 7' TERM\necho ready\nwhile :; do sleep 0.05; done")
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(PATIENCE) == 7
    assert exit_codes(machine) == [7]


@with_bash
def test_a_pipe_that_is_closed_early_ends_the_program_and_us(machine: Machine) -> None:
    sh(machine, "while :; do echo line; done")
    wrapped = " ".join(map(str, machine.command("run", "--", "cloudquery", "sync")))
    ended = run(
        [BASH, "-c", f"{wrapped} | head -1; echo ${{PIPESTATUS[*]}}"],
        environment=machine.environment,
        cwd=machine.project,
    )
    assert ended == Result(0, b"line\n141 0\n", b"")
    assert exit_codes(machine) == [141]


@with_bash
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(machine: Machine, closed: str) -> None:
    notes = machine.outside / "notes"
    sh(machine, f"ls -l /proc/$$/fd > /dev/null; echo ran >> {notes}; exit 7")
    sh(machine, f"echo ran >> {notes}; exit 7", name="stranger")
    for name in ("cloudquery", "stranger"):
        wrapped = " ".join(map(str, machine.command("run", "--", name, "sync")))
        ended = run(
            [BASH, "-c", f"{wrapped} {closed}"],
            environment=machine.environment,
            cwd=machine.project,
        )
        assert ended.code == 7
        assert "Traceback" not in ended.said
    assert notes.read_text() == "ran\nran\n"
    assert exit_codes(machine) == [7]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("cloudquery", 127, "cloudquery: command not found"),
        ("./cloudquery", 127, "./cloudquery: No such file or directory"),
        ("{project}/none/cloudquery", 127, "none/cloudquery: No such file or directory"),
        ("{project}/plain/cloudquery", 126, "plain/cloudquery: Permission denied"),
        ("{root}/folder/cloudquery", 126, "folder/cloudquery: Is a directory"),
    ],
)
def test_what_cannot_be_started_is_told_in_a_shells_words_and_is_no_operation(
    machine: Machine, command: str, code: int, words: str
) -> None:
    machine.program("cloudquery", "", at="project/plain").chmod(0o644)
    (machine.root / "folder" / "cloudquery").mkdir(parents=True)
    before = machine.files()
    name = command.format(project=machine.project, root=machine.root)
    # Somewhere there is a packaged binary, but not for whom names another file.
    path = {"PATH": SYSTEM_PATH} if command != "cloudquery" else {"PATH": str(machine.home)}
    if command == "cloudquery":
        pytest.importorskip("no_packaged_cloudquery") if _packaged() else None
    ended = machine.wrap(name, "sync", **path)
    assert ended.code == code
    assert ended.out == b""
    assert ended.said.startswith("cq-telemetry: ")
    assert ended.said.endswith(f"{words}\n")
    assert ended.said.count("\n") == 1
    assert machine.files() == before


def _packaged() -> bool:
    from ..cli.machines import real_cloudquery

    return real_cloudquery() is not None
