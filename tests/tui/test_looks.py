"""Colours mean one thing each, and letters are those that the terminal has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import cqtel_tui
from cqtel_tui.tui.letters import has_only_ascii, in_ascii

from .driving import Machine, ui
from .terminal import terminal

ROOM = Path(cqtel_tui.__file__).parent / "tui"
COLOURS = re.compile(r"\$(?:text-)?(?:success|warning|error|accent)\b")


def test_a_colour_is_named_only_where_its_meaning_is() -> None:
    naming = {
        path.name for path in ROOM.rglob("*.py") if COLOURS.search(path.read_text(encoding="utf-8"))
    }
    assert naming == {"looks.py"}


def test_amber_is_the_colour_of_a_risk_alone() -> None:
    for path in ROOM.rglob("*"):
        if path.suffix in {".py", ".tcss"} and path.name != "themes.py":
            text = path.read_text(encoding="utf-8")
            assert text.count("text-warning") == (path.name == "looks.py"), path
            assert "CARE" not in text or path.name == "looks.py", path


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LC_ALL": "C.UTF-8"}, False),
        ({"LC_ALL": "", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "de_DE.ISO-8859-15"}, True),
        ({"LC_ALL": "en_US.utf8", "LANG": "C"}, False),
        ({"LC_CTYPE": "C", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, False),
    ],
)
def test_a_terminal_has_the_letters_that_its_locale_says(
    environ: dict[str, str],
    expected: bool,
) -> None:
    assert has_only_ascii({"TERM": "xterm", **environ}) is expected


def test_a_text_in_ascii_is_as_long_as_it_was() -> None:
    assert in_ascii("╭─╮│✓ ×…→●▁█") == "+-+|+ x.>*_#"  # noqa: RUF001
    assert in_ascii("naïve") == "na?ve"


@pytest.mark.parametrize("variable", ["LC_ALL=C", "TERM=linux"])
def test_where_there_is_only_ascii_nothing_else_reaches_the_terminal(
    machine: Machine, variable: str
) -> None:
    machine.hold(b'{"\xc3\xa4": 1}')
    name, _, value = variable.partition("=")
    given: dict[str, Any] = {name: value}
    with terminal(**given) as it:
        it.shows("x failed", "+ ok")
        it.type(b"]]]?")
        it.shows("Keys of this screen")
        it.type(b"q")
        it.type(b"q")
        assert it.end() == 0
        assert it.written.isascii()


async def test_elsewhere_signs_are_drawn_as_they_are(machine: Machine) -> None:
    async with ui() as it:
        await it.shows("✓ ok", "╭──")
