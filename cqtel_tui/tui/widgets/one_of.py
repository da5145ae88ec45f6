"""Choose one of a few: shows what is stored, and never what it hopes for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events


class OneOf(Static, can_focus=True):
    """A row of answers. Left and right move, Enter asks for one; `show` says what is stored.

    Args:
        answers: key and words of each answer.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Left", show=False, id="choice.left",
                tooltip="To the answer on the left; nothing is saved yet"),
        Binding("right,l", "move(1)", "Right", show=False, id="choice.right",
                tooltip="To the answer on the right; nothing is saved yet"),
        Binding("enter,space", "choose", "Choose", key_display="enter", id="choice.choose",
                tooltip="Save the answer under the cursor"),
    ]  # fmt: skip

    @dataclass
    class Asked(Message):
        """An answer was asked for; what is stored has not changed.

        Attributes:
            one_of: the row.
            key: the answer's.
        """

        one_of: OneOf
        key: str

        @property
        def control(self) -> OneOf:
            """The row, for `@on`."""
            return self.one_of

    def __init__(self, answers: Sequence[tuple[str, str]], *, id: str) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._answers = list(answers)
        self._stored = ""
        self._at = 0
        self._columns: list[tuple[int, int]] = []

    def offer(self, answers: Sequence[tuple[str, str]]) -> None:
        """Offer other answers; the cursor stays on its own, if that is still there."""
        if list(answers) == self._answers:
            return
        at = self._answers[self._at][0] if self._answers else ""
        self._answers = list(answers)
        keys = [key for key, _ in answers]
        self._at = keys.index(at) if at in keys else 0
        self._draw()

    def show(self, stored: str) -> None:
        """Show what is stored."""
        if stored != self._stored:
            self._stored = stored
            keys = [key for key, _ in self._answers]
            # Under somebody's hands the cursor stays: the next Enter is meant for that answer.
            if not self.has_focus:
                self._at = keys.index(stored) if stored in keys else 0
        self._draw()

    def on_mount(self) -> None:
        """Draw the row."""
        self._draw()

    def watch_has_focus(self, _has_focus: bool) -> None:  # noqa: FBT001  # Textual's signature
        """Draw the cursor, or take it away."""
        super().watch_has_focus(_has_focus)
        self._draw()

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._at = max(0, min(self._at + by, len(self._answers) - 1))
        self._draw()

    def action_choose(self) -> None:
        """Ask for the answer under the cursor."""
        self.post_message(self.Asked(self, self._answers[self._at][0]))

    def on_click(self, event: events.Click) -> None:
        """Ask for the answer under the mouse."""
        for at, (start, end) in enumerate(self._columns):
            if start <= event.x < end:
                self._at = at
                self._draw()
                self.action_choose()

    def _draw(self) -> None:
        parts: list[tuple[str, str]] = []
        self._columns = []
        column = 0
        for at, (key, words) in enumerate(self._answers):
            text = f" ({'●' if key == self._stored else ' '}) {words} "
            style = "bold" if key == self._stored else ""
            parts.append((text, f"{style} reverse" if self.has_focus and at == self._at else style))
            self._columns.append((column, column + len(text)))
            column += len(text)
        self.update(Content.assemble(*parts))
