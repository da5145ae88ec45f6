"""The screen of a collector's report: charts of what its store tells of everybody."""

from __future__ import annotations

import time
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from ...collector import report as reports
from ...collector.durations import in_words
from ...errors import CqtelError
from ...sanitize import one_line, printable
from .. import charts, views
from ..widgets.bars import Picker
from ..widgets.keys_bar import KeysBar
from ..widgets.lines import Lines
from .room import too_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from ...collector.clickhouse_asking import Place
    from ...collector.report import Report, Row

TABLES = {
    "days": "Day",
    "operations": "Operation",
    "spans": "Part",
    "versions": "Version",
    "providers": "Provider",
    "ci": "CI",
    "countries": "Country",
}
"""By what each table tells."""

_SHORT = TABLES | {"operations": "Oper."}
PERIODS = (7, 30, 90, 396)
SORTS = ("largest", "name", "failures", "slowest")
LEAST_K = 2
_CHART_LINES = 7
_LEAST_BAR = 6
_MOST_BAR = 40
_SPREAD = 24


class ReportScreen(Screen[None]):
    """Shows one table of a report at a time, as bars and numbers.

    Args:
        path: the store, or where ClickHouse is.
    """

    clock = staticmethod(time.time)

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(at), f"table('{key}')", name, show=False, id=f"report.{key}",
                    tooltip=f"Go to the table by: {name}")
            for at, (key, name) in enumerate(TABLES.items(), 1)
        ),
        Binding("left_square_bracket", "step(-1)", "Previous", show=False, id="report.previous",
                key_display="[", tooltip="The previous table"),
        Binding("right_square_bracket", "step(1)", "Next", key_display="]", id="report.next",
                tooltip="The next table"),
        Binding("p", "period(1)", "Period", id="report.period",
                tooltip="Another period: 7, 30, 90 or 396 days"),
        Binding("s", "sort", "Sort", id="report.sort",
                tooltip="Sort by size, name, failures or duration"),
        Binding("plus,equals_sign", "k(1)", "Raise k", key_display="+", id="report.more",
                tooltip="Raise the fewest installations per row by one"),
        Binding("minus", "k(-1)", "Lower k", key_display="-", id="report.fewer",
                tooltip="Lower the fewest installations per row by one, to 2 at least"),
        Binding("r", "read", "Reload", id="report.read",
                tooltip="Read the store again"),
        Binding("question_mark", "help", "Help", key_display="?", id="report.help",
                tooltip="All keys of the report"),
        Binding("q", "app.quit", "Quit", id="report.quit", tooltip="Leave the report"),
    ]  # fmt: skip

    def __init__(self, path: Path | Place) -> None:
        super().__init__()
        self.path = path
        self.table = "days"
        self.sort = SORTS[0]
        self.days = reports.DAYS
        self.k = reports.K
        self.report: Report | None = None
        self.problem = ""

    def compose(self) -> ComposeResult:
        """Lay out what the report is of, the tables, and one of them."""
        yield Static(id="report-head")
        names = [(key, f"{at} {name}") for at, (key, name) in enumerate(TABLES.items(), 1)]
        yield Picker(names, self.table, short=_SHORT, id="tables")
        yield Lines(id="report-text", classes="page")
        yield KeysBar(id="keys-bar")
        yield too_small("q leaves.")

    def on_mount(self) -> None:
        """Read the store."""
        self.query_one("#report-text").focus()
        self.action_read()

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the width there is."""
        del event
        self.call_after_refresh(self._show, keep_position=True)

    @on(Picker.Picked, "#tables")
    def _picked(self, event: Picker.Picked) -> None:
        self.action_table(event.key)

    # What is asked for ---------------------------------------------------------------------------

    def action_table(self, key: str) -> None:
        """Show a table."""
        self.table = key
        self.query_one("#tables", Picker).pick(key)
        self._show()

    def action_step(self, by: int) -> None:
        """Show the table before or after this one."""
        self.action_table(self.query_one("#tables", Picker).step(by))

    def action_period(self, by: int) -> None:
        """Take the next period."""
        self.days = PERIODS[(PERIODS.index(self.days) + by) % len(PERIODS)]
        self.action_read()

    def action_k(self, by: int) -> None:
        """Let a row be of more, or of fewer, installations at least."""
        if self.k + by >= LEAST_K:
            self.k += by
            self.action_read()

    def action_sort(self) -> None:
        """Sort by something else."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self._show()

    def action_help(self) -> None:
        """Show all keys."""
        from .help import Help

        self.app.push_screen(Help(self.active_bindings.values()))

    def action_read(self) -> None:
        """Read the store; what was read before stays in sight until then."""
        self._show(keep_position=True, reading=True)
        self._read(self.days, self.k)

    @work(thread=True, exclusive=True, group="read")
    def _read(self, days: int, k: int) -> None:
        found: Report | None = None
        problem = ""
        try:
            found = reports.read(self.path, now=self.clock(), days=days, k=k)
        except CqtelError as error:
            problem = str(error)
        self.app.call_from_thread(self._was_read, (days, k), found, problem)

    def _was_read(self, asked: tuple[int, int], found: Report | None, problem: str) -> None:
        if asked == (self.days, self.k):  # else another answer is on its way
            self.report, self.problem = found, problem
            self._show(keep_position=True)

    # What is shown -------------------------------------------------------------------------------

    def _show(self, *, keep_position: bool = False, reading: bool = False) -> None:
        text = self.query_one("#report-text", Lines)
        width = text.scrollable_content_region.width
        self.query_one("#report-head", Static).update(self._head(reading=reading))
        if width > 0:
            text.show(list(self._text(width, reading=reading)), keep_position=keep_position)

    def _head(self, *, reading: bool) -> Content:
        period = f"{self.days} days"
        found = self.report
        told = ["reading …"]
        if not reading:
            told = ["nothing to tell"]
            if found is not None and found.total is not None:
                total = found.total
                told = [
                    (
                        f"{total.count:,} operations · {total.success_rate:.1%} succeeded · "
                        f"{total.installations:,}+ installations"
                    ),
                    (
                        f"{total.count:,} operations · {total.success_rate:.1%} · "
                        f"{total.installations:,}+ inst."
                    ),
                ]
        name = Content.assemble((" Collector ", "bold reverse"))
        facts = [
            Content.assemble(f" {period} · k = {self.k} · ", (words, "bold")) for words in told
        ]
        path = f" {one_line(str(self.path), 60)} ·"
        heads = [name + path + facts[0], *(name + each for each in facts), facts[-1]]
        fitting = [head for head in heads if head.cell_length <= self.size.width]
        return fitting[0] if fitting else heads[-1]

    def _text(self, width: int, *, reading: bool) -> Iterable[Content]:
        if self.problem:
            yield views.warning(one_line(self.problem, 1000))
            yield Content("")
            yield views.muted("r reloads it, q quits.")
            return
        found = self.report
        if found is None:
            yield views.muted("Reading …" if reading else "")
            return
        if found.total is None:
            yield Content(
                f"Fewer than {found.k} installations reported from {found.since} to {found.until}: "
                "no figures are shown for so few."
            )
            yield Content("")
            yield views.muted("p takes a longer period, r reads the store again.")
            return
        yield views.title(f"{reports.TITLES[self.table]}, {found.since} to {found.until}")
        yield Content("")
        rows = found.tables[self.table]
        if not rows:
            yield views.muted(f"No row here would be of {found.k} installations.")
            return
        if self.table == "days":
            yield from _per_day(found, rows, width)
        yield from _table(self.table, self._sorted(rows), width)
        yield Content("")
        yield views.muted(self._remark(found))

    def _remark(self, found: Report) -> str:
        words = (
            f"Rows cover at least {found.k} installations (k-anonymity), "
            f"counted in multiples of {found.k}."
        )
        if self.table == "providers":
            words += " A provider that nearly everybody has is left out."
        if self.table in reports.TIMED:
            words += " Durations are right within 1 %: ● median, ┼ 95 %, ┤ 99 % are not longer."
        by = self.sort if self.table != "days" or self.sort != SORTS[0] else "day"
        return f"{words} Sorted by {by}."

    def _sorted(self, rows: Sequence[Row]) -> list[Row]:
        sorts = {
            "largest": lambda row: (row.of.count(None), 0 if self.table == "days" else -row.count),
            "name": lambda row: (row.of.count(None), [str(text) for text in row.of]),
            "failures": lambda row: (row.of.count(None), row.success_rate),
            "slowest": lambda row: (row.of.count(None), -(row.p95 or 0.0)),
        }
        return sorted(rows, key=sorts[self.sort])


def _per_day(found: Report, rows: Sequence[Row], width: int) -> Iterable[Content]:
    """Draw a column for each day of the period, from its first one that has any."""
    counts = {row.of[0]: row.count for row in rows if row.of[0] is not None}
    if not counts:
        return
    first = date.fromisoformat(min(map(str, counts)))
    days = (date.fromisoformat(found.until) - first).days + 1
    names = [(first + timedelta(days=at)).isoformat() for at in range(days)]
    label = f"{max(counts.values()):,} "
    drawn = charts.columns(
        [counts.get(name, 0) for name in names], _CHART_LINES, width - len(label) - 1
    )
    for at, line in enumerate(drawn):
        tick = label if at == 0 else "0 ".rjust(len(label)) if at == len(drawn) - 1 else ""
        yield Content.assemble((tick.rjust(len(label)), views.MUTED), (line, "$text-accent"))
    each = len(drawn[0]) // len(names) if len(drawn[0]) >= len(names) else 0
    if each and len(counts) < len(names):
        step = max(map(len, drawn)) / len(names)
        marks = [" "] * max(map(len, drawn))
        for at, name in enumerate(names):
            if name not in counts:
                marks[int(at * step)] = "?"
        yield Content.assemble(" " * len(label), ("".join(marks), views.MUTED))
        words = f"? fewer than {found.k} installations: not shown, and not zero"
        yield Content.assemble(" " * len(label), (words, views.MUTED))
    across = max(map(len, drawn))
    axis = names[0] + names[-1].rjust(across - len(names[0]))
    if across >= len(names[0]) * 2 + 1:
        yield Content.assemble(" " * len(label), (axis, views.MUTED))
    yield Content("")


def _table(name: str, rows: Sequence[Row], width: int) -> Iterable[Content]:
    """Draw a line for each row: words, a bar, numbers; what has no room is left out, bar first."""
    everything = sum(row.count for row in rows)
    words = [_words(row, max(width // 2, width - _MOST_BAR)) for row in rows]
    titles = ["count"]
    numbers = [[f"{row.count:,}"] for row in rows]
    wanted = [
        ("success", [f"{row.success_rate:.1%}" for row in rows]),
        ("p50", [in_words(row.p50) for row in rows]),
        ("p95", [in_words(row.p95) for row in rows]),
        ("p99", [in_words(row.p99) for row in rows]),
        ("inst.", [f"{row.installations:,}+" for row in rows]),
        ("share", [f"{row.count / everything:.1%}" for row in rows]),
    ]
    if name not in reports.TIMED:
        del wanted[1:4]
    word_width = max(map(len, words))
    room = width - word_width - max(len(titles[0]), *(len(line[0]) for line in numbers)) - 2
    for title, cells in wanted:
        needed = max(len(title), *map(len, cells)) + 2
        if needed <= room - _LEAST_BAR - 2 or (needed <= room and name in reports.TIMED):
            room -= needed
            titles.append(title)
            for line, cell in zip(numbers, cells, strict=True):
                line.append(cell)
    draw = partial(_bars, rows)
    if name in reports.TIMED and room >= _SPREAD + 2:
        draw = partial(_spreads, rows)
    drawn = draw(min(_MOST_BAR, room - 2))
    widths = [max(map(len, column)) for column in zip(titles, *numbers, strict=True)]
    bar_width = max(map(len, drawn), default=0)
    yield views.muted(
        " " * word_width
        + "".join(f"  {title:>{wide}}" for title, wide in zip(titles, widths, strict=True))
    )
    for row, word, cells, chart in zip(rows, words, numbers, drawn, strict=True):
        told = "".join(f"  {cell:>{wide}}" for cell, wide in zip(cells, widths, strict=True))
        style = views.MUTED if None in row.of else ""
        yield Content.assemble(
            (f"{word:<{word_width}}", style),
            told,
            "  " if bar_width else "",
            (chart, "$text-accent"),
        )


def _words(row: Row, limit: int) -> str:
    """Say what a row is of; the end of a long name tells more than its beginning."""
    text = printable(" ".join(reports.named(text) for text in row.of))
    return text if len(text) <= limit else f"…{text[1 - limit :]}"


def _bars(rows: Sequence[Row], width: int) -> list[str]:
    most = max(row.count for row in rows)
    if width < _LEAST_BAR:
        return [""] * len(rows)
    return [charts.bar(row.count, most, width) for row in rows]


def _spreads(rows: Sequence[Row], width: int) -> list[str]:
    """Draw the percentiles of all rows on one logarithmic scale."""
    marks = [[mark for mark in (row.p50, row.p95, row.p99) if mark] for row in rows]
    every = [mark for each in marks for mark in each]
    if not every:
        return [""] * len(rows)
    least, most = min(every), max(every)
    return [charts.spread(each, least, most, width) if each else "" for each in marks]
