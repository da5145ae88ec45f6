"""Telemetry, debug mode and the endpoint: what is asked, what is saved, and what it comes to."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.deliver.sender import Outcome, Sender
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui.widgets.one_of import OneOf

from .driving import ui

if TYPE_CHECKING:
    from pathlib import Path

    from ..deliver.collectors import Collector
    from .driving import Machine, Session

keys = pytest.mark.keys
ENDPOINT = "https://collector.example/v1/traces"


def stored(it: Session, row: str) -> str:
    """Return the answer that a row shows as stored."""
    return it.app.screen.query_one(f"#{row}", OneOf)._stored


@keys("app.telemetry")
@pytest.mark.parametrize(("key", "expected"), [("o", "on"), ("f", "off"), ("u", None)])
async def test_t_asks_and_saves_for_all_projects(
    empty: Machine, key: str, expected: str | None
) -> None:
    empty.choose(telemetry="off" if expected is None else None)
    async with ui("cookie") as it:
        await it.press("t")
        assert "all projects" in it.question
        await it.answer(key)
        if expected is not None:
            await it.answer({"off": "n", "on": "y"}[expected])
        await it.until(lambda: empty.chosen.telemetry == expected)
        await it.shows({"on": " ON ", "off": " OFF ", None: "UNDECIDED"}[expected])
    if expected == "on":
        assert empty.chosen.catalogue == CATALOGUE_VERSION
    assert not empty.cookie.exists(), "a cookie is made when something is recorded, not before"


@keys("ask.back", "ask.next", "ask.previous")
async def test_a_question_changes_nothing_by_escape_and_enter_takes_the_safe_answer(
    empty: Machine,
) -> None:
    async with ui() as it:
        await it.press("t")
        await it.answer("escape")
        assert it.room == "pending"
        await it.press("t")
        await it.answer("enter")
        await it.told("Telemetry of cloudquery is undecided: ")
        assert empty.chosen.telemetry is None
        await it.press("t", "right", "l", "h", "right", "left", "enter")
        await it.until(lambda: "from now on?" in it.question)
        await it.press("enter")
        await it.until(lambda: it.room == "pending")
        assert empty.chosen.telemetry is None, "Enter twice never consents"
        await it.press("t", "right", "enter")
        await it.until(lambda: "from now on?" in it.question)
        await it.press("right", "enter")
        await it.until(lambda: empty.chosen.telemetry == "on")


@keys("choices.next", "choices.previous", "choice.left", "choice.right", "choice.choose")
async def test_a_row_of_answers_is_moved_in_and_saved_by_keys(empty: Machine) -> None:
    async with ui("choices") as it:
        assert stored(it, "telemetry") == "undecided"
        await it.press("left")
        assert stored(it, "telemetry") == "undecided", "moving saves nothing"
        await it.press("enter")
        await it.answer("enter")
        await it.until(lambda: it.room == "choices")
        assert empty.chosen.telemetry is None, "Enter twice never consents"
        await it.press("enter")
        await it.answer("y")
        await it.until(lambda: empty.chosen.telemetry == "on" and stored(it, "telemetry") == "on")
        await it.press("l", "right", "space")
        await it.answer("n")
        await it.until(lambda: stored(it, "telemetry") == "off")
        await it.press("h", "enter")
        await it.until(lambda: stored(it, "telemetry") == "undecided")
        assert json.loads(empty.choices.read_text())["programs"]["cloudquery"]["all"] == {}
        await it.press("down", "right", "enter")
        await it.answer("y")
        await it.until(lambda: empty.chosen.debug is True)
        await it.press("up", "up", "right", "enter")
        await it.until(lambda: stored(it, "scope") == "project")
        assert stored(it, "debug") == "off", "for this directory nothing is chosen"


def cursors(it: Session) -> list[str]:
    """Return the rows in which a cursor is drawn."""
    rows = it.app.screen.query(OneOf)
    drawn = {str(row.id): row.render() for row in rows}
    return [name for name, row in drawn.items() if "reverse" in str(getattr(row, "spans", ""))]


async def test_the_cursor_is_drawn_where_the_focus_is_and_stays_under_ones_hands(
    empty: Machine,
) -> None:
    async with ui("choices", look_every=0.05) as it:
        assert cursors(it) == ["telemetry"]
        await it.press("down")
        assert cursors(it) == ["debug"]
        await it.press("up", "up")
        assert cursors(it) == ["scope"]
        await it.press("down", "right")
        empty.choose(telemetry="on", catalogue=1)
        await it.until(lambda: stored(it, "telemetry") == "on")
        await it.press("enter")
        await it.answer("escape")
        assert empty.chosen.telemetry == "off", "Enter takes the answer the cursor was on"


async def test_an_answer_is_saved_by_a_click_for_this_directory_alone(empty: Machine) -> None:
    async with ui("choices") as it:

        async def click(row: str, words: str) -> None:
            shown = str(it.app.screen.query_one(f"#{row}", OneOf).render())
            await it.click(f"#{row}", shown.index(words))

        await click("scope", "this directory")
        await click("telemetry", "on")
        await it.answer("y")
        await it.until(lambda: empty.chosen_here is not None)
        assert empty.chosen_here is not None
        assert empty.chosen_here.telemetry == "on"
        assert empty.chosen.telemetry is None
        await it.shows("you chose this for cloudquery in this project")
        await click("telemetry", "off")
        await it.answer("n")
        await it.until(lambda: empty.chosen_here and empty.chosen_here.telemetry == "off")
        await click("scope", "all projects")
        assert stored(it, "telemetry") == "undecided"
        await it.shows(" OFF ")


@pytest.mark.parametrize(("answer", "included"), [("y", False), ("i", True)])
async def test_a_yes_asks_whether_it_covers_what_was_held_before(
    machine: Machine, answer: str, included: bool
) -> None:
    async with ui() as it:
        await it.press("t")
        await it.answer("o")
        await it.until(lambda: "5 payloads were already pending" in it.question)
        await it.shows("no, go back", "yes, from now on", "yes, and 5 pending")
        await it.answer(answer)
        await it.until(lambda: machine.chosen.telemetry == "on")
        assert len(machine.included) == (5 if included else 0)
        await it.told("No endpoint is set")
        assert len(machine.labels()) == 5


async def test_the_answers_are_in_view_however_much_is_told_before_them(machine: Machine) -> None:
    for at in range(7):
        url = f"https://events-{at}.example/{'x' * 90}"
        machine.hold(b"{}", origin="gate", target=url)
    async with ui(size=(60, 20)) as it:
        await it.press("t")
        await it.answer("o")
        await it.until(lambda: "12 payloads were already pending" in it.question)
        await it.shows("n  no, go back", "y  yes, from now on", "i  yes, and 12 pending")
        await it.press("enter")
        await it.until(lambda: it.room == "pending")
        assert not machine.choices.exists()


async def test_a_yes_that_is_broken_off_is_no_yes(machine: Machine) -> None:
    async with ui() as it:
        await it.press("t")
        await it.answer("o")
        await it.until(lambda: "already pending" in it.question)
        await it.press("escape")
        await it.until(lambda: it.room == "pending")
        assert not machine.choices.exists()


@pytest.mark.parametrize(("answer", "left"), [("n", 5), ("escape", 5), ("enter", 5), ("y", 0)])
async def test_a_no_offers_to_delete_what_was_recorded(
    machine: Machine, answer: str, left: int
) -> None:
    machine.make_cookie()
    async with ui() as it:
        await it.press("t")
        await it.answer("f")
        await it.until(lambda: "Delete what was recorded" in it.question)
        assert machine.chosen.telemetry == "off", "the no is saved before it is asked"
        await it.answer(answer)
        await it.until(lambda: it.room == "pending" and len(machine.labels()) == left)
        await it.until(lambda: machine.cookie.exists() is bool(left))
        if not left:
            await it.shows("Telemetry is off: nothing is recorded.", "no ID")


@pytest.mark.parametrize("variable", ["CQ_NO_TELEMETRY", "DO_NOT_TRACK"])
async def test_a_variable_that_overrides_a_choice_is_named_at_once(
    empty: Machine, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    async with ui("choices") as it:
        await it.shows(" OFF ", f"{variable}=1", "unset it in this shell")
        await it.press("t")
        await it.answer("o")
        await it.answer("y")
        await it.told("Telemetry of cloudquery is off: ")
        await it.told(f"Your choice is saved, but here {variable}=1 decides.")
        assert empty.chosen.telemetry == "on"
        assert stored(it, "telemetry") == "on", "the toggle shows what is stored"
        await it.shows(" OFF ")


async def test_every_layer_is_shown_with_what_it_says(
    empty: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy" / "cqtel"
    policy.mkdir(parents=True)
    (policy / "choices.json").write_text('{"telemetry": "off"}')
    (empty.project / ".cq").mkdir()
    (empty.project / ".cq" / "telemetry.json").write_text('{"debug": false}')
    empty.choose(telemetry="on", catalogue=1)
    monkeypatch.setenv("CQ_DEBUG_TELEMETRY", "1")
    async with ui("choices", size=(250, 50)) as it:
        for words in [
            "command line", "CQ_DEBUG_TELEMETRY=1", "admin policy", "no debug", "it came with this",
            "ask whoever administers", "you chose this for cloudquery",
        ]:  # fmt: skip
            assert words in it.text, words
        decides = [line for line in it.text.split("\n") if "▶" in line and "in effect" not in line]
        assert len(decides) == 2
        assert any("off" in line and "choices.json" in line for line in decides)


@pytest.mark.parametrize("content", [b"{", b'{"all": {"telemetry": "maybe"}}'])
async def test_choices_that_cannot_be_read_mean_off_and_are_not_written_over(
    machine: Machine, content: bytes
) -> None:
    machine.choices.write_bytes(content)
    async with ui("choices") as it:
        await it.shows(" OFF ")
        assert stored(it, "telemetry") == stored(it, "debug") == ""
        assert "●" not in it.text.split("Telemetry", 2)[2].split("\n")[0]
        await it.press("t")
        await it.answer("f")
        await it.told("It counts as off, and was left as it is.")
        await it.press("d")
        await it.answer("y")
        await it.press("t")
        await it.answer("o")
        await it.until(lambda: "already pending" in it.question)
        await it.press("y")
        await it.until(lambda: len(it.toasts) >= 2)
        assert machine.choices.read_bytes() == content
        assert it.room == "choices", "a no that was not saved offers nothing"


async def test_a_directory_in_the_place_of_the_choices_is_left_alone(empty: Machine) -> None:
    empty.choices.mkdir(parents=True)
    async with ui("choices") as it:
        await it.shows(" OFF ", "not a regular file")
        await it.press("t")
        await it.answer("o")
        await it.answer("y")
        await it.told("left as it is")
        assert empty.choices.is_dir()
        assert stored(it, "telemetry") == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_leaves_the_toggle_as_stored(
    empty: Machine,
) -> None:
    empty.choose(telemetry="off")
    empty.choices.parent.chmod(0o500)
    try:
        async with ui("choices") as it:
            await it.press("t")
            await it.answer("o")
            await it.answer("y")
            await it.told("could not be written")
            assert stored(it, "telemetry") == "off"
            await it.shows(" OFF ")
    finally:
        empty.choices.parent.chmod(0o700)


async def test_a_failed_write_leaves_the_toggle_as_stored(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.choose(telemetry="off")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with ui("choices") as it:
        monkeypatch.setattr(os, "fsync", full)
        await it.press("t")
        await it.answer("o")
        await it.answer("y")
        await it.told("No space left on device")
        monkeypatch.undo()
        assert stored(it, "telemetry") == "off"
        assert empty.chosen.telemetry == "off"
        await it.shows(" OFF ")


async def test_what_another_process_saves_is_shown_at_once(empty: Machine) -> None:
    async with ui("choices", look_every=0.05) as it:
        empty.choose(telemetry="on", catalogue=1)
        await it.shows(" ON ")
        assert stored(it, "telemetry") == "on"


@keys("app.debug")
async def test_debug_mode_is_asked_for_before_and_ended_without_a_question(
    empty: Machine,
) -> None:
    async with ui() as it:
        await it.press("d")
        await it.until(lambda: "credentials" in it.question, "a question")
        await it.press("enter")
        await it.until(lambda: it.room == "pending")
        assert not empty.choices.exists(), "Enter by reflex does no harm"
        await it.press("d")
        await it.answer("y")
        await it.until(lambda: empty.chosen.debug is True)
        await it.shows("debug ON: error texts too")
        await it.press("d")
        await it.until(lambda: empty.chosen.debug is None)
        await it.shows("debug off")


async def test_debug_mode_that_another_layer_keeps_off_says_so(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_DEBUG_TELEMETRY", "0")
    async with ui() as it:
        await it.press("d")
        await it.answer("y")
        await it.told("Your choice is saved, but here CQ_DEBUG_TELEMETRY=0 decides.")
        await it.shows("debug off")


async def set_endpoint(it: Session, text: str) -> None:
    it.app.screen.query_one("#endpoint").focus()
    await it.pilot.pause()
    it.app.screen.query_one("#endpoint", Input).value = text
    await it.press("enter")


@keys("choices.leave")
async def test_an_endpoint_is_saved_by_enter_left_by_escape_and_removed_by_an_empty_one(
    empty: Machine,
) -> None:
    async with ui("choices") as it:
        await set_endpoint(it, ENDPOINT)
        await it.until(lambda: empty.chosen.endpoint == ENDPOINT)
        await it.shows(f"Payloads go to {ENDPOINT}")
        it.app.screen.query_one("#endpoint").focus()
        await it.press("end", "x", "y", "z")
        await it.shows("tracesxyz")
        await it.press("escape")
        await it.pilot.pause()
        assert empty.chosen.endpoint == ENDPOINT
        assert "xyz" not in it.text, "what is shown is what is stored"
        await set_endpoint(it, "")
        await it.until(lambda: empty.chosen.endpoint is None)
        await it.shows("No endpoint is set")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://collector.example", "it is not https"),
        ("https://[/nope]", "neither a name nor an address"),
    ],
)
async def test_an_endpoint_that_cannot_be_one_is_refused_with_the_reason(
    empty: Machine, url: str, problem: str
) -> None:
    async with ui("choices") as it:
        await set_endpoint(it, url)
        await it.told(problem)
        assert it.app.screen.query_one("#endpoint", Input).value == url, "it can be mended"
        assert not empty.choices.exists()


@keys("app.undo")
async def test_choices_are_taken_back_one_by_one(empty: Machine) -> None:
    no = {"all": {"telemetry": "off"}}
    empty.write_choices({"version": 2, "programs": {"cloudquery": no}, "mine": [1, 2]})
    async with ui("choices") as it:
        await it.press("t")
        await it.answer("o")
        await it.answer("y")
        await it.until(lambda: empty.chosen.telemetry == "on")
        await it.press("d")
        await it.answer("y")
        await it.until(lambda: empty.chosen.debug is True)
        await set_endpoint(it, ENDPOINT)
        await it.until(lambda: empty.chosen.endpoint == ENDPOINT)
        for what in ["endpoint", "debug"]:
            await it.press("u")
            await it.until(lambda what=what: getattr(empty.chosen, what) is None)  # type: ignore[misc]
        await it.press("u")
        await it.until(lambda: stored(it, "telemetry") == "off")
        await it.press("u")
        await it.told("There is nothing to undo.")
    content = json.loads(empty.choices.read_text())
    assert content["programs"] == {"cloudquery": {"all": {"telemetry": "off"}}}
    assert content["mine"] == [1, 2], "what we do not know survives"


async def test_deleting_everything_cannot_be_undone_by_halves(machine: Machine) -> None:
    async with ui() as it:
        await it.press("x")
        await it.answer("y")
        await it.until(lambda: len(machine.labels()) == 4)
        await it.press("t")
        await it.answer("f")
        await it.answer("y")
        await it.until(lambda: not machine.labels())
        await it.press("u")
        await it.told("There is nothing to undo.")
        assert machine.outbox.names(PENDING) == [], "what was deleted for good stays so"


async def test_undo_lets_no_older_yes_cover_what_was_recorded_in_between(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    for label in machine.labels():
        machine.outbox.drop(PENDING, label)
    async with ui() as it:
        await it.press("t")
        await it.answer("u")
        await it.told("Telemetry of cloudquery is undecided: ")
        between = machine.hold(b"{}")
        await it.press("u")
        await it.until(lambda: machine.chosen.telemetry == "on")
    machine.hold(b"[]")
    results = Sender(machine.places).send_due()
    assert collector.bodies == [b"[]"]
    assert {result.id: result.outcome for result in results}[between.id] is Outcome.REFUSED
