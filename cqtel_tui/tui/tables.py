"""Draw the tables of a collector's report: numbers and charts, each with its axis and unit."""

from __future__ import annotations

import math
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content

from ..collector import report as reports
from ..collector.durations import in_words
from ..sanitize import printable
from . import charts, views
from .looks import ACCENT, QUIET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..collector.report import Report, ReportRow

_CHART_LINES = 7
_LEAST_BAR = 6
_MOST_BAR = 40
_SPREAD = 24
_LOGARITHMIC = "log scale"


def per_day(report: Report, rows: Sequence[ReportRow], width: int) -> Iterable[Content]:
    """Draw a column for each day of the period, from the first one that has any."""
    counts = {row.of[0]: row.count for row in rows if row.of[0] is not None}
    if not counts:
        return
    first = date.fromisoformat(min(map(str, counts)))
    days = (date.fromisoformat(report.until) - first).days + 1
    names = [(first + timedelta(days=at)).isoformat() for at in range(days)]
    values = [counts.get(name) for name in names]
    room = width - len(f"{sum(counts.values()):,}") - len(" ┤ ")
    together = charts.shared(len(values), room)
    most = math.ceil(max(charts.sums(values, room)))
    drawn = charts.columns(values, _CHART_LINES, room)
    across = max(map(len, drawn))
    unit = "operations per day" if together == 1 else f"operations in {together:,} days"
    ticks = {0: f"{most:,}", len(drawn) - 1: "0"}
    margin = len(ticks[0])
    yield views.muted(f"{'':>{margin}} {unit}")
    for at, line in enumerate(drawn):
        tick = f"{ticks.get(at, ''):>{margin}} {'┤' if at in ticks else '│'} "
        yield Content.assemble((tick, QUIET), (line, ACCENT))
    yield views.muted(f"{'':>{margin}} └{'─' * (across + 1)}")
    axis = names[0] + names[-1].rjust(across - len(names[0]))
    yield views.muted(f"{'':>{margin}}   {axis if across > 2 * len(names[0]) else names[0]}")
    if None in values:
        words = f"{charts.UNTOLD} fewer than {report.k} installations: not told, and not zero"
        yield views.muted(f"{'':>{margin}}   {words}")
    yield Content("")


def table(name: str, rows: Sequence[ReportRow], width: int) -> Iterable[Content]:
    """Draw a line for each row: words, numbers, a bar; what has no room is left out, bar first."""
    words = [_words(row, max(width // 2, width - _MOST_BAR)) for row in rows]
    word_width = max(map(len, words))
    titles, numbers, room = _numbers(name, rows, width - word_width)
    is_spread = name in reports.TIMED and room >= _SPREAD + 2
    draw = partial(_spreads if is_spread else _bars, rows)
    axis, *drawn = draw(min(_MOST_BAR, room - 2))
    widths = [max(map(len, column)) for column in zip(titles, *numbers, strict=True)]
    gap = "  " if any(drawn) else ""
    yield views.muted(
        " " * word_width
        + "".join(f"  {title:>{wide}}" for title, wide in zip(titles, widths, strict=True))
        + f"{gap}{axis}"
    )
    for row, word, cells, chart in zip(rows, words, numbers, drawn, strict=True):
        cells_text = "".join(f"  {cell:>{wide}}" for cell, wide in zip(cells, widths, strict=True))
        style = QUIET if None in row.of else ""
        yield Content.assemble((f"{word:<{word_width}}", style), cells_text, gap, (chart, ACCENT))


def _numbers(
    name: str, rows: Sequence[ReportRow], width: int
) -> tuple[list[str], list[list[str]], int]:
    """Return the titles of the columns that have room, their cells by row, and the room left."""
    everything = sum(row.count for row in rows)
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
    room = width - max(len(titles[0]), *(len(line[0]) for line in numbers)) - 2
    for title, cells in wanted:
        needed = max(len(title), *map(len, cells)) + 2
        if needed <= room - _LEAST_BAR - 2 or (needed <= room and name in reports.TIMED):
            room -= needed
            titles.append(title)
            for line, cell in zip(numbers, cells, strict=True):
                line.append(cell)
    return titles, numbers, room


def _words(row: ReportRow, limit: int) -> str:
    """Say what a row is of; the end of a long name tells more than its beginning."""
    text = printable(" ".join(reports.named(text) for text in row.of))
    return text if len(text) <= limit else f"…{text[1 - limit :]}"


def _bars(rows: Sequence[ReportRow], width: int) -> list[str]:
    """Return the axis of all bars, and a bar for each row."""
    most = max(row.count for row in rows)
    if width < _LEAST_BAR:
        return [""] * (len(rows) + 1)
    return [
        _axis("0", "operations", f"{most:,}", width),
        *(charts.bar(row.count, most, width) for row in rows),
    ]


def _spreads(rows: Sequence[ReportRow], width: int) -> list[str]:
    """Return one logarithmic scale, and on it the percentiles of each row."""
    marks = [[mark for mark in (row.p50, row.p95, row.p99) if mark] for row in rows]
    every = [mark for each in marks for mark in each]
    if not every:
        return [""] * (len(rows) + 1)
    least, most = min(every), max(every)
    axis = _axis(in_words(least), _LOGARITHMIC, in_words(most), width)
    return [axis, *(charts.spread(each, least, most, width) if each else "" for each in marks)]


def _axis(least: str, unit: str, most: str, width: int) -> str:
    """Return the two ends of an axis, with what it is of between them where that has room."""
    between = width - len(least) - len(most)
    if between < 1:
        return ""
    return least + (unit if len(unit) + 2 <= between else "").center(between) + most
