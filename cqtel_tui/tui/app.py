"""The application: its screens, its keys, and which action each key asks for."""

from __future__ import annotations

import contextlib
import gc
import signal
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from ..actions.results import take_back
from ..consent.choices import read_user
from ..errors import CqtelError
from ..paths import agreed
from ..sanitize import is_printable
from . import snapshot as moments
from .ending import signals_deferred
from .home import Home
from .screens.pending import Pending
from .screens.room import ROOMS
from .themes import keep_theme, kept_theme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from textual.app import SystemCommand
    from textual.dom import DOMNode
    from textual.screen import Screen
    from textual.theme import Theme

    from .ahead import Ahead

LOOK_EVERY_SECONDS = 1.0
_CHANGING = frozenset(
    {"telemetry", "debug", "send", "cover", "drop", "retry", "cookie", "undo", "trim", "lower"}
)


def _late(module: str, name: str) -> Callable[[], Screen[Any]]:
    """Return a screen that is imported when it is first gone to: the first one is drawn sooner."""

    def make() -> Screen[Any]:
        from importlib import import_module

        screen: Screen[Any] = getattr(import_module(f".screens.{module}", __package__), name)()
        return screen

    return make


class TelemetryApp(Home):
    """Shows what is pending, and asks what may be sent.

    Args:
        readonly: change nothing and send nothing.
        demo: say that this is a demonstration.
        room: the screen to begin with, a key of `ROOMS`.
        ahead: what is pending, where another process lists it already.
    """

    TITLE = "cqtel"
    CSS_PATH = "app.tcss"
    DEFAULT_MODE = "pending"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (76, "-normal"), (120, "-wide")]  # noqa: RUF012  # Textual types it so
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall"), (24, "-high")]  # noqa: RUF012
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "pending": Pending,
        "sent": _late("answered", "Sent"),
        "rejected": _late("answered", "Rejected"),
        "choices": _late("choices", "Choices"),
        "cookie": _late("cookie", "CookieScreen"),
        "stored": _late("stored", "Stored"),
        "files": _late("files", "Files"),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(at), f"switch_mode('{key}')", name, show=False, id=f"room.{key}",
                    tooltip=f"Go to: {name}")
            for at, (key, name) in enumerate(ROOMS.items(), 1)
        ),
        Binding("t", "telemetry", "Telemetry", id="app.telemetry",
                tooltip="Allow telemetry, refuse it, or undo the choice"),
        Binding("d", "debug", "Debug", id="app.debug",
                tooltip="Allow error texts to be recorded, or not"),
        Binding("u", "undo", "Undo", show=False, id="app.undo",
                tooltip="Undo the last drop or choice"),
        Binding("question_mark", "help", "Help", key_display="?", id="app.help",
                tooltip="All keys of this screen"),
        Binding("q,ctrl+c", "quit", "Quit", id="app.quit", tooltip="Leave"),
    ]  # fmt: skip

    def __init__(
        self,
        *,
        readonly: bool = False,
        demo: bool = False,
        room: str = "pending",
        ahead: Ahead | None = None,
    ) -> None:
        super().__init__(readonly=readonly, demo=demo, ahead=ahead)
        self.room = room

    def on_load(self) -> None:
        """Look at how things stand, and at the keys that were chosen, before anything is drawn."""
        if moments.is_soon_read(self.places) or (self._ahead and self._ahead.is_ready):
            self._show(*self._read())
        else:
            self.snapshot = moments.glance(self.places, self.directory)
        theme = kept_theme(self.places.config)
        if theme in self.available_themes:
            self.theme = theme
        keys = read_user(self.places.config).content.get("keys")
        if isinstance(keys, dict):
            chosen = {name: key for name, key in keys.items() if isinstance(key, str)}
            self.set_keymap({n: k for n, k in chosen.items() if is_printable(k) and k.strip(", ")})

    def on_mount(self) -> None:
        """Go on looking."""
        if self.room != self.DEFAULT_MODE:
            self.switch_mode(self.room)
        self.set_interval(LOOK_EVERY_SECONDS, self._look)
        if not self.readonly:
            self.theme_changed_signal.subscribe(self, self._keep_theme)
        if not self.is_headless:
            # All that is there by then stays: looking through it for garbage, again and again, held
            # up every tenth page.
            self.call_after_refresh(gc.freeze)
        if self.snapshot and self.snapshot.is_being_read:
            self.call_after_refresh(self._look)

    def _keep_theme(self, theme: Theme) -> None:
        try:
            keep_theme(agreed().config, theme.name)
        except (CqtelError, OSError) as error:
            self.tell(f"The theme cannot be saved: {error}", wrong=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what a read-only session may not do; show, but do not do, what cannot be seen."""
        del parameters
        return self.may_do() if action in _CHANGING else True

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every action in the command palette."""
        from textual.app import SystemCommand

        yield from super().get_system_commands(screen)
        seen = set()
        for namespace, bindings in screen._modal_binding_chain:  # noqa: SLF001  # Textual has no public way
            for _, binding in bindings:
                is_apps = binding.action.startswith("app.")
                name = binding.action.removeprefix("app.").partition("(")[0]
                owner: DOMNode = self if is_apps else namespace
                is_hidden = owner.check_action(name, ()) is False
                if binding.tooltip and binding.id not in seen and not is_hidden:
                    seen.add(binding.id)

                    def run(action: str = binding.action, place: Any = namespace) -> None:
                        self.call_later(self.run_action, action, place)

                    yield SystemCommand(binding.description, binding.tooltip, run)

    def action_help(self) -> None:
        """Show all keys of this screen."""
        from .screens.help import Help

        self.push_screen(Help(self.screen.active_bindings.values()))

    # What is changed -----------------------------------------------------------------------------

    @work(group="change")
    async def action_telemetry(self) -> None:
        """Ask what may be sent."""
        from .choosing import ask_telemetry

        await ask_telemetry(self)

    @work(group="change")
    async def action_debug(self) -> None:
        """Turn debug mode on, after a question, or off."""
        from .choosing import toggle_debug

        await toggle_debug(self)

    @work(group="change")
    async def action_cookie(self, action: str) -> None:
        """Reset, lock or unlock the cookie, after a question."""
        from .identity import change

        await change(self, action)

    @work(group="change")
    async def action_send(self, every: bool = False) -> None:  # noqa: FBT001, FBT002  # an action's argument
        """Send payloads, after a question."""
        from .payloads import send

        await send(self, every=every)

    @work(group="change")
    async def action_cover(self) -> None:
        """Let the yes that holds cover payloads that were pending before it."""
        from .payloads import cover

        await cover(self)

    @work(group="change")
    async def action_drop(self, every: bool = False) -> None:  # noqa: FBT001, FBT002  # an action's argument
        """Delete payloads, after a question; undo brings them back until the end of the session."""
        from .payloads import drop

        await drop(self, every=every)

    @work(group="change")
    async def action_trim(self) -> None:
        """Drop fields of one payload, after a question; undo puts them back while it is pending."""
        from .payloads import trim

        await trim(self)

    @work(group="change")
    async def action_lower(self) -> None:
        """Take the most identifying field out of one payload, after a question."""
        from .payloads import lower

        await lower(self)

    @work(group="change")
    async def action_retry(self) -> None:
        """Put rejected payloads back among the pending ones."""
        from .payloads import retry

        await retry(self)

    @work(group="change")
    async def action_undo(self) -> None:
        """Undo the last drop or choice."""
        if not self._undo:
            self.tell("There is nothing to undo.")
            return
        undo = self._undo.pop()
        await self.perform(lambda: take_back(undo))


def run(
    *,
    demo: bool = False,
    readonly: bool = False,
    room: str = "pending",
    ahead: Ahead | None = None,
    deliver: Callable[[int], object] = signal.raise_signal,
) -> int:
    """Run the UI until it is left; return the exit code.

    Args:
        demo: over a throw-away home.
        readonly: change nothing and send nothing.
        room: the screen to begin with.
        ahead: what is pending, where another process lists it already.
        deliver: what is called with a signal that came meanwhile, once all is cleaned up.
    """
    code = 1
    with contextlib.ExitStack() as stack:
        deferred = stack.enter_context(signals_deferred(deliver))
        if demo:
            from ..actions.demo import throw_away_home
            from ..collector.demonstration import receiving

            stack.enter_context(throw_away_home(receiving=receiving))
        app = TelemetryApp(readonly=readonly, demo=demo, room=room, ahead=ahead)
        app.run_to_the_end(deferred)
        code = app.exit_code
    return code  # noqa: RET504  # where a signal came first, it is not set
