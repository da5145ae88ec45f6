"""After a command that was run through here: asked in the foreground, and not after Ctrl+C."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.gate.process import Outcome
from cqtel_tui.outbox.writing import PENDING

from ..tui.conftest import _quiet, empty
from ..tui.driving import program
from ..tui.terminal import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from ..tui.driving import Machine

__all__ = ["_quiet", "empty"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

BASH = shutil.which("bash")
RUN = (
    f"{sys.executable} -P -c 'import sys; from cqtel_tui.cli import main; sys.exit(main())' run --"
)
ASKED = b"Nothing was sent"


def cloudquery(folder: Path, *lines: str) -> Path:
    version = 'if [ "$1" = --version ]; then echo cloudquery version 6.21.1; exit; fi'
    return program(folder, "cloudquery", version, *lines)


def recorded(machine: Machine) -> int:
    return len(machine.outbox.names(PENDING))


@pytest.fixture
def shell(tmp_path: Path) -> tuple[str, ...]:
    if BASH is None:
        pytest.skip("bash is not installed")
    return (BASH, "--norc", "--noprofile", "-i")


def test_after_a_command_that_ended_by_itself_it_is_asked(
    empty: Machine, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    with terminal(*shell, PS1="READY> ") as it:
        it.writes(b"READY> ")
        it.type(f"{RUN} {cloudquery(tmp_path, 'exit 3')} sync\n".encode())
        it.writes(ASKED, b"from now on")
        it.type(b"l")
        it.writes(b"nothing was decided or sent", b"READY> ")
        it.type(b"exit $?\n")
        assert it.end() == 3


@pytest.mark.parametrize(
    "lines",
    [
        ["exec sleep 60"],
        ["trap 'exit 0' INT", "while :; do sleep 0.1; done"],
        ["trap 'exit 1' INT", "while :; do sleep 0.1; done"],
        ["trap 'exit 130' INT", "while :; do sleep 0.1; done"],
    ],
    ids=["dies", "traps it, 0", "traps it, 1", "traps it, 130"],
)
def test_after_ctrl_c_nothing_is_asked(
    empty: Machine, tmp_path: Path, shell: tuple[str, ...], lines: list[str]
) -> None:
    with terminal(*shell, PS1="READY> ") as it:
        it.writes(b"READY> ")
        script = cloudquery(tmp_path, *lines[:-1], "echo RUNNING", lines[-1])
        it.type(f"{RUN} {script} sync\n".encode())
        it.writes(b"RUNNING")
        it.type(b"\x03")
        it.writes(b"READY> ")
        it.type(b"echo over\n")
        it.writes(b"over\r\n", b"READY> ")
        it.type(b"exit 0\n")
        assert it.end() == 0
        assert ASKED not in it.written
    assert recorded(empty) == 1


@pytest.mark.parametrize("code", [129, 130, 137, 143])
def test_a_shells_word_of_a_signal_is_one(
    empty: Machine, tmp_path: Path, shell: tuple[str, ...], code: int
) -> None:
    with terminal(*shell, PS1="READY> ") as it:
        it.writes(b"READY> ")
        it.type(f"{RUN} {cloudquery(tmp_path, f'exit {code}')} sync\n".encode())
        it.writes(b"READY> ")
        it.type(b"exit $?\n")
        assert it.end() == code
        assert ASKED not in it.written
    assert recorded(empty) == 1


def test_a_job_in_the_background_is_neither_asked_nor_stopped(
    empty: Machine, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    with terminal(*shell, PS1="READY> ") as it:
        it.writes(b"READY> ")
        it.type(f"{RUN} {cloudquery(tmp_path, 'sleep 0.5')} sync &\n".encode())
        it.writes(b"READY> ")
        it.type(b"wait; echo ov''er; jobs\n")
        it.writes(b"over\r\n", b"READY> ")
        it.type(b"exit 0\n")
        assert it.end() == 0
        assert ASKED not in it.written
        assert b"Stopped" not in it.written
    assert recorded(empty) == 1


def test_an_outcome_tells_whether_it_came_of_itself() -> None:
    for code in (0, 1, 2, 64, 100, 128, 200, 255):
        assert Outcome(code, None, 0.0, 0).ended_by_itself, code
    for code in (129, 130, 143, 0xC000013A):
        assert not Outcome(code, None, 0.0, 0).ended_by_itself, code
    assert not Outcome(None, signal.SIGKILL, 0.0, 0).ended_by_itself
    assert not Outcome(0, None, 0.0, 0, interrupted=True).ended_by_itself


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(130)], ids=repr)
def test_a_program_of_ones_own_that_was_interrupted_is_not_asked(
    empty: Machine, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("cqtel_tui.tui.first_run.ask_if_due", lambda *given: asked.append(given))
    telemetry = Telemetry("cloudquery", version="1.0.0")
    with telemetry.operation("sync"):
        pass
    telemetry.ask()
    assert len(asked) == 1
    with pytest.raises(type(error)), telemetry.operation("sync"):
        raise error
    telemetry.ask()
    assert len(asked) == 1
    assert recorded(empty) == 2


def test_a_program_is_never_told_of_what_is_wrong_with_the_prompt(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry = Telemetry("cloudquery", version="1.0.0")
    with telemetry.operation("sync"):
        pass
    monkeypatch.setenv("CQ_TELEMETRY_HOME", "")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    telemetry.ask()
    monkeypatch.setitem(sys.modules, "cqtel_tui.tui.first_run", None)
    telemetry.ask()
