"""One payload in detail, from several sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from ...errors import CqtelError
from .. import views
from ..page import Page
from .bars import Picker
from .lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.content import Content

    from ...outbox.envelope import Envelope

    View = Callable[[], Sequence[Content] | Page]


DRAWN_TO_WIDTH = frozenset({"explained", "trace", "intercepted"})


class Detail(Vertical):
    """Shows one envelope as one of several views, which are made only when they are looked at.

    Args:
        names: key and title of each view that there may be; a payload has those that it is given.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "fold", "Fold", show=False, id="detail.fold",
                tooltip="Show the parts of a span, or do not"),
    ]  # fmt: skip

    def __init__(self, names: Sequence[tuple[str, str]], *, id: str | None = None) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._names = names
        self._wanted = names[0][0]
        self._views: dict[str, View] = {}
        self.envelope: Envelope | None = None
        self.selected = 0
        self.folded: set[int] = set()
        self._keys: Sequence[int] = ()

    def compose(self) -> ComposeResult:
        """Lay out the row of views and the text below."""
        yield Picker(self._names, self._wanted, short=_short(self._names), id="views")
        yield Lines(id="text")

    @property
    def view(self) -> str:
        """The key of the view that is shown."""
        return self.query_one("#views", Picker).current

    @property
    def lines(self) -> Lines:
        """The text below."""
        return self.query_one("#text", Lines)

    @property
    def width(self) -> int:
        """How many cells a line of the text has."""
        return self.lines.scrollable_content_region.width

    def on_resize(self) -> None:
        """Draw what depends on the width anew."""
        if self.view in DRAWN_TO_WIDTH:
            self.again()

    def show(self, envelope: Envelope | None, shown: dict[str, View]) -> None:
        """Show an envelope, in the view that is already chosen."""
        if envelope is None or self.envelope is None or envelope.id != self.envelope.id:
            self.selected = 0
            self.folded.clear()
        self.envelope = envelope
        self._views = shown
        picker = self.query_one("#views", Picker)
        names = [(key, name) for key, name in self._names if key in shown]
        # A view that this payload does not have is shown again with the next one that has it.
        picker.pick(self._wanted if self._wanted in shown else names[0][0])
        picker.rename(names, _short(names))
        self._draw()

    def tell(self, *paragraphs: Content) -> None:
        """Show words in place of an envelope."""
        self.envelope = None
        self._views = {}
        self.lines.show(paragraphs)

    def turn(self, by: int) -> None:
        """Go to the next view, or to the one before."""
        self.turn_to(self.query_one("#views", Picker).step(by))

    def turn_to(self, key: str) -> None:
        """Go to a view."""
        self._wanted = key
        self.selected = 0
        self.query_one("#views", Picker).pick(key)
        self._draw()

    def again(self) -> None:
        """Make the view anew, where it stands."""
        self._draw(keep_position=True)

    @on(Picker.Picked, "#views")
    def _picked(self, event: Picker.Picked) -> None:
        event.stop()
        self.turn_to(event.key)

    def action_fold(self) -> None:
        """Show the parts of what is selected, or do not."""
        if self._keys:
            self.folded ^= {self._keys[self.selected]}
            self.again()

    @on(Lines.Chosen, "#text")
    def _chosen(self, event: Lines.Chosen) -> None:
        event.stop()
        self.selected = event.at
        self.again()

    def _draw(self, *, keep_position: bool = False) -> None:
        make = self._views.get(self.view)
        self._keys = ()
        if make is not None:
            made = _made(make)
            if isinstance(made, Page):
                self.lines.show(made.paragraphs, keep_position=keep_position)
                self.selected = min(self.selected, max(0, len(made.stops) - 1))
                self.lines.choose_from(made.stops, self.selected)
                self._keys = made.keys
            else:
                self.lines.show(made, keep_position=keep_position)
        elif self._views:
            self.lines.show([views.muted("There is nothing to show here.")])


def _made(make: View) -> Sequence[Content] | Page:
    try:
        return make()
    except CqtelError as error:  # a payload may be anybody's file
        return [views.warning(str(error))]


def _short(names: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {key: name.partition(" ")[0] for key, name in names}
