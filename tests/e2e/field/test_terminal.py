"""What a user at a terminal meets: signals, keys, odd streams, shells, and nobody there."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ...tui.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .installing import Installed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

MODES = {b"1000", b"1003", b"1049"}
NOBODY_IS_THERE_AFTER = 60.0  # seconds, at most


@contextlib.contextmanager
def at_terminal(machine: Installed, command: Sequence[str], **more: str) -> Iterator[Terminal]:
    it = Terminal(100, 30)
    environment = {**machine.environment, "TERM": "xterm-256color", "HOME": str(machine.home)}
    try:
        it.start(command, environment | more, None)
        yield it
    finally:
        it.close()


def modes(it: Terminal, switch: bytes) -> set[bytes]:
    """Return which of the modes that hinder a shell were switched on, or off."""
    found = re.findall(rb"\x1b\[\?([\d;]+)" + switch, it.written)
    return MODES & {number for numbers in found for number in numbers.split(b";")}


def test_a_prompt_that_nobody_answers_ends_by_itself(machine: Installed) -> None:
    machine.answering("cloudquery", "echo ran")
    words = [str(word) for word in machine.command("run", "--", "cloudquery", "sync", "x")]
    with at_terminal(machine, words) as it:
        began = time.monotonic()
        it.until(lambda: MODES & modes(it, b"h") or "ran" in it.text, "the program")
        while it._read(0.5):
            assert time.monotonic() - began < NOBODY_IS_THERE_AFTER, it.text
        assert it.end() == 0
        assert it.echoes
    assert not (machine.config / "choices.json").exists()
    assert len(machine.envelopes()) == 1


def test_a_signal_to_end_gives_the_terminal_back(machine: Installed) -> None:
    with at_terminal(machine, machine.ui()) as it:
        it.shows("q Quit")
        assert modes(it, b"h") == MODES
        it.signal(signal.SIGTERM)
        assert it.end() == -signal.SIGTERM
        assert modes(it, b"l") == MODES
        assert it.echoes


def test_a_byte_that_is_no_utf_8_ends_nothing(machine: Installed) -> None:
    with at_terminal(machine, machine.ui()) as it:
        it.shows("q Quit")
        it.type(b"\xe9\x1b[M \xa0!")
        it.type(b"q")
        assert it.end() == 0
        assert b"Traceback" not in it.written


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_ctrl_z_suspends_and_fg_comes_back(machine: Installed) -> None:
    bash = ["bash", "--norc", "--noprofile", "-i"]
    with at_terminal(machine, bash, PS1="READY> ") as it:
        it.writes(b"READY> ")
        it.type(b"cq-telemetry-ui\n")
        it.writes(b"\x1b[?1000h", b"Quit")
        it.type(b"\x1a")
        it.writes(b"\x1b[?1000l", b"Stopped", b"READY> ")
        it.type(b"fg\n")
        it.writes(b"\x1b[?1000h", b"Quit")
        it.type(b"q")
        it.writes(b"READY> ")
        it.type(b"exit $?\n")
        assert it.end() == 0


@pytest.mark.parametrize(
    "line",
    [
        "PYTHONIOENCODING=cp1252 cq-telemetry-ui --keys >/dev/null",
        "PYTHONIOENCODING=ascii cq-telemetry-ui --keys >/dev/null",
        "cq-telemetry-ui --keys | true",
        "cq-telemetry-ui --keys >&-",
        "cq-telemetry-ui --plain </dev/null >/dev/full",
        "PYTHONIOENCODING=ascii cq-telemetry-ui --plain </dev/null >/dev/null",
    ],
)
def test_no_stream_makes_a_traceback(machine: Installed, line: str) -> None:
    ended = machine.sh(line)
    assert "Traceback" not in ended.said
    assert "Error" not in ended.said
    if "/dev/full" in line:
        assert ended.code != 0
        assert "No space left on device" in ended.said


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_the_completion_for_zsh_needs_no_compinit(machine: Installed) -> None:
    ended = machine.sh("""zsh -f -c 'eval "$(cq-telemetry completion zsh)"; echo rc=$?'""")
    assert (ended.lines, ended.said) == (["rc=0"], "")
