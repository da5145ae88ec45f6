"""Show many lines of text: wrapped to the width, rendered only where they are seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from ..looks import LOUD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

MAX_LINES = 20_000
_LONG = 1_000
"""Characters: a longer paragraph without a style is not read by words: it is cut, not wrapped."""
_COLUMNS = re.compile(r" *(?:\S.{0,20}?  +){0,2}")


class Lines(ScrollView, can_focus=True):
    """A scrolling text of any length.

    What it is given is literal: no markup is read in it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="lines.down",
                tooltip="One line down, as the arrow does"),
        Binding("k", "scroll_up", "Up", show=False, id="lines.up",
                tooltip="One line up, as the arrow does"),
        Binding("g", "scroll_home", "Top", show=False, id="lines.top",
                tooltip="To the first line"),
        Binding("G", "scroll_end", "Bottom", show=False, id="lines.bottom",
                tooltip="To the last line"),
        Binding("ctrl+d", "page_down", "Page down", show=False, id="lines.page_down",
                tooltip="One page down"),
        Binding("ctrl+u", "page_up", "Page up", show=False, id="lines.page_up",
                tooltip="One page up"),
    ]  # fmt: skip

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id, classes=classes)
        self._paragraphs: Sequence[Content] = ()
        self._wrapped: list[Content] = []
        self._width = 0
        self._drawn: dict[int, Strip] = {}
        self._stops: Sequence[int] = ()
        self._at = 0
        self._starts: list[int] = []

    @property
    def text(self) -> str:
        """What is shown, unwrapped."""
        return "\n".join(paragraph.plain for paragraph in self._paragraphs)

    @dataclass
    class Chosen(Message):
        """Another of the lines that can be chosen is.

        Attributes:
            lines: the text.
            at: its number among those.
        """

        lines: Lines
        at: int

        @property
        def control(self) -> Lines:
            """The text, for `@on`."""
            return self.lines

    def choose_from(self, stops: Sequence[int], at: int) -> None:
        """Let some paragraphs be chosen by the keys that scroll, and bring one into sight."""
        self._stops = stops
        self._at = at
        if stops and self._starts:
            ends = [*self._starts, len(self._wrapped)]
            following = stops[at + 1] if at + 1 < len(stops) else len(self._starts)
            first = self._starts[stops[at]] if at else 0
            lines = min(ends[following] - first, self.scrollable_content_region.height)
            region = Region(0, first, self.size.width, max(1, lines))
            self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def action_scroll_down(self) -> None:
        """Choose the next line that can be, or go a line down."""
        if self._stops:
            self._choose(self._at + 1)
        else:
            super().action_scroll_down()

    def action_scroll_up(self) -> None:
        """Choose the line before that can be, or go a line up."""
        if self._stops:
            self._choose(self._at - 1)
        else:
            super().action_scroll_up()

    def action_scroll_home(self) -> None:
        """Choose the first line that can be, or go to the top."""
        if self._stops:
            self._choose(0)
        else:
            super().action_scroll_home()

    def action_scroll_end(self) -> None:
        """Choose the last line that can be, or go to the bottom."""
        if self._stops:
            self._choose(len(self._stops) - 1)
        else:
            super().action_scroll_end()

    def _choose(self, at: int) -> None:
        at = max(0, min(at, len(self._stops) - 1))
        if at != self._at:
            self.post_message(self.Chosen(self, at))

    def on_click(self, event: events.Click) -> None:
        """Choose the line under the mouse."""
        line = int(event.y) + self.scroll_offset.y
        for at, stop in enumerate(self._stops):
            if self._starts[stop] == line:
                self._choose(at)

    def show(self, paragraphs: Sequence[Content], *, keep_position: bool = False) -> None:
        """Show these paragraphs, from the top unless the position is to be kept."""
        self._stops = ()
        self._paragraphs = paragraphs[:MAX_LINES]
        left_out = len(paragraphs) - MAX_LINES
        if left_out > 0:
            more = Content(f"!! … and {left_out:,} lines more").stylize(LOUD)
            self._paragraphs = [*self._paragraphs, more]
        self._wrap()
        if not keep_position:
            self.scroll_home(animate=False)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew where the width changed."""
        del event
        if self.scrollable_content_region.width != self._width:
            self._wrap()

    def _wrap(self) -> None:
        self._width = width = self.scrollable_content_region.width
        if width <= 0:
            return
        self._drawn.clear()
        self._wrapped = []
        self._starts = []
        for paragraph in self._paragraphs:
            self._starts.append(len(self._wrapped))
            text = paragraph.plain
            if len(text) > _LONG and not paragraph.spans and text.isascii() and "\n" not in text:
                cuts = range(0, len(text), width)
                self._wrapped += [Content(text[at : at + width]) for at in cuts]
            elif paragraph.cell_length <= width and "\n" not in text:
                self._wrapped.append(paragraph)
            else:
                self._wrapped += _hanging(paragraph, width)
        self._resize_text(Size(width, len(self._wrapped)))
        self.refresh()

    def _resize_text(self, size: Size) -> None:
        if not self.show_vertical_scrollbar or size.height <= self.size.height:
            self.virtual_size = size  # the scrollbar may come or go, which lays out all anew
            return
        self.set_reactive(Lines.virtual_size, size)
        self.vertical_scrollbar.window_virtual_size = size.height
        self.scroll_to(y=min(self.scroll_offset.y, self.max_scroll_y), animate=False, force=True)

    def notify_style_update(self) -> None:
        """Draw all lines anew: the colours are others."""
        super().notify_style_update()
        self._drawn.clear()

    def render_line(self, y: int) -> Strip:
        """Render one line of the screen."""
        at = y + self.scroll_offset.y
        drawn = self._drawn.get(at)
        if drawn is None:
            drawn = self._drawn[at] = self._draw(at)
        return drawn

    def _draw(self, at: int) -> Strip:
        width = self.scrollable_content_region.width
        style = self.visual_style
        if at >= len(self._wrapped):
            return Strip.blank(width, style.rich_style)
        line = self._wrapped[at]
        strips = Visual.to_strips(self, line, width, 1, style, apply_selection=False)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.extend_cell_length(width, style.rich_style).crop(0, width)


def _hanging(paragraph: Content, width: int) -> list[Content]:
    """Wrap a paragraph; its later lines begin where its text, or its last column, begins."""
    columns = _COLUMNS.match(paragraph.plain)
    indent = columns.end() if columns and columns.end() <= width // 2 else 0
    first, *later = paragraph[indent:].wrap(width - indent)
    return [paragraph[:indent] + first, *(line.pad_left(indent) for line in later)]
