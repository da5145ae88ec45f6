"""The last line: the keys that matter here, and a click presses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

if TYPE_CHECKING:
    from textual import events
    from textual.binding import ActiveBinding
    from textual.screen import Screen

_LEFT_OUT_FIRST = ("list.mark", "app.debug", "app.telemetry")
_LEFT_OUT_LAST = ("app.help", "app.quit", "report.help", "report.quit")


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

    def on_resize(self) -> None:
        """Leave out what has no room."""
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        for start, end, key in self._columns:
            if start <= event.x < end:
                self.app.simulate_key(key)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self._draw()

    def _draw(self) -> None:
        shown: dict[str, tuple[str, str, str, bool]] = {}
        # Ctrl+C is known without being told.
        active_keys = sorted(self.screen.active_bindings.items(), key=_is_reflex)
        for key, active in active_keys:
            binding = active.binding
            if binding.show and binding.id and binding.id not in shown:
                name = self.app.get_key_display(binding)
                shown[binding.id] = (key, f" {name} ", f"{binding.description} ", active.enabled)
        # Help lists them all, so that it and the way out stay longest.
        leaving = [
            *_LEFT_OUT_FIRST,
            *(each for each in reversed(shown) if each not in _LEFT_OUT_LAST),
        ]
        for identity in leaving:
            if (
                sum(len(name) + len(words) for _, name, words, _ in shown.values())
                > self.size.width
            ):
                shown.pop(identity, None)
        parts: list[tuple[str, str]] = []
        self._columns = []
        at = 0
        for key, name, words, is_enabled in shown.values():
            style = "" if is_enabled else "dim "
            parts += [
                (name, f"{style}bold $footer-foreground"),
                (words, f"{style}$footer-foreground"),
            ]
            self._columns.append((at, at + len(name) + len(words), key))
            at += len(name) + len(words)
        self.update(Content.assemble(*parts), layout=False)


def _is_reflex(active: tuple[str, ActiveBinding]) -> bool:
    return active[0] == "ctrl+c"
