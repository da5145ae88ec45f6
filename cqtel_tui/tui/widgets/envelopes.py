"""List envelopes by what is written on them: a hundred thousand scroll as smoothly as ten."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

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
from ...outbox.filters import matching, words_of
from ...sanitize import one_line
from ..grouping import DAYS, grouped, histogram, per_day
from ..views import CROSS
from .rows import SORT_KEYS, Going, cut, more, more_cells, number, took

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from textual import events

    from ..grouping import Branch

_TIME, _DAY_AND_TIME = len("10:52:31"), len("11-22 10:52")
_OUTCOMES = {"ok": ("✓ ok", "ok"), "failed": (f"{CROSS} failed", "failed")}
_OPERATION = 16
_RESULT = 9
_WITH_WORDS = 66
"""From how many cells on a result is told in a word, not in a sign alone."""
_MAX_DRAWN = 500
"""Rows that are kept as they were drawn: those in sight, and around."""


class Envelopes(ScrollView, can_focus=True):
    """A list of envelopes, with a cursor and marks.

    The list holds file names, and reads a label only where it is seen.

    Args:
        empty: what is said where there is none.
        read_going: returns what would be sent of the envelope with a file name, and where to.
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
        Binding("z", "fold", "Fold", show=False, id="list.fold",
                tooltip="Show of a run its first payload alone, or all"),
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

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002  # Textual's word
        empty: str = "",
        read_going: Callable[[str], Going] = lambda _: Going("", None, 0),
    ) -> None:
        super().__init__(id=id)
        self.read_going = read_going
        self.folded: set[str] = set()
        self._runs: Mapping[str, str] = {}
        self._operations: Collection[str] = ()
        self._branches: dict[str, Branch] = {}
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

    def show(
        self,
        names: Sequence[str],
        runs: Mapping[str, str] | None = None,
        operations: Collection[str] = (),
    ) -> None:
        """Show these envelopes; the cursor and the marks stay on theirs.

        Args:
            names: their file names, the newest first.
            runs: for the id of each payload of a run that run's name.
            operations: the ids of what runs are headed by.
        """
        self.all_names = names
        self._runs, self._operations = runs or {}, operations
        present = {identity_of(name) for name in names} if self.marked else set()
        self.marked &= present
        self._arrange()

    def narrow(self, text: str) -> None:
        """Show only those that match, as `outbox.filters` has it."""
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
        if days := histogram(per_day(self.all_names, self.clock())):
            facts.append(f"{days} {DAYS} days")
        return " · ".join(facts)

    def _arrange(self) -> None:
        words = words_of(self.filter, self.clock())
        names = matching(self.all_names, words, lambda name: self.read_going(name).to)
        self._branches = {}
        if self.by == "time":
            names, self._branches = grouped(names, self._runs, self._operations, self.folded)
        else:
            key = self._sent_bytes if self.by == "size" else SORT_KEYS[self.by]
            names = sorted(names, key=key, reverse=self.by in {"size", "duration"})
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
        self.post_message(self.Arranged())

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

    def action_fold(self) -> None:
        """Show of the run under the cursor its first payload alone, or all."""
        branch = self._branches.get(self._current)
        if branch is not None:
            self.folded ^= {branch.run}
            first = next(n for n, b in self._branches.items() if b.run == branch.run and not b.sign)
            self._current = first
            self._arrange()

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
        branch = self._branches.get(name)
        operation = f"{branch.sign if branch else ''}{label.operation}"
        others = f" +{branch.number - 1}" if branch and branch.is_folded else ""
        shown = cut(one_line(operation, 60), _OPERATION - len(others)) + others
        parts = [
            (" ● " if label.id in self.marked else "   ", "mark"),
            (f"{when:<{self._moment}} ", ""),
            (f"{shown:<{_OPERATION}} ", "operation"),
            (f"{outcome:<{_RESULT}}" if width >= _WITH_WORDS else f"{outcome[:1]:<3}", looks),
            (f"{took(label):>9}", ""),
        ]
        room = width - sum(len(text) for text, _ in parts)
        return [*parts, *more(label, self.read_going(name), room)]

    def _sent_bytes(self, name: str) -> int:
        """Return how many bytes would be sent; all of them where that is not known."""
        size = number(name, "size")
        sent = self.read_going(name).sent if field_of(name, "origin") == "gate" else size
        return size if sent is None else sent

    @property
    def titles(self) -> str:
        """What stands above the columns; the one that is sorted by is marked."""
        width = self.scrollable_content_region.width
        heads = {
            "time": "TIME", "operation": "OPERATION", "duration": "TOOK", "size": "SIZE"
        }  # fmt: skip
        result = f"{'RESULT':<{_RESULT}}" if width >= _WITH_WORDS else "   "
        heads[self.by] += " ▼" if self.by != "operation" else " ▲"
        line = (
            f"   {heads['time']:<{self._moment}} {heads['operation']:<{_OPERATION}} {result}"
            f"{heads['duration']:>9}"
        )
        cells = more_cells(width - len(line))
        line += f"  {'TO':<{cells.to}}" if cells.to else ""
        line += f"{heads['size']:>{cells.size}}" if cells.size else ""
        return line + (f"  {'PROGRAM':<{cells.program}}" if cells.program else "")
