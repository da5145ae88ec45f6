"""Bars, columns and spreads, drawn in block characters: what they show is also told in numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACROSS = "▏▎▍▌▋▊▉█"
_UP = "▁▂▃▄▅▆▇█"
_EIGHTHS = 8
UNTOLD = "░"
"""What stands for a value that is not told."""


def bar(value: float, most: float, width: int) -> str:
    """Return a bar for a value, `width` cells long for the greatest; never nothing for some."""
    if most <= 0 or value <= 0 or width <= 0:
        return ""
    eighths = max(1, min(width * _EIGHTHS, round(value / most * width * _EIGHTHS)))
    full, rest = divmod(eighths, _EIGHTHS)
    return "█" * full + (_ACROSS[rest - 1] if rest else "")


def shared(number: int, width: int) -> int:
    """Return how many neighbours share a column, where `number` values have `width` cells."""
    return max(1, math.ceil(number / max(1, width)))


def sums(values: Sequence[float | None], width: int) -> list[float]:
    """Return what each column stands for: neighbours added up where they share one."""
    together = shared(len(values), width)
    return [
        sum(value or 0 for value in values[at : at + together])
        for at in range(0, len(values), together)
    ]


def columns(values: Sequence[float | None], height: int, width: int) -> list[str]:
    """Return columns side by side, as lines from top to bottom.

    Args:
        values: one for each column; if there are more than `width`, neighbours are added up. What
            is not told is None, and looks like nothing that is told: shaded, as high as the chart.
        height: lines.
        width: cells; what cannot be shared out evenly stays free.
    """
    if not values or width <= 0:
        return []
    together = shared(len(values), width)
    added = sums(values, width)
    is_told = [
        any(value is not None for value in values[at : at + together])
        for at in range(0, len(values), together)
    ]
    is_whole = [
        all(value is not None for value in values[at : at + together])
        for at in range(0, len(values), together)
    ]
    most = max(added)
    each = max(1, width // len(added))
    wide = max(1, each - 1) if each > 1 else 1
    gap = " " if each > 1 else ""
    eighths = [
        0 if value <= 0 else max(1, round(value / most * height * _EIGHTHS)) for value in added
    ]
    lines = []
    for line in range(height - 1, -1, -1):
        cells = []
        for count, told, whole in zip(eighths, is_told, is_whole, strict=True):
            part = min(_EIGHTHS, max(0, count - line * _EIGHTHS))
            above = UNTOLD if not told or (not whole and line == height - 1) else " "
            cells.append((_UP[part - 1] if part else above) * wide)
        lines.append(gap.join(cells))
    return lines


def spread(marks: Sequence[float], least: float, most: float, width: int) -> str:
    """Return where some ascending values lie between two others, by their logarithm.

    The first is marked ●, the last ┤, those between ┼: `  ●───┼─┤   `.
    """
    if width <= 0 or least <= 0 or most <= least:
        return " " * max(0, width)
    over = math.log(most / least)
    at = [round(math.log(max(mark, least) / least) / over * (width - 1)) for mark in marks]
    cells = [" "] * width
    for cell in range(at[0], at[-1] + 1):
        cells[cell] = "─"
    for cell in at[1:-1]:
        cells[cell] = "┼"
    cells[at[-1]] = "┤"
    cells[at[0]] = "●"
    return "".join(cells)
