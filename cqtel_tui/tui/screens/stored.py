"""The screen that says what may ever be stored, and what never is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from ... import promises
from .. import views
from ..widgets.lines import Lines
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget


class Stored(Room):
    """The promises, and the catalogue."""

    NAME = "stored"

    def body(self) -> Iterable[Widget]:
        """Lay out one text."""
        yield Lines(id="stored-text", classes="page")

    def on_mount(self) -> None:
        """Show the promises."""
        super().on_mount()
        text = self.query_one("#stored-text", Lines)
        text.show(self._text())
        text.focus()

    def on_resize(self) -> None:
        """Follow the width."""
        self.query_one("#stored-text", Lines).show(self._text(), keep_position=True)

    @staticmethod
    def _text() -> list[Content]:
        lines = [views.title("Stored, says the documentation"), Content("")]
        for key, sentence in promises.STORED.items():
            lines.append(Content.assemble(("  ✓ ", "$text-success"), (sentence, "bold")))
            names = [field.key for field in promises.FIELDS if field.promise == key]
            lines.append(views.muted(f"      {', '.join(names)}"))
        lines += [Content(""), views.title("Not stored, says the documentation"), Content("")]
        lines += [
            Content.assemble(("  ✗ ", "$text-error"), (sentence, "bold"))
            for sentence in promises.NOT_STORED.values()
        ]
        lines += [Content(""), views.title("Every field that there may be"), Content("")]
        for field in promises.FIELDS:
            lines.append(Content.assemble("  ", (field.key, "bold"), f"  {field.shape}"))
            lines.append(views.muted(f"      {field.why}"))
            lines.append(views.muted(f"      Identifying: {field.risk}, {field.because}."))
        return lines
