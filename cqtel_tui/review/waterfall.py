"""Lay spans out over a time axis, as rows of bars in character cells: integers and no drawing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..formats.spans import Trace
from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..formats.spans import TraceSpan

MAX_WIDTH = 10_000
MAX_NAME = 80
EIGHTHS = "▏▎▍▌▋▊▉█"

ORPHAN = "its parent is not in this payload"
CYCLE = "it is its own parent"
TWIN = "another span has the same ID"
UNTIMED = "its times are unknown"
UNENDED = "its end is unknown"
BACKWARDS = "it ends before it starts"

_CELLS_PER_TICK = 12
_UNITS = (
    ("ns", 1),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
)
_MINUTE = 60_000_000_000
_HOUR = 60 * _MINUTE
_STEPS = (
    *(count * 10**power for power in range(9) for count in (1, 2, 5)),
    *(count * 10**9 for count in (1, 2, 5, 10, 15, 30)),
    *(count * _MINUTE for count in (1, 2, 5, 10, 15, 30)),
    *(count * _HOUR for count in (1, 2, 3, 6, 12)),
    *(count * 10**power * 24 * _HOUR for power in range(6) for count in (1, 2, 5)),
)
"""Round durations: the distances between ticks."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One span, as a row.

    Attributes:
        name: its name, printable and bounded.
        depth: how many spans of this payload it is inside of.
        start: nanoseconds from the beginning of the axis; 0 where not known.
        duration: nanoseconds; 0 where not known.
        failed: whether it ended in an error.
        left: the first cell that its bar takes.
        length: how many cells its bar takes, the last one perhaps in part; 0 where its start is
            not known, so that there is nothing to draw.
        eighths: how much of its last cell it takes, 1 to 8; 0 where there is nothing to draw.
        problem: what is odd about it, in words; empty if nothing is.
        number: which span of the payload it is, from 0.
    """

    name: str
    depth: int
    start: int
    duration: int
    failed: bool
    left: int
    length: int
    eighths: int
    problem: str
    number: int = field(default=0, compare=False)

    @property
    def blocks(self) -> str:
        """The bar as block characters, to be drawn from its first cell on."""
        return "█" * (self.length - 1) + EIGHTHS[self.eighths - 1] if self.length else ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis: the cell it is at, nanoseconds from the beginning, and its label."""

    cell: int
    offset: int
    label: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Spans over a time axis.

    Attributes:
        bars: each span once: parents before their children, and these by their start.
        ticks: marks at round times, from 0 on, whose labels do not touch.
        duration: nanoseconds from the first start to the last end.
        width: the cells of the axis.
    """

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    duration: int
    width: int


def waterfall(traces: Trace | Sequence[Trace], width: int) -> Waterfall:
    """Lay out the spans of one trace, or of all traces of a payload, over so many cells."""
    width = max(1, min(width, MAX_WIDTH))
    together = [traces] if isinstance(traces, Trace) else traces
    spans = [span for trace in together for span in trace.spans]
    starts = [span.start_unix_nano for span in spans if span.start_unix_nano > 0]
    first = min(starts, default=0)
    last = max((_end(span) for span in spans if span.start_unix_nano > 0), default=0)
    axis = _Axis(first, last - first, width)
    bars = tuple(
        replace(axis.bar(spans[number], depth, problem), number=number)
        for number, depth, problem in _Tree(spans).in_order()
    )
    return Waterfall(bars, tuple(axis.ticks()), axis.duration, width)


def _end(span: TraceSpan) -> int:
    return max(span.start_unix_nano, span.end_unix_nano)


# Nesting ------------------------------------------------------------------------------------------


class _Tree:
    """Spans by what they are inside of.

    Attributes:
        spans: all of them.
        parents: the number of the span that each one is directly inside of, or None.
        problems: what is odd about the place of some.
    """

    def __init__(self, spans: Sequence[TraceSpan]) -> None:
        self.spans = spans
        self.parents: list[int | None] = []
        self.problems: dict[int, str] = {}
        by_id: dict[tuple[str, str], int] = {}
        for number, span in enumerate(spans):
            if span.span_id and by_id.setdefault((span.trace_id, span.span_id), number) != number:
                self.problems[number] = TWIN
        for number, span in enumerate(spans):
            parent = None
            if span.parent_span_id is not None:
                parent = by_id.get((span.trace_id, span.parent_span_id))
                if parent is None:
                    self.problems[number] = ORPHAN
            self.parents.append(parent)
        self._cut_cycles()

    def when(self, number: int) -> tuple[bool, int, int]:
        """Order by start; one that is not known comes after those that are."""
        start = self.spans[number].start_unix_nano
        return start <= 0, start, number

    def _cut_cycles(self) -> None:
        """Take the earliest span of each cycle out of what it is inside of."""
        walks = [0] * len(self.spans)  # which walk reached each span, from 1; 0 for none
        for walk, begin in enumerate(range(len(self.spans)), 1):
            number: int | None = begin
            while number is not None and not walks[number]:
                walks[number] = walk
                number = self.parents[number]
            if number is None or walks[number] != walk:
                continue
            cycle = [number]
            while (above := self.parents[cycle[-1]]) is not None and above != number:
                cycle.append(above)
            earliest = min(cycle, key=self.when)
            self.parents[earliest] = None
            self.problems[earliest] = CYCLE

    def in_order(self) -> Iterator[tuple[int, int, str]]:
        """Give each span's number once, parents first, with its depth and what is odd about it."""
        inside: defaultdict[int | None, list[int]] = defaultdict(list)
        for number in sorted(range(len(self.spans)), key=self.when, reverse=True):
            inside[self.parents[number]].append(number)
        waiting = [(number, 0) for number in inside[None]]
        while waiting:
            number, depth = waiting.pop()
            yield number, depth, self.problems.get(number, "")
            waiting += [(child, depth + 1) for child in inside[number]]


# The axis -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axis:
    """A time axis: when it begins (ns since 1970), how long it is, and how many cells it has."""

    first: int
    duration: int
    width: int

    def bar(self, span: TraceSpan, depth: int, problem: str) -> Bar:
        name = printable(span.name, limit=MAX_NAME)
        failed = span.status_code == "error"
        if span.start_unix_nano <= 0:
            return Bar(name, depth, 0, 0, failed, 0, 0, 0, problem or UNTIMED)
        if span.end_unix_nano <= 0:
            problem = problem or UNENDED
        elif span.end_unix_nano < span.start_unix_nano:
            problem = problem or BACKWARDS
        start = span.start_unix_nano - self.first
        end = _end(span) - self.first
        total = max(1, self.duration)
        # In eighths of a cell: rounded down where it starts, and up where it ends.
        left = min(start * self.width // total, self.width - 1)
        stop = -(-end * self.width * 8 // total)
        stop = max(stop, 8 * left + 1)
        length = -(-stop // 8) - left
        eighths = (stop - 1) % 8 + 1
        return Bar(name, depth, start, end - start, failed, left, length, eighths, problem)

    def ticks(self) -> Iterator[Tick]:
        """Give marks at round times, as many as there is room for."""
        yield Tick(0, 0, "0")
        least = min(_CELLS_PER_TICK, self.width // 3)
        for step in _STEPS:
            widest = len(self._label(self.duration // step * step, step)) + 2
            if step * self.width >= max(widest, least) * self.duration:
                break
        else:
            return
        for offset in range(step, self.duration + 1, step):
            cell = min(offset * self.width // self.duration, self.width - 1)
            label = self._label(offset, step)
            if cell + len(label) <= self.width:
                yield Tick(cell, offset, label)

    def _label(self, offset: int, step: int) -> str:
        """Return a time in the one unit of this axis: `0.5 s`, `20 min`."""
        least = step if step >= _MINUTE else min(self.duration, _MINUTE - 1)
        unit, nanoseconds = next((u, ns) for u, ns in reversed(_UNITS) if ns <= max(1, least))
        units, rest = divmod(offset, nanoseconds)
        decimals = 0
        while step * 10**decimals % nanoseconds:
            decimals += 1
        fraction = f".{rest * 10**decimals // nanoseconds:0{decimals}d}" if decimals else ""
        return f"{units:,}{fraction} {unit}"
