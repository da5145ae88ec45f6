"""The one-line bars: how consent stands, and which screens or views there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from ...actions.programs import name_of
from ...sanitize import one_line
from ..looks import ACCENT, QUIET, SAFE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events

    from ...actions.status import Status

_STATES = {
    "on": ("ON", "recorded and delivered", ACCENT),
    "hold": ("UNDECIDED", "stays here, nothing is sent", ""),
    "off": ("OFF", "nothing is recorded or sent", SAFE),
}
_COOKIES = {
    "present": "ID present",
    "absent": "no ID",
    "locked": "ID locked",
    "unsafe": "ID unsafe, not sent",
}


class StatusLine(Static):
    """How consent stands, in words: always in sight, on every screen."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._state = ""
        self._whose = ""
        self._facts: list[str] = []

    def show(
        self, status: Status, *, reading: bool = False, readonly: bool = False, demo: bool = False
    ) -> None:
        """Show how things stand; while it is being read, nothing is said of the outbox."""
        facts = [f"debug {'ON: error texts too' if status.decision.debug else 'off'}"]
        facts.append(_COOKIES[status.cookie.state])
        if status.decision.inspect:
            facts.append("inspecting only")
        if reading:
            facts.append("reading…")
        if status.counts.set_aside:
            facts.append(f"{status.counts.set_aside} set aside")
        if status.counts.dropped:
            facts.append(f"{status.counts.dropped} lost")
        if demo:
            facts.append("DEMO")
        if readonly:
            facts.append("read-only")
        self._state = status.decision.state
        self._whose = name_of(status.program)
        self._facts = facts
        self.tooltip = Content(one_line(status.why, 200))
        self._draw()

    def on_resize(self) -> None:
        """Follow the width."""
        self._draw()

    def _draw(self) -> None:
        """Draw the state and the facts, and what the state means where there is room for that."""
        if not self._state:
            return
        word, meaning, style = _STATES[self._state]
        state = Content.assemble(f" {self._whose} ", (f" {word} ", f"bold reverse {style}"))
        facts = Content.assemble(*(part for f in self._facts for part in ((" · ", QUIET), f)))
        full = Content.assemble(state, f" {meaning}", facts)
        self.update(full if full.cell_length <= self.size.width else state + facts, layout=False)


class Picker(Static):
    """A row of names, one of them current; a click picks one."""

    @dataclass
    class Picked(Message):
        """A name was clicked.

        Attributes:
            picker: the row.
            key: which one.
        """

        picker: Picker
        key: str

        @property
        def control(self) -> Picker:
            """The row, for `@on`."""
            return self.picker

    def __init__(
        self,
        names: Sequence[tuple[str, str]],
        current: str,
        *,
        short: Mapping[str, str] | None = None,
        id: str | None = None,  # noqa: A002  # Textual's word
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._names = list(names)
        self._short = short or {}
        self.current = current
        self._columns: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Draw the row."""
        self._draw()

    def on_resize(self) -> None:
        """Follow the width."""
        self._draw()

    def rename(self, names: Sequence[tuple[str, str]], short: Mapping[str, str]) -> None:
        """Change what the names say."""
        if (list(names), short) != (self._names, self._short):
            self._names = list(names)
            self._short = short
            self._draw()

    def pick(self, key: str) -> None:
        """Make a name the current one, without a message."""
        self.current = key
        self._draw()

    def step(self, by: int) -> str:
        """Return the key that lies `by` names from the current one, around the end."""
        keys = [key for key, _ in self._names]
        return keys[(keys.index(self.current) + by) % len(keys)]

    def on_click(self, event: events.Click) -> None:
        """Tell which name was clicked."""
        for start, end, key in self._columns:
            if start <= event.x - self.content_offset.x < end:
                self.post_message(self.Picked(self, key))

    def _draw(self) -> None:
        short = [(key, self._short.get(key, name)) for key, name in self._names]
        parts: list[tuple[str, str]] = []
        for names, padding, gap in (
            (self._names, 1, 1),
            (self._names, 1, 0),
            (short, 1, 0),
            (short, 0, 1),
        ):
            self._columns, parts, at = [], [], 0
            for key, name in names:
                text = name.center(len(name) + 2 * padding)
                parts.append((text, "bold reverse" if key == self.current else QUIET))
                parts.append((" " * gap, ""))
                self._columns.append((at, at + len(text), key))
                at += len(text) + gap
            if at - gap <= self.size.width:
                break
        self.update(Content.assemble(*parts), layout=False)
