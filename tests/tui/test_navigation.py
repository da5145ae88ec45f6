"""Screens, mouse, help, palette, key map, sizes: what is the same everywhere."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from textual import events
from textual.command import CommandPalette

from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui.keys import bindings
from cqtel_tui.tui.screens.asking import Ask
from cqtel_tui.tui.screens.help import Help
from cqtel_tui.tui.screens.modal import Modal
from cqtel_tui.tui.screens.room import ROOMS
from cqtel_tui.tui.screens.trimming import Trimming
from cqtel_tui.tui.widgets.lines import Lines

from .driving import ui

if TYPE_CHECKING:
    from ..deliver.collectors import Collector
    from .driving import Machine

keys = pytest.mark.keys


@keys(
    "room.pending", "room.sent", "room.rejected", "room.choices", "room.cookie", "room.stored",
    "room.files",
)  # fmt: skip
async def test_every_screen_is_reached_by_its_number_and_by_a_click(machine: Machine) -> None:
    async with ui() as it:
        for at, room in enumerate(ROOMS, 1):
            await it.press(str(at))
            assert it.room == room
            assert " UNDECIDED " in it.text.split("\n")[0], "consent is always in sight"
        for room, name in ROOMS.items():
            await it.click("#rooms", it.text.split("\n")[1].index(name))
            assert it.room == room


@keys("app.quit")
@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_q_leaves(machine: Machine, key: str) -> None:
    async with ui() as it:
        await it.press(key)
        assert it.app.return_code == 0


async def test_the_keys_below_can_be_clicked(machine: Machine) -> None:
    async with ui() as it:
        await it.click_key("Drop")
        await it.press("y")
        await it.until(lambda: len(machine.labels()) == 4)
        await it.click_key("Help")
        assert isinstance(it.app.screen, Help)


@pytest.mark.parametrize(("button", "left"), [("answer-n", 5), ("answer-y", 4)])
async def test_an_answer_can_be_clicked(machine: Machine, button: str, left: int) -> None:
    async with ui() as it:
        await it.press("x")
        await it.click(f"#{button}", 3)
        await it.until(lambda: it.room == "pending" and len(machine.labels()) == left)


@keys("app.help", "help.back")
async def test_help_lists_the_keys_of_the_screen(machine: Machine) -> None:
    async with ui("sent", size=(100, 70)) as it:
        for key in ("escape", "question_mark", "q"):
            await it.press("question_mark")
            assert isinstance(it.app.screen, Help)
            await it.press(key)
            assert it.room == "sent"
        await it.press("question_mark")
        await it.shows(
            "Recompute the SHA-256", "Allow telemetry", "List only what matches", "Esc goes back"
        )


async def test_help_names_no_key_twice(machine: Machine) -> None:
    for room in "1234567":
        async with ui(size=(100, 60)) as it:
            await it.press(room, "question_mark")
            await it.until(lambda it=it: isinstance(it.app.screen, Help))  # type: ignore[misc]
            for line in it.app.screen.query_one("#keys", Lines).text.splitlines():
                named = line[:17].split()
                assert len(named) == len(set(named)), line


@pytest.mark.parametrize("key", ["escape", "q", "ctrl+c"])
@pytest.mark.parametrize("opening", ["question_mark", "t", "d", "x", "f"])
async def test_whatever_lies_above_is_left_by_the_same_keys(
    machine: Machine, opening: str, key: str
) -> None:
    before = len(machine.payloads())
    async with ui() as it:
        await it.press(opening)
        await it.until(lambda: isinstance(it.app.screen, Modal), opening)
        await it.press(key)
        await it.until(lambda: it.room == "pending", "the list")
        assert it.app.is_running
    assert len(machine.payloads()) == before
    assert not machine.choices.exists()


@keys("lines.down", "lines.up", "lines.top", "lines.bottom", "lines.page_down", "lines.page_up")
async def test_a_text_scrolls_by_vim_keys(machine: Machine) -> None:
    async with ui("stored") as it:
        text = it.app.screen.query_one("#stored-text")
        assert text.has_focus
        page = text.scrollable_content_region.height
        for key, at in [
            ("j", 1), ("j", 2), ("k", 1), ("ctrl+d", 1 + page), ("ctrl+u", 1), ("g", 0),
            ("G", text.max_scroll_y), ("g", 0), ("pagedown", page), ("home", 0),
        ]:  # fmt: skip
            await it.press(key)
            await it.until(lambda at=at: text.scroll_offset.y == at, f"line {at}")  # type: ignore[misc]


async def test_the_palette_has_every_action_and_runs_it(machine: Machine) -> None:
    async with ui() as it:
        offered = {command.title: command for command in it.app.get_system_commands(it.app.screen)}
        shown = {active.binding.id for active in it.app.screen.active_bindings.values()}
        for place, binding in bindings():
            if binding.id in shown:
                assert binding.description in offered, (place, binding)
        await it.press("ctrl+p")
        assert isinstance(it.app.screen, CommandPalette)
        await it.type("drop")
        await it.until(lambda: "Delete the marked" in it.text)
        await it.press("enter")
        await it.answer("y")
        await it.until(lambda: len(machine.labels()) == 4)


async def test_a_theme_is_chosen_in_the_palette(machine: Machine) -> None:
    async with ui() as it:
        assert any(c.title == "Theme" for c in it.app.get_system_commands(it.app.screen))
        for theme in ("textual-light", "ansi-dark"):
            it.app.theme = theme
            await it.pilot.pause()
        await it.shows("tables")


async def test_too_small_says_so(machine: Machine) -> None:
    async with ui(size=(59, 24)) as it:
        for size in [(59, 24), (80, 19), (10, 3), (1, 1)]:
            await it.pilot.resize_terminal(*size)
            await it.until(lambda: "Telemetry" not in it.text)
            if size > (30, 3):
                await it.shows("too small", "60 columns and 20 lines", "q leaves")
            await it.pilot.resize_terminal(60, 20)
            await it.shows("UNDECIDED", "tables")
        await it.pilot.resize_terminal(1, 1)
        await it.press("q")
        assert it.app.return_code == 0


async def test_nothing_can_be_sent_or_answered_unseen(machine: Machine) -> None:
    async with ui(size=(30, 20)) as it:
        await it.press("x", "y", "X", "y", "t", "o", "n", "d", "y")
        await it.pilot.resize_terminal(80, 24)
        await it.press("x")
        assert "Delete 1 payload" in it.question
        await it.pilot.resize_terminal(80, 19)
        await it.shows("too small", "Esc goes back")
        assert "Delete" not in it.text
        await it.press("y", "tab", "enter")
        await it.pilot.resize_terminal(80, 24)
        assert "Delete 1 payload" in it.question
        assert len(machine.labels()) == 5
        assert not machine.choices.exists()


async def test_readonly_hides_what_it_forbids(machine: Machine) -> None:
    async with ui(readonly=True, size=(140, 50)) as it:
        await it.shows("read-only", "q Quit")
        assert not re.search(r" (s Send|x Drop|t Telemetry|d Debug) ", it.text)
        offered = {each.title for each in it.app.get_system_commands(it.app.screen)}
        assert not {"Drop", "Send", "Telemetry", "Debug", "Undo"} & offered
        await it.press("question_mark")
        await it.shows("Keys of this screen")
        assert "Delete the marked" not in it.text
        assert "Allow telemetry" not in it.text


async def test_nothing_says_that_somebody_agreed_who_is_undecided(machine: Machine) -> None:
    for telemetry, words in (
        (None, "you have not agreed to any field"),
        ("on", "you agreed to every field"),
    ):
        if telemetry:
            machine.allow()
        async with ui() as it:
            await it.press(*["right_square_bracket"] * 4)
            await it.shows(words)


async def test_readonly_changes_and_sends_nothing(machine: Machine, collector: Collector) -> None:
    machine.make_cookie()
    machine.allow(collector.url)
    content = machine.choices.read_bytes()
    async with ui(readonly=True) as it:
        await it.shows("read-only")
        await it.press("t", "d", "s", "S", "x", "X", "u", "space", "s")
        assert it.room == "pending"
        for command in list(it.app.get_system_commands(it.app.screen)):
            if command.title in {"Drop", "Drop all", "Send", "Send all", "Telemetry", "Debug"}:
                command.callback()
                await it.pilot.pause()
                assert it.room == "pending", command.title
        await it.press("5", "r", "l", "n")
        assert it.room == "cookie"
        await it.press("4", "left", "enter", "right", "right", "enter", "down", "right", "enter")
        endpoint: Any = it.app.screen.query_one("#endpoint")
        endpoint.focus()
        endpoint.value = "https://other.example"
        await it.press("enter")
        await it.pilot.pause()
        assert it.room == "choices"
    assert machine.choices.read_bytes() == content
    assert machine.cookie.is_file()
    assert len(machine.labels(PENDING)) == 5
    assert collector.connections == 0


async def test_keys_can_be_chosen_in_the_file_of_choices(machine: Machine) -> None:
    machine.write_choices({"keys": {"app.quit": "f10", "pending.drop": "ctrl+x,D"}})
    async with ui() as it:
        await it.press("x", "q")
        assert it.room == "pending"
        await it.shows("^x Drop", "f10 Quit")
        await it.press("D")
        await it.answer("n")
        await it.press("f10")
        assert it.app.return_code == 0


BAD_KEYS: list[object] = [
        [], "x", 1, None, {"app.quit": 1}, {"app.quit": ""}, {"app.quit": ","},
        {"app.quit": "no-such-key"}, {"no.such": "x"}, {"app.quit": "[/nope]"},
        {"app.quit": "\x1b]0;owned\x07"}, {"app.quit": "t", "app.telemetry": "q"},
        {"": "x"}, {"app.quit": "x" * 100_000}, {"app.quit": "ctrl+"}, {"app.quit": "a,,b"},
        {"pending.drop": "s"}, {"app.quit": " "}, {"app.quit": "upper_a"}, {"app.quit": "\ud800"},
]  # fmt: skip


async def test_a_bad_key_map_breaks_nothing(machine: Machine) -> None:
    async with ui() as it:
        for chosen in BAD_KEYS:
            machine.choices.write_text(json.dumps({"keys": chosen}))
            machine.choices.chmod(0o600)
            it.app.on_load()
            await it.press("question_mark")
            assert isinstance(it.app.screen, Help), chosen
            assert "\x1b" not in it.text
            await it.press("escape")
            assert it.room == "pending", chosen


@pytest.mark.parametrize(
    ("keys", "telemetry"), [("tff", "off"), ("tfff", "off"), ("too", "on")], ids=str
)
async def test_a_key_that_comes_twice_answers_once(
    empty: Machine, keys: str, telemetry: str
) -> None:
    if telemetry == "off":
        empty.hold(b'{"resourceSpans":[]}')
    async with ui() as it:
        await it.press(keys[0])
        await it.until(lambda: isinstance(it.app.screen, Ask), "a question")
        for key in keys[1:]:  # as a terminal sends them, in one piece
            it.app.post_message(events.Key(key, key))
        if telemetry == "on":
            await it.until(lambda: "from now on?" in it.question, "the one question before a yes")
            assert empty.chosen.telemetry is None, "a key that comes twice is no yes"
            it.let_pass()
            for key in "yy":
                it.app.post_message(events.Key(key, key))
        await it.until(lambda: empty.chosen.telemetry == telemetry, "the choice")
        await it.pilot.pause()
        assert not isinstance(it.app.screen, Trimming), "nothing on the screen below was meant"


async def test_what_is_answered_twice_is_answered_once(machine: Machine) -> None:
    async with ui() as it:
        for keys in ("dyy", "xnn", "xyy", "t\x1b\x1b"):
            await it.press(keys[0])
            await it.until(lambda: isinstance(it.app.screen, Ask), "a question")
            asked = it.app.screen
            assert isinstance(asked, Ask)
            for key in keys[1:]:
                name = "escape" if key == "\x1b" else key
                it.app.post_message(events.Key(name, key))
            await it.until(lambda asked=asked: it.app.screen is not asked, "the screen below")  # type: ignore[misc]
            asked.dismiss("y")
            await it.pilot.pause()
        assert len(machine.labels()) == 4


@pytest.mark.parametrize("keys", ["dyn", "dyx", "dyX", "dyxy", "dnd", "xnt", "x\x1bX"], ids=repr)
async def test_what_follows_an_answer_in_the_same_breath_is_meant_for_nothing_else(
    machine: Machine, keys: str
) -> None:
    async with ui() as it:
        await it.press(keys[0])
        await it.until(lambda: isinstance(it.app.screen, Ask), "a question")
        first = it.app.screen
        now = it.app.clock()
        it.app.clock = lambda: now
        for at, key in enumerate(keys[1:]):
            name = "escape" if key == "\x1b" else key
            it.app.post_message(events.Key(name, key))
            if not at:
                await it.until(lambda: it.app.screen is not first, "the answer")
        await it.pilot.pause()
        await it.until(lambda: it.room or it.question, "the screen below, or the next question")
        assert "Delete" not in it.question
        assert it.room == "pending"
        assert len(machine.labels()) == 5


async def test_a_key_counts_again_after_a_while(machine: Machine) -> None:
    async with ui() as it:
        now = [100.0]
        it.app.clock = lambda: now[0]
        await it.press("x")
        await it.answer("escape")
        now[0] += 0.2
        await it.press("slash")
        assert "of 5" not in it.text
        now[0] += 0.2
        await it.press("slash", "a")
        await it.shows("of 5")
        await it.press("escape")
        now[0] += 1
        await it.press("x")
        await it.answer("n")
        assert len(machine.labels()) == 5
