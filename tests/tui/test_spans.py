"""The trace, drilled into: spans are chosen, fold, and say how long they took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cqtel_tui.review.critical import critical, duration_words, parents
from cqtel_tui.review.waterfall import Bar

from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine

keys = pytest.mark.keys
SECOND = 1_000_000_000


def bar(name: str, depth: int, start: int, end: int) -> Bar:
    return Bar(name, depth, start * SECOND, (end - start) * SECOND, False, 0, 1, 8, "")


BARS = [
    bar("sync", 0, 0, 10),
    bar("aws", 1, 0, 4),
    bar("ec2", 2, 0, 4),
    bar("github", 1, 4, 10),
    bar("repos", 2, 4, 9),
    bar("users", 2, 4, 5),
]


def test_each_part_is_inside_of_one() -> None:
    assert parents(BARS) == [None, 0, 1, 0, 3, 3]


def test_the_critical_path_goes_on_to_what_ended_last() -> None:
    assert critical(BARS) == {0, 3, 4}
    assert critical([]) == frozenset()


def test_how_long_a_part_took_is_said_in_words() -> None:
    assert duration_words(BARS, 0) == "sync took 10.000 s in all."
    assert duration_words(BARS, 3) == "github took 6.000 s: 60% of sync."
    assert duration_words(BARS, 2) == "ec2 took 4.000 s: all of aws."


@keys("detail.fold", "box.pane")
async def test_spans_are_chosen_and_fold(machine: Machine) -> None:
    label = next(each for each in machine.labels() if each.operation == "sync")
    async with ui(size=(100, 40)) as it:
        it.box.envelopes.go_to(label.id)
        await it.looks_at(label)
        await it.press("tab", "right_square_bracket", "right_square_bracket")
        await it.shows("sync took 8.800 s in all.", "critical path", "sync.aws")
        await it.press("j")
        await it.shows("sync.aws took 8.800 s: all of sync.", "parentSpanId")
        await it.press("k", "z")
        await it.shows("+sync")
        assert "sync.aws" not in it.text
        await it.press("z")
        await it.shows("sync.aws")


@keys("box.open", "box.clear")
async def test_enter_opens_the_payload_and_esc_returns(machine: Machine) -> None:
    async with ui() as it:
        await it.looks_at(machine.labels()[0])
        await it.press("enter")
        assert it.box.detail.lines.has_focus
        assert not it.box.envelopes.is_on_screen
        assert it.box.detail.size.height > 15
        await it.press("escape")
        assert it.box.envelopes.has_focus
        assert it.box.envelopes.is_on_screen


async def test_only_the_selected_field_is_told_of_at_length(machine: Machine) -> None:
    async with ui(size=(100, 40)) as it:
        await it.looks_at(machine.labels()[0])
        await it.press("tab")
        text = it.box.detail.lines.text
        assert text.count("“") == 1
        await it.press("j")
        await it.until(lambda: it.box.detail.lines.text != text)
        assert it.box.detail.lines.text.count("“") == 1
