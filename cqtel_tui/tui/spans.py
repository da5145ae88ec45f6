"""The trace of a payload: which part took how long, inside of which, and what each part tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from ..actions.results import number
from ..formats.otlp_traces import read_otlp
from ..formats.strict_json import UnreadableError, parse
from ..review.critical import critical, duration_words, parents
from ..review.durations import duration
from ..review.waterfall import waterfall
from ..sanitize import one_line
from . import views
from .looks import ACCENT, HEADING, QUIET, WRONG
from .page import Page

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..outbox.envelope import Envelope
    from ..review.explain import FieldRow
    from ..review.waterfall import Bar, Waterfall

_NAME_CELLS = 24
_DURATION_CELLS = 14
_CRITICAL = "◆"


def trace_page(
    envelope: Envelope, rows: Sequence[FieldRow], width: int, selected: int, folded: Collection[int]
) -> Page:
    """Return the spans over a time axis, and all about the one that is selected.

    Args:
        envelope: its envelope.
        rows: its fields, explained.
        width: cells.
        selected: which of the spans that are shown is selected.
        folded: the bars whose parts are not shown.
    """
    try:
        traces = read_otlp(parse(views.as_json(envelope)))
    except UnreadableError as error:
        return Page([views.warning(str(error))])
    axis = max(10, width - _NAME_CELLS - _DURATION_CELLS - 2)
    laid_out = waterfall(traces, axis)
    if not laid_out.bars:
        return Page([views.muted("There are no spans in this payload.")])
    bars, on_path = laid_out.bars, critical(laid_out.bars)
    lines = [_axis(laid_out, axis)]
    stops: list[int] = []
    shown = _shown(bars, folded)
    for at in shown:
        is_selected = len(stops) == selected
        stops.append(len(lines))
        sign = "▸" if is_selected else " "
        lines.append(_line(bars[at], sign, is_critical=at in on_path, is_folded=at in folded))
        if bars[at].problem:
            lines.append(Content(f"    !! {bars[at].problem}").stylize(WRONG))
        if is_selected:
            lines += _fields(bars, at, rows)
    spans = number(len(bars), "span")
    words = f"{spans}, {duration(laid_out.duration)} · {_CRITICAL} critical path · z folds"
    lines += [Content(""), views.muted(words)]
    lines += [
        views.warning(problem)
        for each in traces
        for problem in (*each.problems, *(p for span in each.spans for p in span.problems))
    ]
    return Page(lines, stops, shown)


def _axis(laid_out: Waterfall, axis: int) -> Content:
    marks = [" "] * axis
    for tick in laid_out.ticks:
        marks[tick.cell : tick.cell + len(tick.label)] = tick.label
    return views.muted(" " * (_NAME_CELLS + _DURATION_CELLS + 2) + "".join(marks)[:axis])


def _shown(bars: Sequence[Bar], folded: Collection[int]) -> list[int]:
    """Return the bars that are inside of none that is folded."""
    shown: list[int] = []
    hidden: set[int] = set()
    for at, parent in enumerate(parents(bars)):
        if parent is not None and (parent in folded or parent in hidden):
            hidden.add(at)
        else:
            shown.append(at)
    return shown


def _line(bar: Bar, sign: str, *, is_critical: bool, is_folded: bool) -> Content:
    folded = "+" if is_folded else ""
    name = one_line("  " * min(bar.depth, 6) + folded + bar.name, _NAME_CELLS - 1)
    failed = f"{views.CROSS} " if bar.failed else "  "
    return Content.assemble(
        (sign, HEADING),
        (_CRITICAL if is_critical else " ", ACCENT),
        (f"{name:<{_NAME_CELLS}}", "bold" if bar.depth == 0 or sign.strip() else ""),
        (f"{duration(bar.duration):>{_DURATION_CELLS - 3}} ", QUIET),
        (failed, WRONG),
        (" " * bar.left + bar.blocks, WRONG if bar.failed else ACCENT),
    )


def _fields(bars: Sequence[Bar], at: int, rows: Sequence[FieldRow]) -> list[Content]:
    """Return what a span tells: how long it took, in words, and its fields."""
    own = f"span {bars[at].number + 1}:"
    return [
        Content(f"     {duration_words(bars, at)}"),
        *(
            Content.assemble((f"     {row.key}  ", QUIET), one_line(row.value, 200))
            for row in rows
            if row.group.startswith(own) and row.key != "name"
        ),
    ]
