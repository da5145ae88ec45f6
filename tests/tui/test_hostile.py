"""Whatever a payload, a file, a label or a variable holds, it is text, and nothing breaks."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui.widgets.lines import MAX_LINES

from .driving import ui
from .hostile import ATTACKS, CONTROLS, EVERYTHING, PAYLOADS

if TYPE_CHECKING:
    from pathlib import Path

    from .driving import Machine, Session


def assert_only_text(it: Session) -> None:
    shown = "".join([it.text.replace("\n", ""), *it.toasts])
    assert not CONTROLS.search(shown), ascii(CONTROLS.search(shown))


@pytest.mark.parametrize("name", PAYLOADS)
async def test_a_payload_may_hold_anything(empty: Machine, name: str) -> None:
    empty.hold(PAYLOADS[name])
    async with ui(size=(100, 40)) as it:
        began = time.thread_time()
        for view, _ in it.box.VIEWS:
            it.box.detail.turn_to(view)
            await it.pilot.pause()
            assert_only_text(it)
            for key in ("G", "v", "y") if view == "raw" else ():
                await it.press(key)
                assert_only_text(it)
            assert len(it.box.detail.lines._paragraphs) <= MAX_LINES + 1
        assert time.thread_time() - began < 10, "it opens at once"


async def test_what_is_too_long_says_how_much_more_there_is(empty: Machine) -> None:
    empty.hold(PAYLOADS["many lines"])
    async with ui(size=(100, 40)) as it:
        it.box.detail.turn_to("raw")
        it.box.detail.lines.focus()
        await it.press("G")
        await it.until(lambda: "more" in it.text)


async def test_markup_is_shown_as_it_is(empty: Machine) -> None:
    for name in ("markup closing", "markup in a command", "markup action", "markup link"):
        empty.hold(json.dumps({name: ATTACKS[name]}).encode(), operation=name.replace(" ", "-"))
    async with ui(size=(100, 40)) as it:
        for text in ("[link=https://evil.example]docs[/link]", "[@click=app.quit]quit[/]",
                     "list[int] args=[/usr/bin]", "[/nope]"):  # fmt: skip
            await it.shows(text)
            await it.press("j")


async def test_a_file_name_may_hold_anything(empty: Machine) -> None:
    label = empty.hold(b"{}")
    for attack in (*ATTACKS.values(), EVERYTHING):
        text = attack.replace("/", "|").encode("utf-8", "replace")[:150]
        for name in (
            label.file_name.encode().replace(b"sync", text),
            label.file_name.encode().replace(b"cloudquery", text),
            text + b".envelope",
        ):
            (empty.outbox.folder / PENDING / os.fsdecode(name)).write_bytes(b"x")
    async with ui(size=(200, 80)) as it:
        assert len(it.box.envelopes.names) > 3 * len(ATTACKS)
        for key in ("j", "o", "o", "o", "G", "a", "s"):
            await it.press(key)
            assert_only_text(it)


async def test_a_project_path_may_hold_anything(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = empty.project.parent / "[/nope] [@click=app.quit]x[/] \x1b]0;owned\x07 \u202e"
    path.mkdir(parents=True)
    monkeypatch.chdir(path)
    (path / ".cq").mkdir()
    (path / ".cq" / "telemetry.json").write_text("{")
    async with ui("cookie", size=(200, 40)) as it:
        await it.shows("[/nope] [@click=app.quit]x[/] ␛]0;owned␇ \\u{202e}")
        assert_only_text(it)
        await it.press("l")
        await it.answer("y")
        await it.told("Locked: ")
        await it.press("4")
        await it.shows("[/nope]")
        await it.press("right", "enter", "t", "o")
        await it.pilot.pause()
        assert_only_text(it)


async def test_a_variable_may_hold_anything(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CQ_NO_TELEMETRY", "DO_NOT_TRACK", "CQ_TELEMETRY_LEVEL", "CQ_DEBUG_TELEMETRY",
                 "CQ_INSPECT_TELEMETRY"):  # fmt: skip
        monkeypatch.setenv(name, EVERYTHING)
    async with ui("choices", size=(200, 40)) as it:
        await it.shows("CQ_NO_TELEMETRY=[/nope]")
        assert_only_text(it)
        await it.press("t")
        await it.answer("o")
        await it.answer("y")
        await it.told("decides")
        assert_only_text(it)


async def test_choices_may_hold_anything(empty: Machine) -> None:
    async with ui("choices", size=(200, 40), look_every=0.05) as it:
        for content in (
            {"all": {"telemetry": EVERYTHING}},
            {"all": {"endpoint": EVERYTHING}},
            {"all": {"endpoint": "https://[/nope]"}},
            {"projects": {EVERYTHING: {"telemetry": EVERYTHING}}},
            {"all": {"telemetry": "off"}, EVERYTHING: EVERYTHING, "keys": {EVERYTHING: EVERYTHING}},
        ):
            empty.write_choices({"all": {}})
            await it.shows(" UNDECIDED ")
            empty.write_choices(content)
            await it.shows(" OFF ")
            assert_only_text(it)
        await it.press("t")
        await it.answer("f")
        await it.pilot.pause()
        assert_only_text(it)


async def test_a_policy_may_hold_anything(empty: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "policy" / "cqtel"
    folder.mkdir(parents=True)
    (folder / "choices.json").write_text(json.dumps({"telemetry": EVERYTHING, EVERYTHING: 1}))
    async with ui("choices", size=(200, 40)) as it:
        await it.shows("admin policy", " OFF ")
        assert_only_text(it)


async def test_a_reason_to_try_later_may_hold_anything(machine: Machine) -> None:
    (machine.outbox.folder / "retry-at").write_text(EVERYTHING)
    (machine.outbox.folder / "losses").write_bytes(EVERYTHING.encode() * 10)
    async with ui(size=(200, 40)) as it:
        assert_only_text(it)
        await it.press("4")
        assert_only_text(it)
