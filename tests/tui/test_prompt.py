"""The first-run prompt: under the command that has just run, and only an answer is an answer."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Button

from cqtel_tui.actions.question import WAIT_AT_MOST, WAIT_UNTOUCHED, Answer, Question, words
from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.review.destination import to_endpoint
from cqtel_tui.tui.first_run import latest
from cqtel_tui.tui.prompt import Prompt

from .hostile import CONTROLS, PAYLOADS
from .terminal import Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from .driving import Machine

keys = pytest.mark.keys
in_terminal = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

PATIENCE = 20.0  # seconds, for a machine under load
TITLE = "Nothing was sent. Send it?"


def question(machine: Machine, **other: str) -> Question:
    found = latest(machine.places)
    assert found is not None
    to = to_endpoint(other.get("endpoint"))
    outlook = replace(found.outlook, endpoint=to.url, bound={to: found.pending}, listed={})
    return replace(found, outlook=outlook)


@contextlib.asynccontextmanager
async def prompt(asked: Question, *, patient: bool = True) -> AsyncIterator[Pilot[Answer]]:
    app = Prompt(asked)
    app.ANSWERS_AFTER_SECONDS = 0.001 if patient else 3600.0  # type: ignore[misc]
    async with app.run_test(size=(80, 16)) as pilot:
        await pilot.pause(0.02 if patient else None)
        yield pilot


def latest_of(machine: Machine) -> Question:
    """Return the question as it is asked."""
    found = latest(machine.places)
    assert found is not None
    return found


def unwrapped(shown: str) -> str:
    return " ".join(line.strip("│ ") for line in shown.splitlines())


def text(pilot: Pilot[Answer]) -> str:
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips)


@keys(
    "prompt.refuse", "prompt.once", "prompt.allow", "prompt.allow_and_send", "prompt.show",
    "prompt.later", "prompt.later_keys",
)  # fmt: skip
@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("n", Answer.REFUSE), ("o", Answer.ONCE), ("a", Answer.ALLOW), ("s", Answer.ALLOW_AND_SEND),
        ("v", Answer.SHOW), ("l", Answer.LATER), ("escape", Answer.LATER),
        ("ctrl+c", Answer.LATER), ("ctrl+d", Answer.LATER), ("ctrl+q", Answer.LATER),
        ("enter", None), ("space", None), ("y", None), ("A", None), ("down", None),
    ],
)  # fmt: skip
async def test_one_key_each_and_nothing_else(
    machine: Machine, key: str, answer: Answer | None
) -> None:
    async with prompt(question(machine)) as pilot:
        await pilot.press(key)
        assert pilot.app.return_value is answer


async def test_every_answer_can_be_clicked_and_none_has_the_focus(machine: Machine) -> None:
    for answer in Answer:
        async with prompt(question(machine)) as pilot:
            assert not isinstance(pilot.app.focused, Button)
            buttons = list(pilot.app.query(Button))
            widths = [button.size.width for button in buttons]
            assert max(widths) - min(widths) <= 1, "no answer weighs more than another"
            assert len({button.variant for button in buttons}) == 1
            assert await pilot.click(f"#answer-{answer.value}")
            assert pilot.app.return_value is answer


async def test_what_was_typed_too_early_is_no_answer(machine: Machine) -> None:
    async with prompt(question(machine), patient=False) as pilot:
        assert "always, from now on" not in text(pilot)
        await pilot.press("a", "s", "n", "v", "enter")
        assert pilot.app.return_value is None
        await pilot.press("escape")
        assert pilot.app.return_value is Answer.LATER


async def test_a_resize_is_no_answer_and_answers_count_a_moment_later(machine: Machine) -> None:
    async with prompt(question(machine)) as pilot:
        app = pilot.app
        assert isinstance(app, Prompt)
        app.ANSWERS_AFTER_SECONDS = 3600.0  # type: ignore[misc]
        await pilot.resize_terminal(100, 16)
        await pilot.press("a")
        assert app.is_running
        assert app.return_value is None
        app._take_answers_again()
        await pilot.press("a")
        assert app.return_value is Answer.ALLOW


async def test_a_small_terminal_shows_the_fields_that_identify_most(machine: Machine) -> None:
    app = Prompt(question(machine))
    app.ANSWERS_AFTER_SECONDS = 0.001  # type: ignore[misc]
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.pause(0.02)
        shown = text(pilot)
        assert "Nothing identifies you but" in shown
        assert "startTimeUnixNano" in shown
        assert "endTimeUnixNano" in shown


async def test_in_twelve_lines_it_says_what_identifies_most_and_what_goes_where(
    machine: Machine,
) -> None:
    async with prompt(latest_of(machine)) as pilot:
        lines = text(pilot).rstrip().splitlines()
        assert len(lines) == 12
        told = unwrapped(text(pilot))
    assert "Nothing was sent. Send it?" in told
    assert all(name in told for name in ("startTimeUnixNano", "endTimeUnixNano"))
    assert "5 payloads, and what is recorded from now on, stay here" in told
    assert all(word in told for word in ("n never", "o once", "a always", "v review", "l later"))


class Clock:
    """A clock that goes on only when it is told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def until(pilot: Pilot[Answer], condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, text(pilot)
        await pilot.pause(0.01)


async def test_without_an_answer_it_is_decided_later(machine: Machine) -> None:
    clock = Clock()
    app = Prompt(question(machine), clock)
    app.LOOKS_AT_CLOCK_EVERY_SECONDS = 0.001  # type: ignore[misc]
    async with app.run_test(size=(100, 16)) as pilot:
        assert "Decide later in" not in text(pilot)
        clock.now += WAIT_UNTOUCHED - 4.5
        await until(pilot, lambda: "Decide later in 5 s" in text(pilot))
        await pilot.press("down")
        await until(pilot, lambda: "Decide later in" not in text(pilot))
        clock.now += WAIT_UNTOUCHED - 1
        await until(pilot, lambda: "Decide later in 1 s" in text(pilot))
        await pilot.press("down")
        clock.now = 1_000 + WAIT_AT_MOST + 0.1
        await until(pilot, lambda: app.return_value is Answer.LATER)
    assert WAIT_UNTOUCHED < WAIT_AT_MOST <= 60


async def test_it_shows_the_real_payload_and_where_it_would_go(machine: Machine) -> None:
    url = "https://collector.example/v1/traces"
    async with prompt(question(machine, endpoint=url)) as pilot:
        shown = text(pilot)
        assert "cloudquery recorded this run." in shown
        assert "A tables by cloudquery 6.21.1 succeeded" in shown
        assert "service.version" in shown
        assert "what is recorded from now on, go to collector.example (your" in unwrapped(shown)
        assert "always, and these 5" in shown
        await pilot.press("end")
        await pilot.pause()
        assert f"{url} (your endpoint)" in unwrapped(text(pilot))
    async with prompt(question(machine)) as pilot:
        told = unwrapped(text(pilot))
        assert "5 payloads, and what is recorded from now on, stay here" in told


async def test_no_word_is_cut_off_where_it_is_narrow(machine: Machine) -> None:
    url = "https://collector.example/" + "x" * 60
    app = Prompt(question(machine, endpoint=url))
    app.ANSWERS_AFTER_SECONDS = 0.001  # type: ignore[misc]
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.pause(0.02)
        shown = text(pilot)
        for answer, meaning in words(app.question).items():
            assert f"{answer.value} {meaning}" in shown
        assert "go to collector.example (your endpoint)" in unwrapped(shown)
        assert "its own reports go to analytics-events.cloudquery.io." in unwrapped(shown)
        assert "succeeded" in shown, "the payload is seen, too"
        await pilot.press("end")
        await pilot.pause()
        told = re.sub("[▁-█ ]", "", unwrapped(text(pilot)))  # without the scrollbar
        assert f"{url}(yourendpoint)." in told
        assert "https://analytics-events.cloudquery.io(theprogram'sown)." in told


@pytest.mark.parametrize("name", PAYLOADS)
async def test_a_payload_may_hold_anything(empty: Machine, name: str) -> None:
    empty.hold(PAYLOADS[name], app="[nope]")
    async with prompt(question(empty)) as pilot:
        assert not CONTROLS.search(text(pilot).replace("\n", ""))
        await pilot.press("end")
        assert not CONTROLS.search(text(pilot).replace("\n", ""))


# In a real terminal -------------------------------------------------------------------------------


@contextlib.contextmanager
def asked(tmp_path: Path, *options: str, size: tuple[int, int] = (80, 30)) -> Iterator[Terminal]:
    """Ask in a terminal, with stdout going elsewhere; that must stay empty."""
    out = tmp_path / "stdout"
    handle = os.open(out, os.O_WRONLY | os.O_CREAT)
    try:
        with terminal(*options, "--consent", size=size, stdout=handle) as it:
            yield it
    finally:
        os.close(handle)
    assert out.read_bytes() == b""


@in_terminal
@pytest.mark.parametrize(
    ("key", "telemetry", "said"),
    [
        (b"n", "off", "telemetry of cloudquery is off"),
        (b"a", "on", "telemetry of cloudquery is on from now on"),
        (b"s", "on", "telemetry of cloudquery is on"),
        (b"l", None, "nothing was decided or sent"),
        (b"\x1b", None, "nothing was decided or sent"),
        (b"\x03", None, "nothing was decided or sent"),
        (b"\x04", None, "nothing was decided or sent"),
    ],
    ids=["no", "yes", "send", "later", "escape", "ctrl+c", "ctrl+d"],
)
def test_an_answer_is_saved_and_what_it_comes_to_is_said(
    machine: Machine, tmp_path: Path, key: bytes, telemetry: str | None, said: str
) -> None:
    with asked(tmp_path) as it:
        it.shows(TITLE, "service.version", "l later")
        it.type(b"\r \x1b[B")
        it.type(key)
        assert it.end() == 0
        assert said in it.text.replace("\n", "")
        assert TITLE not in it.text, "the prompt is cleared away"
        assert it.screen.cursor.hidden is False
    assert machine.chosen.telemetry == telemetry
    assert machine.choices.exists() is (telemetry is not None)
    if telemetry == "on":
        assert machine.chosen.catalogue == CATALOGUE_VERSION
        assert len(machine.included) == (5 if key == b"s" else 0)
    assert len(machine.labels()) == 5


@in_terminal
def test_what_was_typed_before_the_question_is_no_answer(machine: Machine, tmp_path: Path) -> None:
    with asked(tmp_path) as it:
        it.type(b"aaaasss")
        it.shows(TITLE, "l later")
        it.type(b"l")
        assert it.end() == 0
    assert not machine.choices.exists()


@in_terminal
def test_show_me_everything_opens_the_whole_ui(machine: Machine, tmp_path: Path) -> None:
    with asked(tmp_path, size=(130, 40)) as it:
        it.shows(TITLE, "l later")
        it.type(b"v")
        it.shows("1 Pending 5", "q Quit", "The program")
        assert max(map(len, it.text.split("\n"))) == 130, "stdout does not tell the size"
        it.type(b"q")
        assert it.end() == 0
    assert not machine.choices.exists()


@in_terminal
def test_a_resize_or_a_closed_terminal_is_no_answer(machine: Machine, tmp_path: Path) -> None:
    with asked(tmp_path) as it:
        it.shows(TITLE, "l later")
        it.resize(100, 40)
        it.resize(70, 24)
        it.type(b"l")
        assert it.end() == 0
        assert "nothing was decided or sent" in it.text.replace("\n", "")
    with asked(tmp_path) as it:
        it.shows(TITLE, "l later")
        it.hang_up()
    assert not machine.choices.exists()
    assert len(machine.labels()) == 5


@in_terminal
@pytest.mark.parametrize(
    ("options", "size"), [((), (50, 30)), ((), (80, 10)), (("--plain",), (80, 30))],
    ids=["narrow", "low", "plain"],
)  # fmt: skip
def test_where_there_is_no_room_or_on_request_it_is_asked_line_by_line(
    machine: Machine, tmp_path: Path, options: tuple[str, ...], size: tuple[int, int]
) -> None:
    with asked(tmp_path, *options, size=size) as it:
        it.shows("Your answer, one letter")
        assert b"\x1b" not in it.written, "nothing is drawn"
        it.type(b"\n")
        assert it.end() == 0
        assert "nothing was decided or sent" in it.text.replace("\n", "")
    with asked(tmp_path, *options, size=size) as it:
        it.shows("Your answer, one letter")
        it.type(b"\x03")
        assert it.end() == 0
    assert not machine.choices.exists()
    with asked(tmp_path, *options, size=size) as it:
        it.shows("Your answer, one letter")
        it.type(b"n\n")
        assert it.end() == 0
    assert machine.chosen.telemetry == "off"


@in_terminal
def test_when_nothing_is_held_there_is_nothing_to_ask(empty: Machine, tmp_path: Path) -> None:
    with asked(tmp_path) as it:
        assert it.end() == 1
        assert "nothing is pending" in it.text


@in_terminal
def test_choices_that_cannot_be_saved_are_told_of(machine: Machine, tmp_path: Path) -> None:
    machine.choices.write_text("{")
    with asked(tmp_path) as it:
        it.shows(TITLE, "l later")
        it.type(b"n")
        assert it.end() == 1
        assert "left as it is" in it.text.replace("\n", "")
        assert b"Traceback" not in it.written
    assert machine.choices.read_text() == "{"


RECORDS = """
from cqtel_tui import Telemetry
print("before")
with Telemetry("demo-program").operation("fetch"):
    print("between")
print("after")
"""


@in_terminal
def test_a_program_that_records_is_not_kept_waiting(empty: Machine) -> None:
    with terminal(sys.executable, "-c", RECORDS) as it:
        assert it.end() == 0
        assert it.written == b"before\r\nbetween\r\nafter\r\n"
    assert len(empty.labels()) == 1
