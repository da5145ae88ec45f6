"""The line filter, by itself and under widgets that were given raw text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.content import Content
from textual.widgets import Static

from cqtel_tui.sanitize import is_printable
from cqtel_tui.tui.last_line import OnlyPrintable

from .hostile import ATTACKS, CONTROLS

BLACK = Color(0, 0, 0)


def filtered(text: str) -> str:
    return "".join(s.text for s in OnlyPrintable().apply([Segment(text)], BLACK))


@pytest.mark.parametrize("text", ATTACKS.values(), ids=list(ATTACKS))
def test_nothing_of_an_attack_is_left_that_a_terminal_acts_on(text: str) -> None:
    assert not CONTROLS.search(filtered(text))


@given(st.text(st.characters()))
def test_what_is_left_is_printable_and_as_wide_as_it_was(text: str) -> None:
    clean = filtered(text)
    assert is_printable(clean)
    assert cell_len(clean) == cell_len(text)


@pytest.mark.parametrize(
    "text",
    ["plain", "naïve café", "cafe\u0301", "नमस्ते", "日本語", "שָׁלוֹם", "Việt Nam", "✓ ok · 48.310 s"],
)
def test_a_written_language_passes_as_it_is(text: str) -> None:
    assert filtered(text) == text


def test_a_mark_without_a_letter_does_not_pass() -> None:
    assert filtered("\u0301a\u0301") == "a\u0301"


def test_the_style_stays() -> None:
    (segment,) = OnlyPrintable().apply([Segment("a\x1bb", Style(bold=True))], BLACK)
    assert segment.style == Style(bold=True)


def test_many_marks_take_no_time() -> None:
    assert len(filtered("a" + "\u0301" * 100_000)) == 5


class Careless(App[None]):
    """An app that forgot `sanitize`, but has the filter."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.careless = text

    def get_line_filters(self) -> list[OnlyPrintable]:
        return [OnlyPrintable()]

    def compose(self) -> ComposeResult:
        yield Static(Content(self.careless))


@pytest.mark.parametrize("name", ["osc 52", "title", "csi", "c1", "bidi"])
async def test_raw_text_in_a_widget_is_intercepted(name: str) -> None:
    app = Careless(ATTACKS[name])
    async with app.run_test(size=(40, 5)) as pilot:
        await pilot.pause()
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
    assert not CONTROLS.search(shown.replace("\n", ""))
