"""Every theme can be read, and the one that was chosen is there the next time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from cqtel_tui.tui.app import TelemetryApp
from cqtel_tui.tui.themes import BACKGROUNDS, FILE_NAME, contrast, readable

from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine

PAINTED = [name for name in BUILTIN_THEMES if not name.startswith("ansi")]


@pytest.mark.parametrize("name", PAINTED)
def test_every_text_of_every_theme_has_the_contrast_of_wcag_aa(name: str) -> None:
    variables = readable(BUILTIN_THEMES[name].to_color_system().generate())
    for text, places in BACKGROUNDS.items():
        for place in places:
            page = Color.parse(variables["background"])
            behind = Color.parse(variables[place])
            behind = page.blend(behind.with_alpha(1.0), behind.a)
            if variables[text].startswith("auto"):
                continue
            color = Color.parse(variables[text])
            shown = behind.blend(color.with_alpha(1.0), color.a)
            assert contrast(shown, behind) >= 4.5, (text, place)


def test_no_text_takes_its_colour_from_elsewhere() -> None:
    for name in PAINTED:
        variables = readable(BUILTIN_THEMES[name].to_color_system().generate())
        assert not [text for text in BACKGROUNDS if variables[text].startswith("auto")], name


async def test_the_theme_that_was_chosen_is_there_the_next_time(machine: Machine) -> None:
    async with ui() as it:
        it.app.theme = "dracula"
        await it.pilot.pause()
    assert json.loads((machine.choices.parent / FILE_NAME).read_text()) == {"theme": "dracula"}
    assert not machine.choices.exists()
    async with ui() as it:
        assert it.app.theme == "dracula"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"theme": 1}', '{"theme": "none such"}'])
async def test_a_file_that_names_no_theme_changes_nothing(machine: Machine, content: str) -> None:
    machine.choices.parent.mkdir(parents=True, exist_ok=True)
    (machine.choices.parent / FILE_NAME).write_text(content)
    async with ui() as it:
        assert it.app.theme == TelemetryApp().theme


async def test_a_readonly_session_keeps_no_theme(machine: Machine) -> None:
    async with ui(readonly=True) as it:
        it.app.theme = "dracula"
        await it.pilot.pause()
    assert not (machine.choices.parent / FILE_NAME).exists()
