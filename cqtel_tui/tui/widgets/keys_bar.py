"""The last line: the keys that matter here, and a click presses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

if TYPE_CHECKING:
    from textual import events
    from textual.screen import Screen


class KeysBar(Static):
    """Shows the active bindings of its screen that ask to be shown, in one line.

    Textual's own footer makes a widget of every key, which takes a third of the time to the first
    paint.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._columns: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Follow the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self.call_after_refresh(self._draw)

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        for start, end, key in self._columns:
            if start <= event.x < end:
                self.app.simulate_key(key)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self._draw()

    def _draw(self) -> None:
        parts: list[tuple[str, str]] = []
        self._columns = []
        at = 0
        seen = set()
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            if not binding.show or not binding.id or binding.id in seen:
                continue
            seen.add(binding.id)
            shown = self.app.get_key_display(binding)
            text = f" {shown} {binding.description} "
            style = "" if active.enabled else "dim "
            parts += [
                (f" {shown} ", f"{style}bold $footer-key-foreground"),
                (f"{binding.description} ", f"{style}$footer-foreground"),
            ]
            self._columns.append((at, at + len(text), key))
            at += len(text)
        self.update(Content.assemble(*parts))
