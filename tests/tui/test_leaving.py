"""However the UI ends, or is stopped, the terminal is as it was before; no byte ends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .driving import program
from .terminal import UI, Terminal, modes_left_on, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .driving import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

keys = pytest.mark.keys

BASH = shutil.which("bash")
MOST_COMPUTED = 5.0
"""Seconds of processor time for a paste, which once took eight."""
FACES = {"ui": (), "prompt": ("--consent",)}
SHOWS = {"ui": "The program", "prompt": "from now on"}
WRITES = {"ui": b"The program", "prompt": b"Send it?"}
NO_UTF_8 = {
    "latin 1": b"\xe9",
    "8-bit meta": b"\xf1",
    "a lone continuation": b"\x80",
    "several": b"\xff\xfe\xfd\xc0\xaf",
    "half a character": b"\xe2\x82",
    "a surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "an old mouse's": b"\x1b[M \xa0!",
    "within an escape": b"\x1b[\xe9A",
    "an 8-bit CSI": b"\x9b1;2R",
}


@contextlib.contextmanager
def face(name: str) -> Iterator[Terminal]:
    with terminal(*FACES[name]) as it:
        it.shows(SHOWS[name])
        assert not it.echoes
        yield it


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("number", ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"])
def test_a_signal_ends_it_as_any_program_and_gives_the_terminal_back(
    machine: Machine, name: str, number: str
) -> None:
    with face(name) as it:
        it.signal(getattr(signal, number))
        assert it.end() == -getattr(signal, number)
        assert it.echoes
        assert modes_left_on(it) == set()
        assert it.screen.cursor.hidden is False
        assert b"Traceback" not in it.written
    assert not machine.choices.exists()


def test_a_signal_that_was_ignored_stays_so(machine: Machine, tmp_path: Path) -> None:
    script = program(tmp_path, "nohup", "trap '' HUP", f"exec {' '.join(UI)}")
    with terminal(str(script)) as it:
        it.shows("The program")
        it.signal(signal.SIGHUP)
        it.type(b"4")
        it.shows("Policy sources")
        it.type(b"q")
        assert it.end() == 0


def test_what_holds_the_end_up_does_not_hold_the_terminal(machine: Machine) -> None:
    code = (
        "import time, cqtel_tui.__main__ as m, cqtel_tui.tui.app as a\n"
        "a.TelemetryApp._look_around = lambda self: time.sleep(3600)\n"
        "a.LOOK_EVERY_SECONDS = 0.1\n"
        "raise SystemExit(m.main([]))"
    )
    with terminal(sys.executable, "-c", code) as it:
        it.shows("q Quit")
        time.sleep(0.3)  # until it hangs; if it does not yet, it ends all the sooner
        it.signal(signal.SIGTERM)
        assert it.end() in {-signal.SIGTERM, 128 + signal.SIGTERM}
        assert it.echoes
        assert modes_left_on(it) == set()


def test_a_killed_demonstration_takes_its_folder_along(empty: Machine, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with terminal("--demo", TMPDIR=str(temporary)) as it:
        it.shows("DEMO", "The program")
        it.signal(signal.SIGTERM)
        assert it.end() == -signal.SIGTERM
    assert list(temporary.iterdir()) == []


@keys("app.suspend")
@pytest.mark.parametrize("name", FACES)
@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_ctrl_z_stops_it_and_fg_comes_back(machine: Machine, name: str) -> None:
    assert BASH is not None
    with terminal(BASH, "--norc", "--noprofile", "-i", size=(120, 30), PS1="READY> ") as it:
        it.writes(b"READY> ")
        it.type(f"{' '.join((*UI, *FACES[name]))}\n".encode())
        for _ in range(2):
            it.writes(b"\x1b[?1000h", WRITES[name])
            it.type(b"\x1a")
            it.writes(b"\x1b[?1000l", b"Stopped", b"READY> ")
            assert modes_left_on(it) <= {2004}, "bash has a mode of its own"
            it.type(b"echo $((6*7))\n")
            it.writes(b"42", b"READY> ")
            it.type(b"fg\n")
        it.writes(b"\x1b[?1000h", WRITES[name])
        it.type(b"q" if name == "ui" else b"l")
        it.writes(b"READY> ")
        it.type(b"exit $?\n")
        assert it.end() == 0


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_what_stopped_it_unasked_leaves_it_whole(machine: Machine) -> None:
    assert BASH is not None
    with terminal(BASH, "--norc", "--noprofile", "-i", size=(120, 30), PS1="READY> ") as it:
        it.writes(b"READY> ")
        it.type(f"{' '.join(UI)}\n".encode())
        it.writes(b"\x1b[?1000h", WRITES["ui"])
        os.kill(it.foreground, signal.SIGSTOP)
        it.writes(b"Stopped", b"READY> ")
        it.type(b"fg\n")
        it.writes(b"\x1b[?1000h", WRITES["ui"])
        assert not it.echoes
        it.type(b"q")
        it.writes(b"READY> ")
        it.type(b"exit $?\n")
        assert it.end() == 0


def test_ctrl_z_without_a_shell_stops_nothing(machine: Machine) -> None:
    with face("ui") as it:
        it.type(b"\x1a")
        it.shows("There is no shell to go back to")
        it.type(b"q")
        assert it.end() == 0


@pytest.mark.parametrize("name", FACES)
def test_a_byte_that_is_no_utf_8_is_left_out(machine: Machine, name: str) -> None:
    with face(name) as it:
        for sent in NO_UTF_8.values():
            it.type(sent)
            it.type(b"\x1b[B")
        it.type("\N{EURO SIGN}".encode()[:1])
        it.type("\N{EURO SIGN}".encode()[1:])
        it.type(b"4" if name == "ui" else b"l")
        if name == "ui":
            it.shows("Policy sources")
            it.type(b"q")
        assert it.end() == 0
        assert b"Traceback" not in it.written
    assert not machine.choices.exists()


@pytest.mark.parametrize("where", ["a handler", "the keyboard"])
@pytest.mark.parametrize("name", FACES)
def test_a_traceback_is_no_success(machine: Machine, name: str, where: str) -> None:
    crash = {
        "a handler": "import cqtel_tui.tui.widgets.lines as w; w.Lines.show = {}",
        "the keyboard": "import cqtel_tui.tui.drivers as w; w.Keyboard.tick = {}",
    }[where].format("lambda *a, **k: 1 / 0")
    code = f"{crash}\nimport cqtel_tui.__main__ as m\nraise SystemExit(m.main({[*FACES[name]]!r}))"
    with terminal(sys.executable, "-c", code) as it:
        assert it.end() == 1
        assert it.echoes
        assert modes_left_on(it) == set()
        assert b"ZeroDivisionError" in it.written
    assert not machine.choices.exists()


@pytest.mark.parametrize("name", FACES)
def test_a_terminal_that_goes_away_ends_it(machine: Machine, name: str) -> None:
    with face(name) as it:
        assert it.hang_up() != 0
    assert not machine.choices.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells it in /proc")
def test_a_paste_is_a_text_and_holds_nothing_up(machine: Machine) -> None:
    with face("ui") as it:
        it.type(b"/")
        it.shows("enter Apply")
        began = it.computed()
        it.type(b"\x1b[200~" + b"\x1b[A\x1bq\x1b[1;2Rx\xff" * 2_000 + b"\x1b[201~")
        it.shows("Nothing matches")
        assert it.computed() - began < MOST_COMPUTED
        it.type(b"\x1b")
        it.until(lambda: "enter Apply" not in it.text, "the list")
        it.type(b"q")
        assert it.end() == 0
