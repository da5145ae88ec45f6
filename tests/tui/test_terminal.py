"""The UI in a real terminal: it draws, it leaves, and a payload never gets at the terminal."""

from __future__ import annotations

import signal as signals
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.tui.views import CROSS

from .driving import environment, program
from .hostile import PAYLOADS
from .terminal import UI, terminal

if TYPE_CHECKING:
    from pathlib import Path

    from .driving import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

ALTERNATE_SCREEN, LEFT_IT = b"\x1b[?1049h", b"\x1b[?1049l"
PROGRAM = "import cqtel_tui.__main__ as m, sys; sys.exit(m.main({}))"


def test_it_takes_the_whole_screen_and_gives_it_back(machine: Machine) -> None:
    with terminal() as it:
        it.shows("UNDECIDED", "tables", "q Quit", "The program")
        assert ALTERNATE_SCREEN in it.written
        it.type(b"4")
        it.shows("Policy sources")
        it.type(b"q")
        assert it.end() == 0
        assert LEFT_IT in it.written
        assert it.screen.cursor.hidden is False


def test_the_demonstration_leaves_nothing_behind(empty: Machine, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with terminal("--demo", "--screen", "cookie", TMPDIR=str(temporary)) as it:
        it.shows("DEMO", "The installation ID of this directory", "present", "cqtel-demo-")
        assert len(list(temporary.iterdir())) == 1
        it.type(b"1")
        it.shows("validate-config", "The program")
        it.type(b"X")
        it.shows("Delete 8 payloads")
        it.type(b"y")
        it.shows("Nothing is pending.")
        it.type(b"q")
        assert it.end() == 0
    assert list(temporary.iterdir()) == []
    assert not empty.outbox.folder.exists()


def test_a_demonstration_that_was_killed_is_cleaned_up_by_the_next(
    empty: Machine, tmp_path: Path
) -> None:
    del empty
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    others = temporary / "cqtel-demo-mine"
    others.mkdir()
    for _ in range(2):
        with terminal("--demo", TMPDIR=str(temporary)) as it:
            it.shows("validate-config")
            it.signal(signals.SIGKILL)
            assert it.end() == -signals.SIGKILL
        assert len(list(temporary.iterdir())) == 2
    with terminal("--demo", TMPDIR=str(temporary)) as it:
        it.shows("validate-config")
        it.type(b"q")
        assert it.end() == 0
    assert list(temporary.iterdir()) == [others]


@pytest.mark.parametrize("missing", ["stdin", "stderr", "dumb"])
def test_without_a_terminal_it_says_what_to_do_instead(empty: Machine, missing: str) -> None:
    if missing == "dumb":
        with terminal(TERM="dumb") as it:
            assert it.end() == 1
            assert b"--plain" in it.written
        return
    arguments = [*UI, "--demo"]
    ended = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL if missing == "stdin" else None,
        stderr=subprocess.PIPE,
        check=False,
        timeout=20,
        env=environment(),
    )
    assert ended.returncode == 1
    assert b"needs a terminal" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("signal", [None, b"\x11"], ids=["hang up", "ctrl+q"])
def test_it_ends_when_the_terminal_does(machine: Machine, signal: bytes | None) -> None:
    with terminal() as it:
        it.shows("The program", "q Quit")
        if signal is None:
            it.hang_up()
        else:
            it.type(signal)
            assert it.end() == 0
    assert not machine.choices.exists()
    assert len(machine.labels()) == 5


FORBIDDEN = [
    b"\x1b]52;c;cm0g", b"\x1b]0;", b"\x1b]1;", b"\x1b]2;", b"\x1b]8;;https://evil", b"\x1b[31mred",
    b"\x1b[2J\x1b[1;1H", b"\x1bPq", b"\x07evil", b"\r\x08",
    "\x9b2J".encode(), "\x9d0;".encode(), "\u202e".encode(), "\u2066".encode(), "\u200b".encode(),
    "\U000e0068".encode(), ("\u0301" * 5).encode(),
]  # fmt: skip
"""What the attacks would have a terminal do, and what Textual itself never writes."""


def test_no_byte_of_an_attack_reaches_the_terminal(empty: Machine) -> None:
    for name in ("not json", "not utf-8", "everywhere"):
        empty.hold(PAYLOADS[name], operation="hostile")
    with terminal(size=(100, 40)) as it:
        it.shows("hostile", "args=[/usr/bin]")
        for keys, text in [
            (b"]", "sha256"), (b"v", "Byte for byte"), (b"]", "its times are unknown"),
            (b"]", "Checked for"), (b"]", "Debug mode"), (b"]G", "Cannot read this"),
            (b"]", "sha256"), (b"4", "Policy sources"), (b"7", "There is no file"),
            (b"1x", "Delete 1 payload"), (b"y", "u undoes it"),
        ]:  # fmt: skip
            it.type(keys)
            it.shows(text)
        it.type(b"q")
        assert it.end() == 0
        assert it.screen.title == it.screen.icon_name == ""
        for sequence in FORBIDDEN:
            assert sequence not in it.written, sequence


def test_a_copy_is_written_to_the_clipboard_only_when_it_is_asked_for(empty: Machine) -> None:
    empty.hold(PAYLOADS["everywhere"])
    with terminal() as it:
        it.shows("sync")
        assert b"\x1b]52" not in it.written
        it.type(b"y")
        it.shows("Copied")
        assert it.written.count(b"\x1b]52;c;") == 1
        it.type(b"q")
        assert it.end() == 0


@pytest.mark.parametrize("variable", ["PAGER", "EDITOR"])
def test_e_lends_the_terminal_to_an_editor_and_comes_back(
    machine: Machine, tmp_path: Path, variable: str
) -> None:
    seen = tmp_path / "seen"
    editor = program(
        tmp_path, "my editor", f'cp "$2" {seen}', f'ls -l "$2" > {seen}.mode', "echo EDITING",
        "read answer",
    )  # fmt: skip
    chosen: dict[str, Any] = {variable: f"'{editor}' --option"}
    with terminal(**chosen) as it:
        it.shows("The program")
        it.type(b"je")
        it.shows("EDITING")
        assert LEFT_IT in it.written
        it.type(b"\n")
        it.shows("The program", "q Quit")
        it.type(b"q")
        assert it.end() == 0
    assert seen.read_bytes() == machine.payloads()[1]
    assert (tmp_path / "seen.mode").read_text().startswith("-r--------")


keys = pytest.mark.keys
HOSTILE = b'{"x":"\x1b]0;owned\x07\x1b]52;c;aGk=\x07\x9b2J\xe2\x80\xae"}'


@pytest.mark.parametrize("variable", ["PAGER", "EDITOR"])
def test_a_pager_that_only_writes_reaches_neither_title_nor_clipboard(
    empty: Machine, variable: str
) -> None:
    empty.hold(HOSTILE)
    chosen: dict[str, Any] = {variable: "cat"}
    with terminal(**chosen) as it:
        it.shows("sync")
        it.type(b"e")
        it.until(lambda: b"]0;owned" in it.written, "the copy")
        it.type(b"E")
        it.shows("no editor")
        assert b"\x1b]0;owned" not in it.written
        assert b"\x1b]52" not in it.written
        assert "\u202e".encode() not in it.written
        it.type(b"q")
        assert it.end() == 0


@keys("box.bytes")
def test_an_editor_is_given_the_exact_bytes_where_they_are_asked_for(
    empty: Machine, tmp_path: Path
) -> None:
    empty.hold(HOSTILE)
    seen = tmp_path / "seen"
    editor = program(tmp_path, "editor", f'cp "$1" {seen}', "echo EDITING", "read answer")
    with terminal(VISUAL=str(editor), PAGER="cat") as it:
        it.shows("sync")
        it.type(b"E")
        it.shows("EDITING")
        it.type(b"\n")
        it.shows("sync", "q Quit")
        it.type(b"q")
        assert it.end() == 0
    assert seen.read_bytes() == HOSTILE


def test_an_editor_that_is_not_there_is_told_of(machine: Machine) -> None:
    with terminal(EDITOR="/no/such/editor") as it:
        it.shows("The program")
        it.type(b"e")
        it.shows("/no/such/editor cannot be opened")
        it.type(b"q")
        assert it.end() == 0


def test_no_color_has_no_colour_and_says_all_in_words(machine: Machine) -> None:
    with terminal(NO_COLOR="1") as it:
        it.shows("UNDECIDED", f"{CROSS} failed", "The program")
        colours = {cell.fg for line in it.screen.buffer.values() for cell in line.values()}
        it.type(b"q")
        assert it.end() == 0
    greys = {"default", "black", "white"}
    assert all(c in greys or len({c[:2], c[2:4], c[4:]}) == 1 for c in colours), colours


def test_all_keys_can_be_printed_anywhere(empty: Machine) -> None:
    ended = subprocess.run(
        [*UI, "--keys"], stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True
    )
    assert "| everywhere | `q` `ctrl+c` | Leave | `app.quit` |" in ended.stdout


def test_importing_for_help_does_not_import_textual(empty: Machine) -> None:
    code = PROGRAM.format("['--help']")
    check = f"import atexit, sys; atexit.register(lambda: print('textual' in sys.modules)); {code}"
    ended = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, check=True, text=True
    )
    assert ended.stdout.strip().endswith("False")


def test_a_current_directory_that_is_gone_is_told_of(empty: Machine, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = program(tmp_path, "there", f"cd {gone}", f"rmdir {gone}", f"exec {' '.join(UI)}")
    with terminal(str(script)) as it:
        assert it.end() == 1
        assert b"The current directory cannot be read" in it.written
        assert b"Traceback" not in it.written
