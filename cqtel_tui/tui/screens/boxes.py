"""The screens over the outbox: what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from ...actions.showing import note_payload_shown
from ...consent.decision import ON
from ...errors import CqtelError
from ...outbox.envelope import TornEnvelopeError, read_label
from ...outbox.heads import read_head
from ...outbox.writing import PENDING
from ...review.destination import INTERCEPTED, bound_for
from .. import views
from ..fields import Fields, short_place
from ..looks import QUIET
from ..widgets.detail import Detail
from ..widgets.envelopes import Envelopes
from ..widgets.rows import SORTS, Going, Narrowed
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.timer import Timer
    from textual.widget import Widget

    from ...outbox.envelope import Envelope, Label
    from ..page import Page
    from ..snapshot import Snapshot
    from ..widgets.detail import View

VIEWS = (
    ("explained", "Fields"),
    ("intercepted", "Intercepted"),
    ("raw", "Raw bytes"),
    ("trace", "Trace"),
    ("leaks", "Leak check"),
    ("changes", "Changes"),
    ("run", "Run"),
)
_REST_SECONDS = 0.1
"""More than lies between two keys of one that is held down, and too little to be waited for."""


class Box(Room):
    """A list of envelopes, and the one under the cursor in detail."""

    EMPTY = ""
    VIEWS: ClassVar[tuple[tuple[str, str], ...]] = VIEWS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", id="box.filter",
                tooltip="List only what matches: words, op:sync, to:host, since:7d, failed"),
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
        Binding("enter", "open", "Open", key_display="enter", id="box.open",
                tooltip="Give the payload the whole screen; esc goes back to the list"),
        Binding("tab", "pane", "Pane", key_display="tab", id="box.pane",
                tooltip="From the list to the payload, and back"),
        Binding("n", "same_run", "Same run", show=False, id="box.same_run",
                tooltip="To the next payload of the same run"),
        Binding("escape", "back", "Back", show=False, id="box.clear",
                tooltip="Back to the list; there, show all again"),
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
                yield Static(id="columns")
                yield Envelopes(id="envelopes", empty=self.EMPTY, read_going=self._read_going)
            yield Detail(self.VIEWS, id="detail")

    def _read_going(self, name: str) -> Going:
        """Return what would be sent of an envelope; of our own, its name says it."""
        label = read_label(name)
        if label is None:
            return Going("", None, 0)
        if label.origin != INTERCEPTED:
            return Going(short_place(self.home.endpoint_of(label.app)), label.size, 0)
        head = read_head(self.home.outbox.folder / self.NAME / name)
        if head is None:
            return Going("?", None, 0)
        return Going(short_place(bound_for(head, None)), head.length, label.size - head.length)

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
            self.envelopes.empty = "Reading…"
        self.envelopes.show(snapshot.names[self.NAME], *self.home.groups())
        if snapshot.is_being_read:
            self.detail.tell(views.muted("Reading…"))
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
        titles = Content(self.envelopes.titles).stylize(QUIET)
        self.query_one("#columns", Static).update(titles, layout=False)

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
        told = Fields(
            envelope,
            self.home.places,
            self.home.destination(envelope),
            may_change=self.NAME == PENDING and not self.home.readonly,
        )
        shown: dict[str, View] = {
            "explained": lambda: told.page(self.detail.width, self.detail.selected),
            "raw": lambda: views.raw(
                envelope,
                verbatim=self._verbatim,
                url=self.home.destination(envelope),
                reveal=self._reveal,
            ),
        }
        if envelope.kind.startswith("otlp-traces"):
            shown["trace"] = lambda: self._trace(envelope, told)
        if self.home.run_of(label.id) is not None:
            shown["run"] = lambda: self._run_of(label)
        if not envelope.intercepted:
            return shown | {
                "leaks": lambda: views.leaks(envelope, self.home.surroundings),
                "changes": lambda: self._changes(envelope),
            }
        from .. import intercepted

        return shown | {
            "intercepted": lambda: intercepted.intercepted(envelope, self.detail.width),
            "leaks": lambda: intercepted.leaks(envelope, self.home.surroundings),
            "changes": lambda: intercepted.changed(envelope),
        }

    def _run_of(self, label: Label) -> list[Content]:
        """Return what one run left, and what was blocked, late or refused in it."""
        run = self.home.run_of(label.id)
        if run is None:
            return []
        from ..runs import run_page

        return run_page(run, self.home.payloads_of(run), label.id)

    def _trace(self, envelope: Envelope, fields: Fields) -> Page:
        from ..spans import trace_page

        detail = self.detail
        rows = fields.explanation.rows
        return trace_page(envelope, rows, detail.width, detail.selected, detail.folded)

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

    def action_open(self) -> None:
        """Give the payload the whole screen, or show both again."""
        if self.has_class("-zoomed"):
            self.action_back()
        elif self.envelopes.current_name:
            self._catch_up()
            self.add_class("-zoomed")
            self.detail.lines.focus()

    def action_pane(self) -> None:
        """Go to the other pane."""
        if self.has_class("-zoomed") or self.detail.lines.has_focus:
            self.action_back()
        else:
            self._catch_up()
            self.detail.lines.focus()

    def action_back(self) -> None:
        """Go back to the list; in the list, show all again."""
        if self.has_class("-zoomed") or self.detail.lines.has_focus:
            self.remove_class("-zoomed")
            self.envelopes.focus()
        else:
            self.action_clear_filter()

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
