"""What all our apps have in common: how they get at the terminal, and how they leave it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.worker import WorkerFailed

from .ending import Deferred
from .last_line import OnlyPrintable
from .letters import has_only_ascii
from .themes import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.driver import Driver
    from textual.filter import LineFilter

Answered = TypeVar("Answered")
AGAIN_SECONDS = 0.3
"""More than lies between two strokes of one finger, less than it takes to read on."""


class OwnApp(App[Answered]):
    """An app that gives the terminal back, however it ends; and a crash is no success."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, id="app.suspend",
                tooltip="Back to the shell; `fg` comes back here"),
    ]  # fmt: skip

    # Textual would look for the parent of what was clicked, which may be gone by then. Terminals
    # select by themselves, with Shift.
    ALLOW_SELECT = False
    clock = staticmethod(time.monotonic)

    def __init__(self) -> None:
        super().__init__()
        self.has_crashed = False
        self._last_key = ("", 0.0)
        self._answer = ("", 0.0)
        self._answered_question = False
        self._deferred = Deferred()
        self._only_printable = OnlyPrintable(only_ascii=has_only_ascii(os.environ))

    @property
    def exit_code(self) -> int:
        """What a process that shows this app exits with."""
        return 1 if self.has_crashed else self.return_code or 0

    def note_answer(self, *, is_to_question: bool) -> None:
        """Take the key that was pressed last for an answer.

        Args:
            is_to_question: any key that follows in the same breath was meant for the question, and
                for nothing that shows instead of it; else the same key alone.
        """
        self._answer = self._last_key
        self._answered_question = is_to_question

    async def on_event(self, event: events.Event) -> None:
        """Leave out keys that come behind an answer before anybody can see what is next."""
        if isinstance(event, events.Key):
            if self._is_meant_for_answered(event.key):
                return
            self._last_key = (event.key, self.clock())
        await super().on_event(event)

    def _is_meant_for_answered(self, key: str) -> bool:
        answered, at = self._answer
        is_soon = bool(answered) and self.clock() - at <= AGAIN_SECONDS
        if not is_soon or (key != answered and not self._answered_question):
            self._answer = ("", 0.0)
            return False
        if key == answered:
            self._answer = (key, self.clock())  # as long as it is held down
        return True

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Let nothing but printable text reach the terminal."""
        return [*super().get_line_filters(), self._only_printable]

    def run_to_the_end(self, deferred: Deferred, *, inline: bool = False) -> Answered | None:
        """Run until it is left, or until a signal comes; return what it comes to.

        Args:
            deferred: where signals wait.
            inline: draw under what is on the screen.
        """
        self._deferred = deferred
        return self.run(inline=inline)

    async def run_async(self, **options: Any) -> Answered | None:
        """Run, and let a signal end it."""
        loop = asyncio.get_running_loop()
        self._deferred.tell = lambda: loop.call_soon_threadsafe(self._end_by_signal)
        try:
            return await super().run_async(**options)
        finally:
            self._deferred.tell = None

    def _end_by_signal(self) -> None:
        self.exit(return_code=128 + (self._deferred.number or 0))

    def get_driver_class(self) -> type[Driver]:
        """Return how the terminal is drawn on."""
        chosen = super().get_driver_class()
        if sys.platform == "win32":
            return chosen
        from . import drivers

        own: dict[str, type[Driver]] = {
            "LinuxDriver": drivers.FullScreen,
            "WebDriver": drivers.Browser,
        }
        return own.get(chosen.__name__, chosen)

    def _build_driver(
        self,
        headless: bool,  # noqa: FBT001  # Textual's signature
        inline: bool,  # noqa: FBT001
        mouse: bool,  # noqa: FBT001
        size: tuple[int, int] | None,
    ) -> Driver:
        if headless or not inline or sys.platform == "win32":
            return super()._build_driver(headless, inline, mouse, size)
        from .drivers import Inline

        self._driver = Inline(self, mouse=mouse, size=size)
        return self._driver

    def _handle_exception(self, error: Exception) -> None:
        # While it ends, widgets go one by one, and messages still come to those that are left.
        cause = error.error if isinstance(error, WorkerFailed) else error
        if not (self._exit and isinstance(cause, NoMatches)):
            super()._handle_exception(error)

    def panic(self, *renderables: Any) -> None:
        """End, and say why: that is never a success."""
        self.has_crashed = True
        super().panic(*renderables)

    def _fatal_error(self) -> None:
        self.has_crashed = True
        super()._fatal_error()

    def get_css_variables(self) -> dict[str, str]:
        """Return the theme's colours, so that every text can be read."""
        return readable(super().get_css_variables())

    def action_command_palette(self) -> None:
        """Search every action."""
        from .palette import Palette

        is_open = any(isinstance(screen, Palette) for screen in self.screen_stack)
        if self.use_command_palette and not is_open:
            self.push_screen(Palette())  # no id: one may still be on its way out

    def action_suspend_process(self) -> None:
        """Stop as any program does at Ctrl+Z: with all that the shell started as one job."""
        if sys.platform == "win32" or self._driver is None or not self._driver.can_suspend:
            return
        from .drivers import is_under_job_control

        if is_under_job_control():
            self._suspend_signal()
            os.kill(0, signal.SIGTSTP)
        else:
            self.notify("There is no shell to go back to.", markup=False)

    def came_back(self) -> None:
        """Draw all anew."""
        self.refresh(layout=True)
        for screen in self.screen_stack:
            screen.refresh(layout=True)
