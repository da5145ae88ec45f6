"""The screen of a collector's report: charts of what its store tells of everybody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ...collector import report as reports
from ...errors import CqtelError
from ...sanitize import one_line
from .. import views
from ..tables import per_day, table
from ..widgets.bars import Picker
from ..widgets.keys_bar import KeysBar
from ..widgets.lines import Lines
from .room import too_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from ...collector.clickhouse_asking import DatabasePlace
    from ...collector.report import Report, ReportRow

TABLES = {
    "days": "Day",
    "operations": "Operation",
    "spans": "Part",
    "versions": "Version",
    "providers": "Provider",
    "ci": "CI",
    "countries": "Country",
    "fields": "Field",
}
"""By what each table tells."""

_SHORT = TABLES | {"operations": "Oper."}
PERIODS = (7, 30, 90, 396)
SORTS = ("largest", "name", "failures", "slowest")
LEAST_K = 2


class ReportScreen(ModalScreen[None]):
    """Shows one table of a report at a time, as bars and numbers.

    Args:
        path: the store, or where ClickHouse is.
        is_on_top: whether it lies over another screen, to which one can go back.
    """

    CSS_PATH = "../report.tcss"
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
        Binding("escape", "leave", "Back", id="report.leave", tooltip="Back to where you were"),
        Binding("q,ctrl+c", "app.quit", "Quit", id="report.quit", tooltip="Leave the report"),
    ]  # fmt: skip

    def __init__(self, path: Path | DatabasePlace, *, is_on_top: bool = False) -> None:
        super().__init__()
        self._is_on_top = is_on_top
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the way back where there is none."""
        del parameters
        return self._is_on_top or action != "leave"

    def action_leave(self) -> None:
        """Go back to the screen below."""
        self.dismiss()

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
        told = ["reading…"]
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
            yield views.muted("Reading…" if reading else "")
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
            yield from per_day(found, rows, width)
        yield from table(self.table, self._sorted(rows), width)
        yield Content("")
        yield views.muted(self._remark(found))

    def _remark(self, found: Report) -> str:
        words = (
            f"Rows cover at least {found.k} installations (k-anonymity), "
            f"counted in multiples of {found.k}."
        )
        if self.table == "providers":
            words += " A provider that nearly everybody has is left out."
        if self.table == "fields":
            words += " A field that nearly all installations of its program have is left out."
        if self.table in reports.TIMED:
            words += " Durations are right within 1 %: ● median, ┼ 95 %, ┤ 99 % are not longer."
        by = self.sort if self.table != "days" or self.sort != SORTS[0] else "day"
        return f"{words} Sorted by {by}."

    def _sorted(self, rows: Sequence[ReportRow]) -> list[ReportRow]:
        sorts = {
            "largest": lambda row: (row.of.count(None), 0 if self.table == "days" else -row.count),
            "name": lambda row: (row.of.count(None), [str(text) for text in row.of]),
            "failures": lambda row: (row.of.count(None), row.success_rate),
            "slowest": lambda row: (row.of.count(None), -(row.p95 or 0.0)),
        }
        return sorted(rows, key=sorts[self.sort])
