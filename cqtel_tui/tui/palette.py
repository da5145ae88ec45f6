"""Textual's command palette, that may be left as soon as it is opened."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from textual import work
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.css.query import NoMatches

if TYPE_CHECKING:
    from textual.events import Mount

_WITH_ONE_BELOW = 2


class Palette(CommandPalette):
    """Searches every action.

    Its search begins when it is opened, and looks for a list that is gone if it was left meanwhile.
    Left twice at once, it would take the screen below with it.
    """

    _is_left = False

    def _on_mount(self, event: Mount) -> None:
        """Begin, unless it was left before it was there: then no screen lies under it."""
        if self._is_left or len(self.app.screen_stack) < _WITH_ONE_BELOW:
            event.prevent_default()

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Go away, once."""
        if self._is_left:
            return AwaitComplete()
        self._is_left = True
        return super().dismiss(result)

    @work(exclusive=True, group=CommandPalette._GATHER_COMMANDS_GROUP)  # noqa: SLF001  # to replace Textual's
    async def _gather_commands(self, search_value: str) -> None:
        search: Any = CommandPalette._gather_commands  # noqa: SLF001  # what it replaces
        with contextlib.suppress(NoMatches):
            await search.__wrapped__(self, search_value)

    def _action_command_list(self, action: str) -> None:
        # A page down in a list that is not laid out yet looks for its first line.
        with contextlib.suppress(KeyError, IndexError):
            super()._action_command_list(action)
