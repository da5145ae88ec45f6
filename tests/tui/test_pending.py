"""The list of what is held, and each payload from several sides."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.filters import matching, words_of
from cqtel_tui.outbox.store import SET_ASIDE
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui.home import MAX_COPIED
from cqtel_tui.tui.views import CROSS

from .driving import ids, ui

if TYPE_CHECKING:
    from .driving import Machine

keys = pytest.mark.keys
NEWEST_FIRST = ["tables", "sync", "sync", "validate-config", "init"]


@keys("list.up", "list.down", "list.first", "list.last", "list.page_up", "list.page_down")
async def test_the_cursor_goes_by_arrows_and_by_vim_keys(machine: Machine) -> None:
    for number in range(20):
        machine.hold(b"{}", operation=f"extra-{number}")
    async with ui() as it:
        list_ = it.box.envelopes
        assert it.operations[20:] == NEWEST_FIRST
        for key, expected in [
            ("down", 1), ("j", 2), ("up", 1), ("k", 0), ("k", 0), ("end", 24), ("j", 24),
            ("home", 0), ("G", 24), ("g", 0),
        ]:  # fmt: skip
            await it.press(key)
            assert list_.cursor == expected, key
        page = list_.scrollable_content_region.height - 1
        for key, expected in [("pagedown", page), ("ctrl+d", 2 * page), ("ctrl+u", page),
                              ("pageup", 0)]:  # fmt: skip
            await it.press(key)
            assert list_.cursor == expected, key


async def test_a_row_tells_when_what_how_it_went_how_long_of_which_program(
    machine: Machine,
) -> None:
    async with ui(size=(240, 24)) as it:
        row = next(line for line in it.text.split("\n") if f"{CROSS} failed" in line)
        assert "sync" in row
        assert "8.800 s" in row
        assert "cloudquery 6.21.1" in row
        assert f"{len(machine.payloads()[1]):,} B" in row
        assert "no destination" in row


async def test_what_has_no_room_is_left_out_whole(machine: Machine) -> None:
    async with ui(size=(60, 20)) as it:
        row = next(line for line in it.text.split("\n") if " sync" in line and CROSS in line)
        assert "8.800 s" in row
        assert "failed" not in row, "its sign says it"
        assert "no destin" in row


async def test_what_the_gate_intercepted_and_what_was_tried_before_is_told(empty: Machine) -> None:
    label = empty.hold(b"{}", origin="gate", outcome="")
    for _ in range(3):
        empty.outbox.postpone(label)
        label = label.tried_again()
    async with ui(size=(260, 24)) as it:
        await it.shows("tried 3 times", "? unknown")


async def test_a_click_puts_the_cursor_there_and_ctrl_click_marks(machine: Machine) -> None:
    async with ui(size=(80, 40)) as it:
        await it.click("#envelopes", 10, 2)
        assert it.box.envelopes.cursor == 2
        await it.click("#envelopes", 10, 1, control=True)
        assert len(it.box.envelopes.marked) == 1
        await it.click("#envelopes", 10, 5)
        assert it.box.envelopes.cursor == 2, "a click below the list moves nothing"


@keys("list.mark", "list.mark_all")
async def test_marks_are_shown_counted_and_toggled(machine: Machine) -> None:
    async with ui() as it:
        await it.press("space", "j", "space")
        marked = [labels.id for labels in it.box.envelopes.chosen]
        assert marked == ids([machine.labels()[0], machine.labels()[2]])
        assert it.text.count("●") == 2
        await it.shows("2 marked")
        await it.press("a")
        assert it.text.count("●") == 5
        await it.press("a")
        assert "●" not in it.text
        assert "marked" not in it.text


@keys("box.filter", "box.clear", "filter.keep")
async def test_a_filter_narrows_while_one_types(machine: Machine) -> None:
    async with ui() as it:
        await it.press("slash")
        await it.type("op:sync")
        await it.until(lambda: it.operations == ["sync", "sync"])
        await it.shows("2 of 5")
        await it.type(" failed")
        await it.until(lambda: it.operations == ["sync"])
        await it.press("enter")
        assert it.app.focused is it.box.envelopes
        assert it.operations == ["sync"]
        await it.press("escape")
        assert it.operations == NEWEST_FIRST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app:cloud", 5), ("app:other", 0), ("version:6.21", 5), ("from:record", 5),
        ("from:gate", 0), ("ok", 4), ("FAILED", 1), ("tab", 1), ("op:sync ok", 1), ("id:", 5),
        (":", 0), ("op:", 5), ("a,b", 0), ("   ", 5), ("program:cloud", 5), ("to:no", 5),
        ("to:example", 0), ("since:1d", 5), ("since:2999-01-01", 0), ("since:nonsense", 5),
    ],
)  # fmt: skip
def test_what_a_filter_keeps(machine: Machine, text: str, expected: int) -> None:
    words = words_of(text, time.time())
    names = machine.outbox.names(PENDING)
    assert len(matching(names, words, lambda _: "no destination")) == expected


def test_a_filter_does_not_look_at_what_is_not_shown(machine: Machine) -> None:
    names = machine.outbox.names(PENDING)
    words = words_of(names[0].partition(",")[0], time.time())
    assert matching(names, words, lambda _: "") == []


@keys("filter.clear")
async def test_escape_in_the_field_shows_all_again(machine: Machine) -> None:
    async with ui() as it:
        await it.press("slash")
        await it.type("no such thing")
        await it.shows("Nothing matches the filter. Esc clears it.")
        await it.press("escape")
        assert it.operations == NEWEST_FIRST
        assert it.app.focused is it.box.envelopes
        await it.press("slash")
        await it.type("q4")
        assert it.room == "pending", "keys that are typed are text"


@keys("box.sort")
async def test_the_list_is_sorted_by_what_one_asks_for(machine: Machine) -> None:
    async with ui() as it:
        await it.press("o")
        assert it.operations == ["init", "sync", "sync", "tables", "validate-config"]
        await it.shows("by operation")
        await it.press("o")
        sizes = [label.size for label in map(_label, it.box.envelopes.names)]
        assert sizes == sorted(sizes, reverse=True)
        await it.press("o")
        assert it.operations[0] == "sync"
        assert it.operations[-1] == "validate-config"
        await it.press("o")
        assert it.operations == NEWEST_FIRST


def _label(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from cqtel_tui.outbox.envelope import read_label

    return read_label(name)


async def test_a_file_that_is_no_envelope_breaks_nothing(machine: Machine) -> None:
    folder = machine.outbox.folder / PENDING
    for name in ["x", ",,,,,,,,,", "²,²,²,²,²,²,²,²,²,²", "\x1b[2J"]:
        (folder / f"{name}.envelope").write_bytes(b"")
    async with ui() as it:
        await it.press("o", "o", "o", "o", "slash", "o", "p", ":", "escape", "a", "g")
        await it.shows("not an envelope's name", "This file's name is not an envelope's.")
        assert "\x1b" not in it.text


@keys("box.next", "box.previous", "box.verbatim")
async def test_a_payload_is_seen_from_several_sides(machine: Machine) -> None:
    payload = machine.payloads()[0].decode()
    async with ui(size=(140, 60)) as it:
        await it.shows("service.name", "Risk: ")
        it.box.detail.turn_to("raw")
        await it.pilot.pause()
        await it.shows("sha256", f"{len(payload):,} bytes", '"resourceSpans": [')
        await it.press("v")
        await it.shows("Byte for byte")
        assert payload in it.box.detail.lines.text
        await it.press("v")
        await it.shows("Indented")
        views = [key for key, _ in it.box.VIEWS if key not in {"intercepted", "run"}]
        it.box.detail.turn_to(views[0])
        for view in [*views[1:], views[0]]:
            await it.press("right_square_bracket")
            assert it.box.detail.view == view
        await it.press("left_square_bracket")
        assert it.box.detail.view == views[-1]


async def test_a_view_is_chosen_by_a_click(machine: Machine) -> None:
    async with ui() as it:
        line = next(line for line in it.text.split("\n") if "Raw bytes" in line)
        left = it.app.screen.query_one("#views").region.x
        await it.click("#views", line.index("Raw bytes") - left)
        assert it.box.detail.view == "raw"


async def test_the_view_stays_when_the_cursor_moves(machine: Machine) -> None:
    async with ui() as it:
        it.box.detail.turn_to("raw")
        await it.press("j", "j")
        assert it.box.detail.view == "raw"
        assert machine.labels()[2].id != machine.labels()[0].id
        await it.looks_at(machine.labels()[2])


@keys("box.copy")
async def test_what_a_view_shows_is_copied_up_to_a_bound(empty: Machine) -> None:
    empty.hold(b'{"x":"' + b"y" * 200_000 + b'"}')
    async with ui() as it:
        it.box.detail.turn_to("raw")
        await it.press("y")
        await it.told(f"Copied {MAX_COPIED:,} characters")
        assert len(it.app.clipboard) == MAX_COPIED
        assert "yyyy" in it.app.clipboard


@keys("box.editor")
async def test_without_a_terminal_to_lend_an_editor_is_not_opened(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ui() as it:
        await it.press("e")
        await it.told("less cannot be opened")
        monkeypatch.setenv("PAGER", "less 'unclosed")
        await it.press("e")
        await it.told("cannot be read as a command")
        monkeypatch.setenv("PAGER", "  ")
        await it.press("e")
        assert len(it.toasts) == 3


RECORD = """
from cqtel_tui import Telemetry
with Telemetry("other-program", version="1.2.3").operation("drift"):
    pass
"""


async def test_when_another_process_records_the_cursor_and_the_marks_stay_on_theirs(
    machine: Machine,
) -> None:
    async with ui(look_every=0.05) as it:
        await it.press("j", "space", "j")
        at, marked = it.box.envelopes.current, set(it.box.envelopes.marked)
        assert at is not None
        subprocess.run([sys.executable, "-c", RECORD], check=True)
        await it.shows("drift", "Pending 6")
        assert it.box.envelopes.current == at
        assert it.box.envelopes.cursor == 4
        assert it.box.envelopes.marked == marked
        machine.outbox.drop(PENDING, machine.labels()[2])
        await it.shows("Pending 5")
        assert it.box.envelopes.marked == set(), "what is gone is marked no more"


async def test_a_torn_envelope_is_told_of_and_its_bytes_can_be_read(machine: Machine) -> None:
    machine.tear(machine.labels()[0])
    async with ui(size=(100, 50)) as it:
        await it.shows("!! This payload was altered", "it is incomplete", "sets it aside")
        it.box.detail.turn_to("raw")
        await it.pilot.pause()
        await it.shows("The whole file:", '"kind":"otlp-traces"', '"resourceSpans"')


async def test_an_altered_envelope_is_told_of(machine: Machine) -> None:
    path = machine.outbox.path(PENDING, machine.labels()[0])
    path.write_bytes(path.read_bytes().replace(b"tables", b"tablet"))
    async with ui() as it:
        await it.shows("do not have the SHA-256")


async def test_an_envelope_that_is_gone_meanwhile_is_told_of(machine: Machine) -> None:
    async with ui() as it:
        machine.outbox.drop(PENDING, machine.labels()[1])
        await it.press("j")
        await it.shows("is no longer pending")


async def test_an_outbox_that_cannot_be_listed_is_told_of(machine: Machine) -> None:
    pending = machine.outbox.folder / PENDING
    pending.rename(pending.with_name("elsewhere"))
    pending.write_text("not a folder")
    async with ui(look_every=0.05) as it:
        await it.shows("cannot be read", "It cannot be listed.")
        pending.unlink()
        pending.with_name("elsewhere").rename(pending)
        await it.shows("tables")


async def test_what_is_set_aside_and_what_was_lost_is_always_in_sight(machine: Machine) -> None:
    label = machine.labels()[0]
    machine.outbox.set_aside(PENDING, label)
    (machine.outbox.folder / "losses").write_text("full\nfull\n")
    assert machine.outbox.labels(SET_ASIDE) == [label]
    async with ui(size=(140, 24)) as it:
        await it.shows("1 set aside", "2 lost")


async def test_when_nothing_is_held_it_says_where_payloads_come_from(empty: Machine) -> None:
    async with ui() as it:
        await it.shows("Nothing is pending.", "cq-telemetry run -- cloudquery sync spec.yml")
        await it.press("j", "k", "G", "space", "a", "s", "x", "X", "S", "y", "v", "e", "o")
        assert it.room == "pending"
    empty.choose(telemetry="off")
    async with ui() as it:
        await it.shows("Telemetry is off: nothing is recorded.")


async def test_a_payload_of_yesterday_says_its_day(empty: Machine) -> None:
    from cqtel_tui.actions import demo

    demo.record(time.time_ns() - 40 * 3600 * 1_000_000_000)
    async with ui() as it:
        day = time.strftime("%m-%d", time.localtime(empty.labels()[0].created / 1e6))
        await it.shows(day)
