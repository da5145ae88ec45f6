"""Say which parts of an operation its duration comes from, and how much each took, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .durations import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .waterfall import Bar

_NEARLY_ALL = 0.995


def parents(bars: Sequence[Bar]) -> list[int | None]:
    """Return for each bar the number of its parent; None without one."""
    numbers: list[int | None] = []
    path: list[int] = []
    for at, bar in enumerate(bars):
        del path[bar.depth :]
        numbers.append(path[-1] if path else None)
        path.append(at)
    return numbers


def critical(bars: Sequence[Bar]) -> frozenset[int]:
    """Return the bars on the critical path: from each one on to that part of it that ended last.

    Only a faster bar on this path could have made the whole faster.
    """
    inside: dict[int | None, list[int]] = {}
    for at, parent in enumerate(parents(bars)):
        inside.setdefault(parent, []).append(at)
    path = []
    parts = inside.get(None, [])
    while parts:
        last = max(parts, key=lambda at: (bars[at].start + bars[at].duration, -at))
        path.append(last)
        parts = inside.get(last, [])
    return frozenset(path)


def duration_words(bars: Sequence[Bar], at: int) -> str:
    """Say how long a part took, and what share of its parent that is."""
    bar = bars[at]
    took = duration(bar.duration)
    parent = parents(bars)[at]
    if parent is None or not bars[parent].duration:
        return f"{bar.name} took {took} in all."
    parent_bar = bars[parent]
    share = bar.duration / parent_bar.duration
    words = "all" if share >= _NEARLY_ALL else f"{share:.0%}"
    return f"{bar.name} took {took}: {words} of {parent_bar.name}."
