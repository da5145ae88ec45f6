"""List envelopes by what is written on them: a hundred thousand scroll as smoothly as ten."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ...outbox import field_of
from ...outbox.envelope import Label, identity_of, read_label
from ...review.durations import duration
from ...sanitize import one_line
from ..views import CROSS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

_TIME, _DAY_AND_TIME = len("10:52:31"), len("11-22 10:52")
_ORIGINS = {"record": ("recorded here", "here"), "gate": ("intercepted", "gate")}
_OUTCOMES = {"ok": ("✓ ok", "ok"), "failed": (f"{CROSS} failed", "failed")}
_MAX_DRAWN = 500
"""Rows that are kept as they were drawn: those in sight, and around."""


@dataclass
class Narrowed(Message):
    """The list is to be narrowed.

    Attributes:
        text: the filter.
        done: whether it is complete, so that the list may have the focus again.
    """

    text: str
    done: bool


class Envelopes(ScrollView, can_focus=True):
    """A list of envelopes, with a cursor and marks.

    The list holds file names, and reads a label only where it is seen.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "envelopes--cursor",
        "envelopes--blurred",
        "envelopes--failed",
        "envelopes--ok",
        "envelopes--dim",
        "envelopes--mark",
        "envelopes--tried",
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up", tooltip="One payload up"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down",
                tooltip="One payload down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="list.page_up",
                tooltip="One page of payloads up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False, id="list.page_down",
                tooltip="One page of payloads down"),
        Binding("home,g", "move_to(0)", "First", show=False, id="list.first",
                tooltip="To the first payload"),
        Binding("end,G", "move_to(-1)", "Last", show=False, id="list.last",
                tooltip="To the last payload"),
        Binding("space", "mark", "Mark", id="list.mark",
                tooltip="Mark it to be sent or dropped, and go on to the next"),
        Binding("a", "mark_all", "Mark all", show=False, id="list.mark_all",
                tooltip="Mark all that are listed, or none"),
    ]  # fmt: skip

    clock = staticmethod(time.time)

    cursor: reactive[int] = reactive(0)

    @dataclass
    class Moved(Message):
        """The cursor is on another envelope, or on none."""

    @dataclass
    class Arranged(Message):
        """What is listed, or marked, or in which order, is another."""

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self.all_names: Sequence[str] = ()
        self.names: Sequence[str] = ()
        self.marked: set[str] = set()
        self.filter = ""
        self.by = "time"
        self.empty = empty
        self._current = ""
        self._moment = _TIME
        self._today = (0.0, 0.0)
        self._drawn: dict[tuple[str, int, bool, str], Strip] = {}

    def show(self, names: Sequence[str]) -> None:
        """Show these envelopes; the cursor and the marks stay on theirs."""
        self.all_names = names
        present = {identity_of(name) for name in names} if self.marked else set()
        self.marked &= present
        self._arrange()

    def narrow(self, text: str) -> None:
        """Show only those that match: words, `op:sync`, `app:cloudquery`, `failed`, `ok`."""
        self.filter = text
        self._arrange()

    def sort_by(self, by: str) -> None:
        """Sort by `time`, `operation`, `size` or `duration`."""
        self.by = by
        self._arrange()

    @property
    def current_name(self) -> str:
        """The file name under the cursor, an envelope's or not; empty if there is none."""
        return self._current

    @property
    def current(self) -> Label | None:
        """The label under the cursor."""
        return read_label(self._current) if self._current else None

    @property
    def chosen(self) -> list[Label]:
        """The marked labels, or the one under the cursor; in the list's order."""
        if self.marked:
            names = [name for name in self.all_names if identity_of(name) in self.marked]
        else:
            names = [self._current] if self._current else []
        return [label for name in names if (label := read_label(name)) is not None]

    @property
    def summary(self) -> str:
        """How many are marked and kept by the filter, and the order; empty where that is plain."""
        facts = []
        if self.marked:
            facts.append(f"{len(self.marked):,} marked")
        if self.filter.strip():
            facts.append(f"{len(self.names):,} of {len(self.all_names):,}")
        if self.by != "time":
            facts.append(f"by {self.by}")
        return " · ".join(facts)

    def _arrange(self) -> None:
        names = matching(self.all_names, self.filter)
        if self.by != "time":
            names = sorted(names, key=_SORTS[self.by], reverse=self.by in {"size", "duration"})
        self.names = names
        self._moment = _TIME if all(map(self._is_of_today, self.all_names[-1:])) else _DAY_AND_TIME
        self._drawn.clear()
        identity = identity_of(self._current)
        same = (i for i, name in enumerate(names) if identity_of(name) == identity)
        at = next(same, None) if identity else None
        if at is None:
            at = min(self.cursor, max(0, len(names) - 1))
        self.virtual_size = Size(self.scrollable_content_region.width, max(1, len(names)))
        self.set_reactive(Envelopes.cursor, at)
        self._tell()
        self.post_message(self.Arranged())
        self._keep_in_sight()
        self.refresh()

    def _tell(self) -> None:
        name = self.names[self.cursor] if self.cursor < len(self.names) else ""
        if name != self._current:
            self._current = name
            self.post_message(self.Moved())

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on the list."""
        return max(0, min(cursor, len(self.names) - 1))

    def watch_cursor(self, before: int, after: int) -> None:
        """Draw the two rows anew, and bring the new one into sight."""
        self.refresh_line(before)
        self.refresh_line(after)
        self._keep_in_sight()
        self._tell()

    def _keep_in_sight(self) -> None:
        row = Region(0, self.cursor, self.size.width, 1)
        self.scroll_to_region(row, animate=False, force=True, immediate=True)

    def on_resize(self, event: events.Resize) -> None:
        """Follow the width."""
        del event
        self.virtual_size = Size(self.scrollable_content_region.width, max(1, len(self.names)))
        self._keep_in_sight()

    def on_focus(self, event: events.Focus) -> None:
        """Draw the cursor as the one that keys move."""
        del event
        self.refresh()

    def on_blur(self, event: events.Blur) -> None:
        """Draw the cursor as one that keys do not move."""
        del event
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is."""
        at = int(event.y) + self.scroll_offset.y
        if at < len(self.names):
            self.cursor = at
            if event.ctrl or event.shift:
                self.action_mark()

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor += by

    def action_page(self, direction: int) -> None:
        """Move the cursor by what is in sight."""
        self.cursor += direction * max(1, self.scrollable_content_region.height - 1)

    def action_move_to(self, at: int) -> None:
        """Move the cursor to the first or the last."""
        self.cursor = len(self.names) - 1 if at < 0 else at

    def go_to(self, identity: str) -> None:
        """Put the cursor on the envelope with this id, if it is listed."""
        at = (at for at, name in enumerate(self.names) if identity_of(name) == identity)
        self.cursor = next(at, self.cursor)

    def action_mark(self) -> None:
        """Mark the envelope under the cursor, or unmark it, and go on."""
        if self._current:
            self.marked ^= {identity_of(self._current)}
            self.post_message(self.Arranged())
            self.refresh_line(self.cursor)
            self.cursor += 1

    def action_mark_all(self) -> None:
        """Mark all that are shown, or none."""
        shown = {identity_of(name) for name in self.names}
        self.marked = set() if self.marked >= shown else self.marked | shown
        self.post_message(self.Arranged())
        self.refresh()

    def notify_style_update(self) -> None:
        """Draw all rows anew: the colours are others."""
        super().notify_style_update()
        self._drawn.clear()

    def render_line(self, y: int) -> Strip:
        """Render one line of the screen."""
        at = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if not self.names:
            return self._strip([(self._words(y), "dim")], width)
        if at >= len(self.names):
            return self._strip([], width)
        name = self.names[at]
        over_all = ""
        if at == self.cursor:
            over_all = "cursor" if self.has_focus else "blurred"
        self._follow_the_day()
        key = (name, width, identity_of(name) in self.marked, over_all)
        drawn = self._drawn.get(key)
        if drawn is None:
            if len(self._drawn) > _MAX_DRAWN:
                self._drawn.clear()
            drawn = self._drawn[key] = self._strip(self._row(name, width), width, over_all)
        return drawn

    def _words(self, y: int) -> str:
        words = "Nothing matches the filter. Esc clears it." if self.all_names else self.empty
        lines = words.splitlines()
        return f" {lines[y]}" if y < len(lines) else ""

    def _strip(self, parts: Sequence[tuple[str, str]], width: int, over_all: str = "") -> Strip:
        """Return a line of literal texts; a cursor has one colour, on which others are not read."""
        plain = self._style(over_all)
        strip = Strip([Segment(t, plain if over_all else self._style(name)) for t, name in parts])
        return strip.extend_cell_length(width, plain).crop(0, width)

    def _style(self, name: str) -> Style:
        if not name or name == "operation":
            return self.visual_style.rich_style + Style(bold=bool(name))
        return self.get_component_rich_style(f"envelopes--{name}")

    def _follow_the_day(self) -> None:
        now = self.clock()
        if not self._today[0] <= now < self._today[1]:
            year, month, day, *_ = time.localtime(now)
            begins, ends = ((year, month, each, 0, 0, 0, 0, 0, -1) for each in (day, day + 1))
            self._today = time.mktime(begins), time.mktime(ends)
            self._drawn.clear()

    def _is_of_today(self, name: str) -> bool:
        self._follow_the_day()
        label = read_label(name)
        return label is None or self._today[0] <= label.created / 1_000_000 < self._today[1]

    def _row(self, name: str, width: int) -> list[tuple[str, str]]:
        """Return the texts of a row, each with the name of its looks."""
        label = read_label(name)
        if label is None:
            words = f"   {one_line(name, max(10, width - 4))}  (not an envelope's name)"
            return [(words, "")]
        seconds = label.created / 1_000_000
        is_of_today = self._today[0] <= seconds < self._today[1]
        when = time.strftime("%H:%M:%S" if is_of_today else "%m-%d %H:%M", time.localtime(seconds))
        outcome, looks = _OUTCOMES.get(label.outcome, ("? unknown", "dim"))
        parts = [
            (" ● " if label.id in self.marked else "   ", "mark"),
            (f"{when:<{self._moment}} ", ""),
            (f"{one_line(label.operation, 16):<15} ", "operation"),
            (f"{outcome:<9}", looks),
            (f"{_took(label):>9}", ""),
        ]
        room = width - sum(len(text) for text, _ in parts)
        return [*parts, *_more(label, room)]


def _took(label: Label) -> str:
    """Return how long it took, if that is known: an intercepted event may not say."""
    if label.origin == "gate" and not label.duration:
        return "-"
    return duration(label.duration * 1_000_000)


def _more(label: Label, room: int) -> list[tuple[str, str]]:
    """Return as much of the rest as there is room for; where it comes from before all else."""
    long, short = _ORIGINS.get(label.origin, ("unknown", "?"))
    program = (f"  {one_line(f'{label.app} {label.version}'.strip(), 24):<17}", "")
    name = (f"  {one_line(label.app, 10):<10}", "")
    size = (f"{label.size:>8,} B", "dim")
    origin = (f"  {short:<6}", "dim")
    for parts in (
        [program, size, (f"  {long:<13}", "dim")],
        [program, size, origin],
        [program, origin],
        [name, origin],
        [origin],
    ):
        left = room - sum(len(text) for text, _ in parts)
        if left >= 0:
            tried = f"  tried {label.attempt:,} times"
            is_told = label.attempt and len(tried) <= left
            return [*parts, (tried, "tried")] if is_told else parts
    return []


def matching(names: Sequence[str], text: str) -> Sequence[str]:
    """Return the file names that match every word of a filter.

    `op:sync`, `app:cloudquery`, `failed` and `ok` look at one field, any other word at all of them.
    """
    kept = names
    for word in text.lower().split():
        key, separator, value = word.partition(":")
        if separator and key in _KEYS:
            field = _KEYS[key]
            kept = [name for name in kept if value in field_of(name, field).lower()]
        elif word in {"failed", "ok"}:
            kept = [name for name in kept if f",{word}," in name]
        else:
            kept = [name for name in kept if word in name.lower()]
    return kept


_KEYS = {
    **{field: field for field in ("id", "app", "version", "outcome")},
    "from": "origin",
    "op": "operation",
}
"""The words before a colon in a filter, and the fields of an envelope's name that they mean."""


def _number(name: str, field: str) -> int:
    value = field_of(name, field)
    return int(value) if value.isascii() and value.isdigit() else 0


_SORTS: dict[str, Callable[[str], Any]] = {
    "operation": lambda name: field_of(name, "operation"),
    "size": lambda name: _number(name, "size"),
    "duration": lambda name: _number(name, "duration"),
}
SORTS = ("time", *_SORTS)
