"""The screens over the outbox: what they have in common, and the one of what is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content

from ...actions.showing import note_payload_shown
from ...consent.decision import ON
from ...errors import CqtelError
from ...outbox.envelope import TornEnvelopeError
from ...outbox.writing import PENDING
from ...review.destination import bound_for
from .. import views
from ..widgets.detail import Detail
from ..widgets.envelopes import SORTS, Envelopes, Narrowed
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.timer import Timer
    from textual.widget import Widget

    from ...outbox.envelope import Envelope, Label
    from ..snapshot import Snapshot
    from ..widgets.detail import View

VIEWS = (
    ("explained", "Explained"),
    ("intercepted", "Intercepted"),
    ("raw", "Raw bytes"),
    ("trace", "Trace"),
    ("leaks", "Leak check"),
    ("changes", "Changes"),
)
_REST_SECONDS = 0.1
"""More than lies between two keys of one that is held down, and too little to be waited for."""


class Box(Room):
    """A list of envelopes, and the one under the cursor in detail."""

    EMPTY = ""
    VIEWS: ClassVar[tuple[tuple[str, str], ...]] = VIEWS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", id="box.filter",
                tooltip="List only what matches: words, op:sync, app:cloudquery, failed, ok"),
        Binding("o", "sort", "Sort", show=False, id="box.sort",
                tooltip="Sort by time, operation, size or duration"),
        Binding("right_square_bracket", "view(1)", "Next view", key_display="]", show=False,
                id="box.next", tooltip="The next view of the payload"),
        Binding("left_square_bracket", "view(-1)", "Previous view", key_display="[", show=False,
                id="box.previous", tooltip="The previous view"),
        Binding("v", "verbatim", "Verbatim", show=False, id="box.verbatim",
                tooltip="Raw bytes: indented, or as they are"),
        Binding("H", "reveal", "Credentials", show=False, id="box.reveal",
                tooltip="Raw bytes: show the credentials in its headers, or mask them"),
        Binding("y", "copy", "Copy", show=False, id="box.copy",
                tooltip="Copy what the view shows to the clipboard"),
        Binding("e", "editor", "Editor", show=False, id="box.editor",
                tooltip="Open a copy in $PAGER or $EDITOR, control characters made visible"),
        Binding("E", "editor(True)", "Exact bytes", show=False, id="box.bytes",
                tooltip="Open a copy of the exact bytes in $VISUAL or $EDITOR"),
        Binding("n", "same_run", "Same run", show=False, id="box.same_run",
                tooltip="To the next payload of the same run"),
        Binding("escape", "clear_filter", "Clear filter", show=False, id="box.clear",
                tooltip="Show all again"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._verbatim = False
        self._reveal = False
        self._look_soon: Timer | None = None
        self._looked_at = ""

    def body(self) -> Iterable[Widget]:
        """Lay out the list beside or above the detail, by the width."""
        with Container(id="split"):
            with Container(id="listing"):
                yield Envelopes(id="envelopes", empty=self.EMPTY)
            yield Detail(self.VIEWS, id="detail")

    @property
    def envelopes(self) -> Envelopes:
        """The list."""
        return self.query_one("#envelopes", Envelopes)

    @property
    def detail(self) -> Detail:
        """The detail."""
        return self.query_one("#detail", Detail)

    def on_mount(self) -> None:
        """Begin in the list."""
        super().on_mount()
        self.envelopes.focus()

    def news(self, snapshot: Snapshot) -> None:
        """Show the list as it is now."""
        self.envelopes.empty = "It cannot be listed." if snapshot.problem else self.EMPTY
        if snapshot.is_being_read:
            self.envelopes.empty = "Reading …"
        self.envelopes.show(snapshot.names[self.NAME])
        if snapshot.is_being_read:
            self.detail.tell(views.muted("Reading …"))
        elif snapshot.problem:
            self.detail.tell(views.warning(snapshot.problem))
        elif not snapshot.names[self.NAME]:
            self.detail.tell(*self.empty(snapshot))

    def empty(self, snapshot: Snapshot) -> list[Content]:
        """Return what to say when there is nothing."""
        del snapshot
        return []

    @property
    def is_to_look(self) -> bool:
        """Whether the detail does not show yet what the cursor is on."""
        return self._look_soon is not None

    @on(Envelopes.Moved)
    def _moved(self) -> None:
        """Look at the payload once the cursor rests: whoever pages on does not wait for it."""
        if self._look_soon is not None:
            self._look_soon.stop()
        self._look_soon = self.set_timer(_REST_SECONDS, self._look)

    def _catch_up(self) -> None:
        """Look now: what is asked of the detail is asked of what the cursor is on."""
        if self._looked_at != self.envelopes.current_name:
            if self._look_soon is not None:
                self._look_soon.stop()
            self._look()

    def _look_now(self) -> None:
        """Look anew, whether or not that was looked at already."""
        self._looked_at = ""
        self._catch_up()

    def _look(self) -> None:
        if self.is_held_back:
            self._moved()
            return
        self._look_soon = None
        self._looked_at = self.envelopes.current_name
        label = self.envelopes.current
        if label is None:
            if self.envelopes.current_name:
                self.detail.tell(views.warning("This file's name is not an envelope's."))
            elif self.envelopes.all_names:
                self.detail.tell(views.muted("Nothing matches the filter. Esc clears it."))
            return
        try:
            envelope = self.home.outbox.open(self.NAME, label)
        except TornEnvelopeError as error:
            self.detail.show(None, self._torn(label, str(error)))
        except CqtelError as error:
            self.detail.tell(views.muted(str(error)))
        else:
            self.detail.show(envelope, self.views(label, envelope))
            if self.NAME == PENDING:
                note_payload_shown(self.home.places, envelope)

    @on(Envelopes.Arranged)
    def _arranged(self) -> None:
        self.query_one("#listing").border_subtitle = Content(self.envelopes.summary)

    def _torn(self, label: Label, problem: str) -> dict[str, View]:
        """Return how an envelope can be looked at that is not what was sealed."""
        words = [
            views.warning(f"This payload was altered: {problem}."),
            views.muted("It is never sent like this: sending sets it aside, x drops it.")
            if self.NAME == PENDING
            else views.muted("x drops it."),
        ]

        def raw() -> list[Content]:
            try:
                data = self.home.outbox.read(self.NAME, label)
            except CqtelError:
                return words
            return [*words, views.muted("The whole file:"), *views.in_chunks(data)]

        return {**{key: lambda: words for key, _ in self.VIEWS}, "raw": raw}

    def views(self, label: Label, envelope: Envelope) -> dict[str, View]:
        """Return how an envelope can be looked at."""
        shown: dict[str, View] = {
            "explained": lambda: [
                *self._run_of(label),
                *views.explained(envelope, self.home.places.config),
                *self._closed_in(label),
            ],
            "raw": lambda: views.raw(
                envelope,
                verbatim=self._verbatim,
                url=bound_for(envelope, self.home.endpoint_of(envelope.app)),
                reveal=self._reveal,
            ),
        }
        if envelope.kind.startswith("otlp-traces"):
            shown["trace"] = lambda: views.trace(envelope, self.detail.width)
        if not envelope.intercepted:
            return shown | {
                "leaks": lambda: views.leaks(envelope, self.home.surroundings),
                "changes": lambda: self._changes(envelope),
            }
        from .. import intercepted

        return shown | {
            "intercepted": lambda: [
                *self._run_of(label),
                *intercepted.intercepted(envelope, self.detail.width),
                *self._closed_in(label),
            ],
            "leaks": lambda: intercepted.leaks(envelope, self.home.surroundings),
            "changes": lambda: intercepted.changed(envelope),
        }

    def _run_of(self, label: Label) -> list[Content]:
        """Return what belongs to the same run as a payload, if anything does."""
        run = self.home.run_of(label.id)
        if run is None:
            return []
        from ..intercepted import same_run

        lines = same_run(run, self.home.payloads_of(run), label.id)
        return [*lines, Content("")] if lines else []

    def _closed_in(self, label: Label) -> list[Content]:
        """Return what was blocked in the run that a payload comes from."""
        run = self.home.run_of(label.id)
        if run is None:
            return []
        from ..intercepted import closed_lines

        lines = closed_lines(run)
        return [Content(""), *lines] if lines else []

    def _changes(self, envelope: Envelope) -> list[Content]:
        decision = self.home.decision_of(envelope.app)
        has_agreed = decision is not None and decision.state == ON
        agreed = self.home.agreed_catalogue(envelope.app)
        return views.changed(envelope, agreed, has_agreed=has_agreed)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no filter where its key would be typed into one."""
        if action == "filter" and self.focused is not None and self.focused.id == "filter":
            return False
        return super().check_action(action, parameters)

    async def action_filter(self) -> None:
        """Ask for a filter."""
        # Made when it is first asked for: an input takes longer to load than all the rest.
        from ..widgets.filter import Filter

        found = self.query(Filter)
        field = found.first() if found else Filter(id="filter")
        if not found:
            await self.query_one("#listing").mount(field, before=0)
        field.display = True
        field.focus()

    def action_clear_filter(self) -> None:
        """Show all again."""
        for field in self.query("#filter"):
            field.display = False
        self.envelopes.narrow("")
        self.envelopes.focus()

    @on(Narrowed)
    def _narrowed(self, event: Narrowed) -> None:
        self.envelopes.narrow(event.text)
        if event.done:
            self.envelopes.focus()

    async def action_same_run(self) -> None:
        """Go to the next payload of the run that the one under the cursor comes from."""
        label = self.envelopes.current
        run = self.home.run_of(label.id) if label is not None else None
        payloads = self.home.payloads_of(run) if run is not None else []
        ids = [each.id for _, each in payloads]
        if label is None or label.id not in ids or len(ids) < 2:  # noqa: PLR2004  # itself alone
            self.home.tell("No other payload here belongs to this run.")
            return
        box, other = payloads[(ids.index(label.id) + 1) % len(ids)]
        await self.home.switch_mode(box)
        screen = self.home.screen
        if isinstance(screen, Box):
            screen.action_clear_filter()
            screen.envelopes.go_to(other.id)

    def action_sort(self) -> None:
        """Sort by the next thing."""
        by = SORTS[(SORTS.index(self.envelopes.by) + 1) % len(SORTS)]
        self.envelopes.sort_by(by)
        self.home.tell(f"Sorted by {by}.")

    def action_view(self, by: int) -> None:
        """Look at the payload from the next side."""
        self._catch_up()
        self.detail.turn(by)

    def action_verbatim(self) -> None:
        """Show raw bytes indented, or as they are."""
        self._verbatim = not self._verbatim
        self._catch_up()
        self.detail.again()

    def action_reveal(self) -> None:
        """Show the credentials in headers, or mask them again."""
        self._reveal = not self._reveal
        self._catch_up()
        self.detail.again()

    def action_editor(self, exact: bool = False) -> None:  # noqa: FBT001, FBT002  # an action's parameter
        """Open a read-only copy of the payload in the user's own pager or editor."""
        from ..elsewhere import open_elsewhere

        label = self.envelopes.current
        if label is None:
            return
        try:
            payload = self.home.outbox.open(self.NAME, label).payload
            open_elsewhere(self.home, payload, exact=exact)
        except CqtelError as error:
            self.home.tell(f"It cannot be opened: {error}", wrong=True)

    def action_copy(self) -> None:
        """Copy what is shown."""
        self._catch_up()
        self.home.copy_text(self.detail.lines.text)


class Pending(Box):
    """What is held: review it, send it, drop it."""

    NAME = PENDING
    EMPTY = "Nothing is pending."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "app.trim", "Fields", show=False, id="pending.trim",
                tooltip="Remove fields from this payload before it is sent"),
        Binding("s", "app.send", "Send", id="pending.send",
                tooltip="Send the marked payloads, or the one under the cursor"),
        Binding("S", "app.send(True)", "Send all", show=False, id="pending.send_all",
                tooltip="Send all pending payloads"),
        Binding("i", "app.cover", "Include", show=False, id="pending.include",
                tooltip="Let your yes cover what was pending before it"),
        Binding("x,delete", "app.drop", "Drop", key_display="x", id="pending.drop",
                tooltip="Delete the marked payloads, or the one under the cursor, unsent"),
        Binding("X", "app.drop(True)", "Drop all", show=False, id="pending.drop_all",
                tooltip="Delete all pending payloads, unsent"),
    ]  # fmt: skip

    def empty(self, snapshot: Snapshot) -> list[Content]:
        """Say where payloads come from."""
        if snapshot.status.decision.state == "off":
            return [views.muted("Telemetry is off: nothing is recorded. t changes that.")]
        return [
            views.muted("Nothing is pending. Run a command, and it appears here:"),
            views.muted(""),
            views.muted("  cq-telemetry run -- cloudquery sync spec.yml"),
        ]
