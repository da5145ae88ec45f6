"""The application: it knows the screens, changes what is asked for, and tells them of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from ..catalogue import CATALOGUE_VERSION
from ..consent import cookie as cookies
from ..consent.choices import read_user
from ..consent.decision import HOLD, OFF, ON
from ..deliver.permission import ALL, NAMED
from ..errors import CqtelError
from ..outbox.envelope import TornEnvelopeError, identity_of, read_label
from ..outbox.included import include
from ..outbox.receipts import write_receipt
from ..outbox.runs import RUNS, read_runs, run_of
from ..outbox.store import BOXES, REJECTED, NoSuchEnvelopeError, Outbox
from ..outbox.writing import PENDING
from ..paths import agreed, places
from ..sanitize import is_printable, one_line, printable
from . import snapshot as moments
from .base import OwnApp
from .ending import signals_deferred
from .routes import routes
from .screens.boxes import Box, Pending, Rejected, Sent
from .screens.room import ROOMS, is_too_small
from .themes import keep_theme, kept_theme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from textual.app import SystemCommand
    from textual.dom import DOMNode
    from textual.screen import Screen
    from textual.theme import Theme

    from ..deliver.permission import Asked
    from ..deliver.sender import Result
    from ..outbox.envelope import Label
    from ..outbox.receipts import Receipt
    from ..outbox.runs import Run
    from ..review.needles import Surroundings
    from .ahead import Ahead
    from .snapshot import Snapshot

LOOK_EVERY_SECONDS = 1.0
MAX_COPIED = 100_000
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
        self._undo: list[tuple[str, Callable[[], object]]] = []

    # What everybody sees -------------------------------------------------------------------------

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
        except OSError as error:
            self.tell(f"The theme cannot be kept: {error.strerror}.", wrong=True)

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
        self.notify(printable(text, limit=500), severity=severity, markup=False)  # type: ignore[arg-type]

    def copy_text(self, text: str) -> None:
        """Copy to the clipboard (OSC 52), capped."""
        self.copy_to_clipboard(printable(text[:MAX_COPIED], newlines=True))
        self.tell(f"Copied {min(len(text), MAX_COPIED):,} characters.")

    def open_elsewhere(self, data: bytes, *, exact: bool = False) -> None:
        """Show a read-only copy of some bytes in $PAGER or $EDITOR, and come back.

        Args:
            data: may hold all that a terminal obeys.
            exact: give an editor these very bytes; else what it gets can only be printed.
        """
        import subprocess
        import tempfile

        from .elsewhere import NoProgramError, as_visible, editor, pager

        try:
            program = editor(os.environ) if exact else pager(os.environ)
        except NoProgramError as error:
            self.tell(str(error), wrong=True)
            return
        with tempfile.TemporaryDirectory(prefix="cqtel-") as folder:
            copy = Path(folder, "payload.json")
            copy.write_bytes(data if exact else as_visible(data))
            copy.chmod(0o400)
            problem: Exception | None = None
            try:
                with self.suspend():
                    try:
                        # Where stdout is a pipe, it is somebody else's: nothing goes there.
                        out = None if os.isatty(1) else 2
                        subprocess.run([*program, str(copy)], stdout=out, check=False)
                    except OSError as error:  # only inside does the terminal come back
                        problem = error
            except SuspendNotSupported as error:
                problem = error
            if problem is not None:
                self.tell(f"{program[0]} cannot be opened: {problem}", wrong=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what a read-only session may not do; show, but do not do, what cannot be seen."""
        del parameters
        return self.may_do() if action in _CHANGING else True

    def may_do(self) -> bool | None:
        """Tell, as `check_action` does, whether an action may be done that changes or sends."""
        return False if self.readonly else True if self.may_change else None

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

    async def _change(self, change: Callable[[], object], done: str = "") -> bool:
        """Do something in a thread, show what it came to, and say whether it was done."""
        try:
            await asyncio.to_thread(change)
        except (CqtelError, OSError) as error:
            self.tell(str(error), wrong=True)
            return False
        finally:
            self._show(*await asyncio.to_thread(self._read))
        if done:
            self.tell(done)
        return True

    async def _save(
        self,
        change: Mapping[str, Any],
        project: str | None,
        done: str,
        include_also: Sequence[str] = (),
    ) -> bool:
        """Save a choice, and remember the one before for undo.

        A yes that is taken back, and then back again, is the yes that it was: what was recorded in
        between has another mark, or none, and is not covered.
        """
        from ..consent.saving import save

        endpoint = self.endpoint

        def save_all() -> None:
            if include_also:
                include(self.places.state, change["yes"], endpoint, include_also)
            save(agreed().config, change, project=project)

        read = read_user(self.places.config)
        scope = read.content.get("all" if project is None else "projects", {})
        before = (
            scope if project is None else scope.get(project, {}) if isinstance(scope, dict) else {}
        )
        back = {key: before.get(key) if isinstance(before, dict) else None for key in change}
        saved = await self._change(save_all, done)
        if saved:
            self._undo.append(("the choice", lambda: save(agreed().config, back, project=project)))
        return saved

    @work(group="change")
    async def action_telemetry(self) -> None:
        """Ask what may be sent."""
        from .screens.asking import Ask

        answer = await self.push_screen_wait(
            Ask(
                "May telemetry be sent, for all projects?",
                ["It is saved for every program that reads it. Nothing is sent before."],
                [
                    ("u", "undecided: hold it here", "default"),
                    ("o", "on", "default"),
                    ("f", "off", "default"),
                ],
            )
        )
        if answer in {"u", "o", "f"}:
            await self._telemetry({"u": "undecided", "o": ON, "f": OFF}[answer], None)

    @work(group="change")
    async def choose_telemetry(self, choice: str, project: str | None) -> None:
        """Save on, off or undecided."""
        if self.may_change:
            await self._telemetry(choice, project)

    async def _telemetry(self, choice: str, project: str | None) -> None:
        from ..consent.saving import decide_telemetry
        from .screens.asking import Ask

        names = await self._held() if choice == ON else []
        held = len(names)
        is_included = False
        if held:
            answer = await self.push_screen_wait(
                Ask(
                    "1 payload was held before this yes. May it be sent, too?"
                    if held == 1
                    else f"{held:,} payloads were held before this yes. May they be sent, too?",
                    ["If not, what is held stays here until you send or drop it."],
                    [("n", "no, keep it here", "default"), ("y", "yes, send it too", "default")],
                )
            )
            if answer is None:
                return
            is_included = answer == "y"
        change = decide_telemetry(choice if choice in {ON, OFF} else None)
        ids = list(map(identity_of, names)) if is_included else []
        if not await self._save(change, project, "", include_also=ids):
            return
        self._say_outcome(choice)
        if choice == OFF:
            await self._offer_to_delete()
        elif is_included and self.endpoint:
            labels = [label for name in names if (label := read_label(name)) is not None]
            await self._send(labels, ALL)

    async def _held(self) -> Sequence[str]:
        if self.snapshot and not self.snapshot.is_being_read:
            return self.snapshot.names[PENDING]
        return (await asyncio.to_thread(self._read))[1].names[PENDING]

    def _say_outcome(self, choice: str) -> None:
        """Say what a choice came to; another layer may have the last word."""
        status = self.snapshot.status if self.snapshot else None
        if status is None:
            return
        wanted = choice if choice in {ON, OFF} else HOLD
        if status.decision.state != wanted:
            self.tell(
                f"Saved, but telemetry is {status.decision.state}: "
                f"{one_line(status.why, 200)} decides.",
                wrong=True,
            )
        elif choice == ON and not status.decision.endpoint:
            self.tell("Telemetry is on. There is no endpoint: payloads stay here. 4 sets one.")
        else:
            self.tell(f"Telemetry is {'undecided' if wanted == HOLD else wanted}.")

    async def _offer_to_delete(self) -> None:
        from ..actions.withdrawal import discard
        from .screens.requesting import agrees_to_forget

        if await agrees_to_forget(
            self,
            "Telemetry is off. Delete what was recorded, too?",
            "What is held, what is kept of what was sent, and the cookie. No undo.",
            yes="yes, delete all",
            no="no, keep it",
        ):
            self._undo.clear()  # what was dropped before is gone for good, too
            await self._change(
                lambda: discard(self.places, self.directory),
                "All payloads and the cookie are gone.",
            )

    @work(group="change")
    async def action_debug(self) -> None:
        """Turn debug mode on, after a question, or off."""
        read = read_user(self.places.config)
        await self._debug(not read.every.debug, None)

    @work(group="change")
    async def choose_debug(self, debug: bool, project: str | None) -> None:  # noqa: FBT001  # the choice itself
        """Save whether error texts may be recorded."""
        if self.may_change:
            await self._debug(debug, project)

    async def _debug(self, debug: bool, project: str | None) -> None:  # noqa: FBT001
        from ..consent.saving import decide_debug
        from .screens.asking import yes_or_no

        if debug:
            answer = await self.push_screen_wait(
                yes_or_no(
                    "Record error texts from now on?",
                    "They can hold paths, names, addresses and credentials.",
                    "Each one can be read here before it is sent.",
                    yes="yes, record them",
                )
            )
            if answer != "y":
                return
        if await self._save(decide_debug(debug), project, "") and self.snapshot:
            status = self.snapshot.status
            self.tell(f"Debug mode is {'on' if status.decision.debug else 'off'}.")
            if debug and not status.decision.debug:
                self.tell("Saved, but another layer keeps debug mode off: see 4.", wrong=True)

    @work(group="change")
    async def choose_endpoint(self, url: str | None, project: str | None) -> None:
        """Save where to deliver to."""
        from ..consent.saving import decide_endpoint

        if not self.may_change:
            return
        try:
            change = decide_endpoint(url)
        except CqtelError as error:
            self.tell(str(error), wrong=True)
            return
        url = change["endpoint"]  # with its path, where none was given
        words = f"Payloads go to {one_line(url, 200)}." if url else "Payloads stay here."
        await self._save(change, project, words)

    @work(group="change")
    async def action_cookie(self, action: str) -> None:
        """Reset, lock or unlock the cookie, after a question."""
        from .screens.asking import yes_or_no
        from .screens.requesting import agrees_to_forget

        questions = {
            "reset": ("Forget this cookie?", "The next payload has a new id, or none.", "reset"),
            "lock": (
                "Put a directory in the cookie's place?",
                "No payload has an id from then on. Earlier releases' cookies are locked, too.",
                "lock",
            ),
            "unlock": ("Unlock the cookie?", "The next payload may have a new id.", "unlock"),
        }
        question, detail, word = questions[action]
        yes = f"yes, {word} it"
        if action == "unlock":
            agreed_to = await self.push_screen_wait(yes_or_no(question, detail, yes=yes)) == "y"
        else:
            agreed_to = await agrees_to_forget(self, question, detail, yes=yes)
        if not agreed_to:
            return
        if action == "reset":
            await self._change(self._reset_cookie)
        else:
            change = cookies.lock if action == "lock" else cookies.unlock
            state = self.places.state
            await self._change(lambda: change(self.directory, state), f"The cookie is {word}ed.")

    def _reset_cookie(self) -> None:
        is_on = self.snapshot is not None and self.snapshot.status.decision.state == ON
        old, new = cookies.reset(self.directory, self.places.state, create=is_on)
        self.call_from_thread(self.tell, f"{old or 'no cookie'} → {new or 'none'}")

    # What becomes of payloads --------------------------------------------------------------------

    def _chosen(self, *, every: bool) -> list[Label]:
        screen = self.screen
        if not isinstance(screen, Box):
            return []
        return self.outbox.labels(screen.NAME) if every else screen.envelopes.chosen

    @property
    def endpoint(self) -> str | None:
        """Where payloads go to; None for nowhere."""
        return self.snapshot.status.decision.endpoint if self.snapshot else None

    @work(group="change")
    async def action_send(self, every: bool = False) -> None:  # noqa: FBT001, FBT002  # an action's argument
        """Send payloads, after a question."""
        from ..consent.saving import decide_telemetry
        from .screens.asking import yes_or_no

        labels = self._chosen(every=every)
        if not labels or self.snapshot is None:
            return
        status = self.snapshot.status
        if status.decision.state == OFF:
            self.tell(
                f"Nothing is sent: telemetry is off ({one_line(status.why, 200)}).", wrong=True
            )
            return
        asked = ALL if every else NAMED
        labels, details = await asyncio.to_thread(routes, self.places, labels, asked)
        if not labels:
            self.tell(f"Nothing is sent: {' '.join(details)}", wrong=True)
            return
        number = f"{len(labels)} payload{'s' if len(labels) > 1 else ''}"
        question = f"Send {number}?"
        if status.decision.state == HOLD:
            question = f"Allow telemetry from now on, and send {number}?"
            details.append("You have not decided yet: without a yes, nothing is sent.")
        answer = await self.push_screen_wait(yes_or_no(question, *details, yes="yes, send"))
        if answer != "y":
            return
        if status.decision.state == HOLD and not await self._save(decide_telemetry(ON), None, ""):
            return
        await self._send(labels, asked)

    async def _send(self, labels: Sequence[Label], asked: Asked) -> None:
        from .screens.sending import Sending

        results: list[Result] | None = await self.push_screen_wait(
            Sending(self.places, labels, asked)
        )
        self._show(*await asyncio.to_thread(self._read))
        if not results:
            return
        sent = sum(result.outcome.value == "sent" for result in results)
        if sent == len(labels):
            self.tell(f"Sent {sent}. The receipts are under 2.")
        else:
            last = next(result for result in results[::-1] if result.outcome.value != "sent")
            self.tell(f"Sent {sent} of {len(labels)}: {last.outcome.value}, {last.why}", wrong=True)

    @work(group="change")
    async def action_drop(self, every: bool = False) -> None:  # noqa: FBT001, FBT002  # an action's argument
        """Delete payloads, after a question; undo brings them back until the end of the session."""
        from .screens.asking import yes_or_no

        labels = self._chosen(every=every)
        screen = self.screen
        if not labels or not isinstance(screen, Box):
            return
        box = screen.NAME
        number = f"{len(labels)} payload{'s' if len(labels) > 1 else ''}"
        where = "unsent" if box == PENDING else "and what is known of their delivery"
        answer = await self.push_screen_wait(
            yes_or_no(f"Delete {number}, {where}?", "u takes it back.", yes="yes, delete")
        )
        if answer != "y":
            return
        kept: list[tuple[Label, bytes, Receipt | None]] = []

        def drop() -> None:
            for label in labels:
                # What is gone already needs no undo, what cannot even be read can have none.
                with contextlib.suppress(NoSuchEnvelopeError, TornEnvelopeError):
                    kept.append((label, self.outbox.read(box, label), self._receipt(box, label)))
                self.outbox.drop(box, label)

        def put_back() -> None:
            for label, data, receipt in kept:
                self.outbox.put_back(box, label, data)
                if receipt is not None:
                    write_receipt(self.outbox.path(box, label), receipt)

        await self._change(drop, f"Deleted {number}. u takes it back.")
        if kept:
            self._undo.append((f"deleting {len(kept)}", put_back))

    @work(group="change")
    async def action_trim(self) -> None:
        """Drop fields of one payload, after a question; undo puts them back while it is held."""
        from ..gate.trimming import fields, without
        from .screens.asking import yes_or_no
        from .screens.trimming import Trimming

        screen = self.screen
        label = screen.envelopes.current if isinstance(screen, Box) else None
        if label is None or screen.NAME != PENDING:  # type: ignore[attr-defined]
            return
        try:
            envelope = self.outbox.open(PENDING, label)
            choices = fields(envelope)
        except CqtelError as error:
            self.tell(str(error), wrong=True)
            return
        paths = await self.push_screen_wait(Trimming(choices))
        if not paths:
            return
        number = f"{len(paths)} field{'s' if len(paths) > 1 else ''}"
        listed = ", ".join(one_line(path, 100) for path in paths[:5])
        more = f" and {len(paths) - 5:,} more" if len(paths) > 5 else ""  # noqa: PLR2004
        answer = await self.push_screen_wait(
            yes_or_no(
                f"Drop {number} of this payload?",
                f"{listed}{more}",
                "The receiver may refuse what has lost a field that it needs. u takes it back.",
                yes="yes, drop",
            )
        )
        if answer != "y":
            return
        kept = [label]

        def trim() -> None:
            payload = without(envelope, paths)
            kept[0] = self.outbox.replace(label, payload, dropped=len(paths))

        def put_back() -> None:
            self.outbox.replace(kept[0], envelope.payload, dropped=-len(paths))

        if await self._change(trim, f"Dropped {number}. u takes it back."):
            self._undo.append((f"dropping {number}", put_back))

    def _receipt(self, box: str, label: Label) -> Receipt | None:
        try:
            return self.outbox.receipt(box, label)
        except CqtelError:  # it cannot be read, and so it cannot be put back
            return None

    @work(group="change")
    async def action_retry(self) -> None:
        """Put rejected payloads back among the held ones."""
        labels = self._chosen(every=False)
        if labels and self.screen.NAME == REJECTED:  # type: ignore[attr-defined]

            def retry() -> None:
                for label in labels:
                    self.outbox.retry(label)

            await self._change(retry, f"{len(labels)} held again.")

    @work(group="change")
    async def action_undo(self) -> None:
        """Take the last drop or choice back."""
        if not self._undo:
            self.tell("There is nothing to take back.")
            return
        what, undo = self._undo.pop()
        await self._change(undo, f"Took back {what}.")


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
