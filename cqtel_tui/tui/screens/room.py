"""What all screens have: how consent stands, where one is, the keys, and news of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from ..home import SMALLEST, Home
from ..widgets.bars import Picker, StatusLine
from ..widgets.keys_bar import KeysBar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import App, ComposeResult
    from textual.widget import Widget

    from ..snapshot import Snapshot

ROOMS = {
    "pending": "Pending",
    "sent": "Sent",
    "rejected": "Rejected",
    "choices": "Consent",
    "cookie": "ID",
    "stored": "Data",
    "files": "Files",
}
"""The screens, in the order of their keys 1, 2, 3…"""


def too_small(way_out: str) -> Static:
    """Return what is shown in a terminal that is too small, in place of all else."""
    columns, lines = SMALLEST
    words = f"This terminal is too small.\n{columns} columns and {lines} lines are needed."
    return Static(Content(f"{words}\n{way_out}"), classes="too-small")


def _breakpoints(app: App[Any]) -> list[str]:
    ways = (
        (app.size.width, app.HORIZONTAL_BREAKPOINTS),
        (app.size.height, app.VERTICAL_BREAKPOINTS),
    )
    return [max(each for each in those if each[0] <= size)[1] for size, those in ways if those]


class Room(Screen[None]):
    """A screen of the application, one of `ROOMS`."""

    NAME = ""

    def __init__(self) -> None:
        # Textual learns the breakpoints from the first resize, and would lay out all of it twice.
        super().__init__(classes=" ".join(_breakpoints(self.app)))
        # Nothing of it is styled yet: the style sheet need not be read anew for it. Textual keeps
        # these names for itself; a version without them is only slower.
        self._css_update_count = getattr(self.app, "_css_update_count", 0)

    @property
    def is_held_back(self) -> bool:
        """Whether nothing is shown yet of what is drawn, as while the screen is made."""
        return bool(getattr(self.app, "_batch_count", 0))

    def _compositor_refresh(self) -> None:
        # Textual would draw the whole screen, and throw it away.
        if not self.is_held_back:
            super()._compositor_refresh()

    @property
    def home(self) -> Home:
        """The application, as what it is."""
        assert isinstance(self.app, Home)  # noqa: S101  # for the type checker
        return self.app

    def compose(self) -> ComposeResult:
        """Lay out the bars around the body."""
        yield StatusLine(id="status")
        yield Picker(self._rooms(None), self.NAME, id="rooms")
        yield from self.body()
        yield KeysBar(id="keys-bar")
        yield too_small("q leaves.")

    def body(self) -> Iterable[Widget]:
        """Return what this screen is about."""
        return ()

    def on_mount(self) -> None:
        """Follow what happens on this machine."""
        self.watch(self.app, "snapshot", self._news)

    def news(self, snapshot: Snapshot) -> None:
        """Show how things stand; called whenever that has changed."""

    def _news(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            return
        app = self.home
        self.query_one("#status", StatusLine).show(
            snapshot.status,
            reading=snapshot.is_being_read,
            readonly=app.readonly,
            demo=app.demo,
        )
        names = self._rooms(snapshot)
        short = {key: name.partition(" ")[2] for key, name in names}
        self.query_one("#rooms", Picker).rename(names, short)
        self.news(snapshot)

    @on(Picker.Picked, "#rooms")
    def _go(self, event: Picker.Picked) -> None:
        self.app.switch_mode(event.key)

    @staticmethod
    def _rooms(snapshot: Snapshot | None) -> list[tuple[str, str]]:
        counts = {box: len(names) for box, names in snapshot.names.items()} if snapshot else {}
        return [
            (key, f"{at} {name}" + (f" {counts[key]:,}" if counts.get(key) else ""))
            for at, (key, name) in enumerate(ROOMS.items(), 1)
        ]
