"""The field above a list that narrows it while one types."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from .rows import Narrowed


class Filter(Input):
    """Says what the list is to be narrowed to, at every key, and at Enter that it is done."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Apply", key_display="enter", id="filter.keep",
                tooltip="Apply the filter, and go back to the list"),
        Binding("escape", "screen.clear_filter", "Show all", key_display="esc", id="filter.clear",
                tooltip="Show all again"),
    ]  # fmt: skip

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(
            placeholder="filter: words, op:sync, program:…, to:…, since:7d, failed", id=id
        )

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(Narrowed(event.value, done=False))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = bool(event.value)
        self.post_message(Narrowed(event.value, done=True))
