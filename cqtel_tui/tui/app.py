"""The application: it knows the screens, changes what is asked for, and tells them of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from ..actions.results import take_back
from ..catalogue import CATALOGUE_VERSION
from ..consent.choices import read_user
from ..errors import CqtelError
from ..outbox.envelope import identity_of, read_label
from ..outbox.runs import RUNS, read_runs, run_of
from ..outbox.store import BOXES, Outbox
from ..paths import places
from ..sanitize import is_printable, printable
from . import snapshot as moments
from .base import OwnApp
from .ending import signals_deferred
from .screens.boxes import Box, Pending, Rejected, Sent
from .screens.room import ROOMS, is_too_small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from textual.app import SystemCommand
    from textual.screen import Screen

    from ..actions.results import Message, Result, Undo
    from ..outbox.envelope import Label
    from ..outbox.runs import Run
    from ..review.needles import Surroundings
    from .ahead import Ahead
    from .snapshot import Snapshot

LOOK_EVERY_SECONDS = 1.0
MAX_COPIED = 100_000
MAX_TOLD = 800
_CHANGING = frozenset({"telemetry", "debug", "send", "drop", "retry", "cookie", "undo", "trim"})


def _late(module: str, name: str) -> Callable[[], Screen[Any]]:
    """Return a screen that is imported when it is first gone to: the first one is drawn sooner."""

    def make() -> Screen[Any]:
        from importlib import import_module

        screen: Screen[Any] = getattr(import_module(f".screens.{module}", __package__), name)()
        return screen

    return make


class TelemetryApp(OwnApp[None]):
    """Shows what is held, asks what may be sent, and saves what a recording program reads.

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
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "pending": Pending,
        "sent": Sent,
        "rejected": Rejected,
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
                tooltip="Allow telemetry, refuse it, or take the choice back"),
        Binding("d", "debug", "Debug", id="app.debug",
                tooltip="Let error texts be recorded, or not"),
        Binding("u", "undo", "Undo", show=False, id="app.undo",
                tooltip="Take the last drop or choice back"),
        Binding("question_mark", "help", "Help", key_display="?", id="app.help",
                tooltip="All keys of this screen"),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave"),
    ]  # fmt: skip

    snapshot: reactive[Snapshot | None] = reactive(None, always_update=True)

    def __init__(
        self,
        *,
        readonly: bool = False,
        demo: bool = False,
        room: str = "pending",
        ahead: Ahead | None = None,
    ) -> None:
        super().__init__()
        self.readonly = readonly
        self.demo = demo
        self.room = room
        self.places = places()
        self.outbox = Outbox(self.places.state)
        try:
            self.directory = os.path.realpath(".")
        except OSError as error:
            raise CqtelError(
                f"The current directory cannot be read: {error.strerror}. Go to another one."
            ) from None
        self._stamp: tuple[int, ...] = ()
        self._runs: tuple[int, Sequence[Run]] = (0, ())
        self._is_looking = False
        self._ahead = ahead
        self._undo: list[Undo] = []

    # What everybody sees -------------------------------------------------------------------------

    def on_load(self) -> None:
        """Look at how things stand, and at the keys that were chosen, before anything is drawn."""
        if moments.is_soon_read(self.places) or (self._ahead and self._ahead.is_ready):
            self._show(*self._read())
        else:
            self.snapshot = moments.glance(self.places, self.directory)
        keys = read_user(self.places.config).content.get("keys")
        if isinstance(keys, dict):
            chosen = {name: key for name, key in keys.items() if isinstance(key, str)}
            self.set_keymap({n: k for n, k in chosen.items() if is_printable(k) and k.strip(", ")})

    def on_mount(self) -> None:
        """Go on looking."""
        if self.room != self.DEFAULT_MODE:
            self.switch_mode(self.room)
        self.set_interval(LOOK_EVERY_SECONDS, self._look)
        if not self.is_headless:
            # All that is there by then stays: looking through it for garbage, again and again, held
            # up every tenth page.
            self.call_after_refresh(gc.freeze)
        if self.snapshot and self.snapshot.is_being_read:
            self.call_after_refresh(self._look)

    def _look(self) -> None:
        """Look for news in a thread, one at a time: a large outbox may take longer than a turn."""
        if not self._is_looking:
            self._is_looking = True
            self._look_around()

    @work(thread=True, group="look")
    def _look_around(self) -> None:
        from ..gate.recovering import recover

        try:
            if not self.readonly:
                recover(self.places.state)
            if moments.stamp(self.places, self.directory) != self._stamp:
                self.call_from_thread(self._show, *self._read())
        finally:
            self._is_looking = False

    def _read(self) -> tuple[tuple[int, ...], Snapshot]:
        stamp = moments.stamp(self.places, self.directory)
        ahead, self._ahead = self._ahead, None
        pending = ahead.names() if ahead else None
        return stamp, moments.take(self.places, self.directory, pending=pending)

    def _show(self, stamp: tuple[int, ...], snapshot: Snapshot) -> None:
        self._stamp = stamp
        self.snapshot = snapshot

    @property
    def agreed_catalogue(self) -> int:
        """The catalogue version whose fields may be recorded."""
        return self.snapshot.status.decision.catalogue if self.snapshot else CATALOGUE_VERSION

    @cached_property
    def surroundings(self) -> Surroundings:
        """What is around this program that must not be in a payload; gathered once."""
        from ..gate.surroundings import surroundings_here

        return surroundings_here()

    def run_of(self, identity: str) -> Run | None:
        """Return the run of a program under the gate that a payload comes from, if it is known."""
        folder = self.outbox.folder / RUNS
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return None
        if changed != self._runs[0]:
            self._runs = changed, read_runs(self.places.state)
        return run_of(self._runs[1], identity)

    def payloads_of(self, run: Run) -> list[tuple[str, Label]]:
        """Return the payloads of a run that are still here, each with its box, in their order."""
        wanted = {identity: at for at, identity in enumerate(run.payloads)}
        found = [
            (box, label)
            for box, names in (self.snapshot.names.items() if self.snapshot else ())
            for name in names
            if box in BOXES
            and identity_of(name) in wanted
            and (label := read_label(name)) is not None
        ]
        return sorted(found, key=lambda each: wanted[each[1].id])

    async def go_to(self, box: str, identity: str) -> None:
        """Put the cursor on a payload, in whatever box it is."""
        await self.switch_mode(box)
        screen = self.screen
        if isinstance(screen, Box):
            screen.action_clear_filter()
            screen.envelopes.go_to(identity)

    def tell(self, text: str, *, wrong: bool = False) -> None:
        """Say something, literally, for a while."""
        severity = "error" if wrong else "information"
        self.notify(printable(text, limit=MAX_TOLD), severity=severity, markup=False)  # type: ignore[arg-type]

    def tell_messages(self, messages: Sequence[Message]) -> None:
        """Say what happened, and which keys do something about it."""
        if messages:
            words = " ".join(map(_sentence, messages))
            self.tell(words, wrong=any(message.is_warning for message in messages))

    def copy_text(self, text: str) -> None:
        """Copy to the clipboard (OSC 52), capped."""
        self.copy_to_clipboard(printable(text[:MAX_COPIED], newlines=True))
        self.tell(f"Copied {min(len(text), MAX_COPIED):,} characters.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show, but do not do, what a read-only session, or one that cannot be seen, may not."""
        del parameters
        return True if action not in _CHANGING or self.may_change else None

    @property
    def may_change(self) -> bool:
        """Whether anything may be changed or sent: not read-only, and nobody answers unseen."""
        return not self.readonly and not is_too_small(self.size)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every action in the command palette."""
        from textual.app import SystemCommand

        yield from super().get_system_commands(screen)
        seen = set()
        for namespace, bindings in screen._modal_binding_chain:  # noqa: SLF001  # Textual has no public way
            for _, binding in bindings:
                if binding.tooltip and binding.id not in seen:
                    seen.add(binding.id)

                    def run(action: str = binding.action, owner: Any = namespace) -> None:
                        self.call_later(self.run_action, action, owner)

                    yield SystemCommand(binding.description, binding.tooltip, run)

    def action_help(self) -> None:
        """Show all keys of this screen."""
        from .screens.help import Help

        self.push_screen(Help(self.screen.active_bindings.values()))

    # What is changed -----------------------------------------------------------------------------

    async def perform(self, action: Callable[[], Result]) -> Result | None:
        """Do something in a thread, tell what came of it, and remember how to take it back.

        Returns:
            what it changed; None if it failed, or was stopped halfway.
        """
        try:
            result = await asyncio.to_thread(action)
        except (CqtelError, OSError) as error:
            self.tell(str(error), wrong=True)
            return None
        finally:
            await self.read_anew()
        if result.undo is not None:
            self._undo.append(result.undo)
        self.tell_messages(result.messages)
        if result.problem is not None:
            self.tell(str(result.problem), wrong=True)
            return None
        return result

    async def read_anew(self) -> None:
        """Show how things stand now."""
        self._show(*await asyncio.to_thread(self._read))

    def forget_undo(self) -> None:
        """Let nothing be taken back any more that was done before."""
        self._undo.clear()

    def listed(self, box: str) -> list[Label]:
        """Return the labels of all that is in a box, as it is shown, the oldest first."""
        names = self.snapshot.names[box][::-1] if self.snapshot else ()
        return [label for name in names if (label := read_label(name)) is not None]

    @property
    def endpoint(self) -> str | None:
        """Where payloads go to; None for nowhere."""
        return self.snapshot.status.decision.endpoint if self.snapshot else None

    @work(group="change")
    async def action_telemetry(self) -> None:
        """Ask what may be sent."""
        from .choosing import ask_telemetry

        await ask_telemetry(self)

    @work(group="change")
    async def choose_telemetry(self, choice: str, project: str | None) -> None:
        """Save on, off or undecided."""
        from .choosing import set_telemetry

        if self.may_change:
            await set_telemetry(self, choice, project)

    @work(group="change")
    async def action_debug(self) -> None:
        """Turn debug mode on, after a question, or off."""
        from .choosing import toggle_debug

        await toggle_debug(self)

    @work(group="change")
    async def choose_debug(self, debug: bool, project: str | None) -> None:  # noqa: FBT001  # the choice itself
        """Save whether error texts may be recorded."""
        from .choosing import set_debug

        if self.may_change:
            await set_debug(self, project, is_on=debug)

    @work(group="change")
    async def choose_endpoint(self, url: str | None, project: str | None) -> None:
        """Save where to deliver to."""
        from .choosing import set_endpoint

        if self.may_change:
            await set_endpoint(self, url, project)

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
    async def action_retry(self) -> None:
        """Put rejected payloads back among the pending ones."""
        from .payloads import retry

        await retry(self)

    @work(group="change")
    async def action_undo(self) -> None:
        """Take the last drop or choice back."""
        if not self._undo:
            self.tell("There is nothing to take back.")
            return
        undo = self._undo.pop()
        await self.perform(lambda: take_back(undo))


def _sentence(message: Message) -> str:
    text = message.text.rstrip(".")
    if text.partition(" ")[0].rstrip(":,").isalpha():  # no id, and no URL
        text = f"{text[:1].upper()}{text[1:]}"
    return f"{text}." + (f" {message.key}." if message.key else "")


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

            stack.enter_context(throw_away_home())
        app = TelemetryApp(readonly=readonly, demo=demo, room=room, ahead=ahead)
        app.run_to_the_end(deferred)
        code = app.exit_code
    return code  # noqa: RET504  # where a signal came first, it is not set
