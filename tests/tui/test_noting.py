"""A choice that is made in the terminal UI is noted with the words that were shown before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cqtel_tui.consent.history import history, notice_text

from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine


async def test_a_yes_is_noted_with_its_question_and_an_undo_as_one(machine: Machine) -> None:
    state = machine.places.state
    async with ui() as it:
        await it.press("t", "o")
        await it.shows("Send what cloudquery reports, from now on?")
        await it.press("y")
        await it.until(lambda: len(history(state)) == 1)
        await it.press("u")
        await it.until(lambda: len(history(state)) == 2)
    yes, undone = history(state)
    assert (yes.what, yes.value, yes.face, yes.is_undo) == ("telemetry", "on", "terminal UI", False)
    assert (undone.value, undone.is_undo) == ("", True)
    assert notice_text(state, yes.notice).startswith("Send what cloudquery reports, from now on?\n")
