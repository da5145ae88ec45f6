"""What a row of a list says: how wide each column is, and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from ...outbox import field_of
from ...review.durations import duration
from ...sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...outbox.envelope import Label

_SIZE, _SIZES, _PROGRAM = 10, 20, 18
_LEAST_TO, _USUAL_TO, _MOST_TO = 10, 14, 32


@dataclass(frozen=True, slots=True)
class Going:
    """What would be sent of an envelope, and where to.

    Attributes:
        to: the destination in a few words.
        sent: how many bytes would be sent; None where that cannot be read.
        captured: how many were captured to make them; 0 for what was recorded here.
    """

    to: str
    sent: int | None
    captured: int


@dataclass
class Narrowed(Message):
    """The list is to be narrowed.

    Attributes:
        text: the filter.
        done: whether it is complete, so that the list may have the focus again.
    """

    text: str
    done: bool


def took(label: Label) -> str:
    """Return how long it took, if that is known: an intercepted event may not say."""
    if label.origin == "gate" and not label.duration:
        return "-"
    return duration(label.duration * 1_000_000)


@dataclass(frozen=True, slots=True)
class _Cells:
    """How wide the columns are that not every list has room for; 0 for one that is left out."""

    to: int
    size: int = 0
    program: int = 0


def more_cells(room: int) -> _Cells:
    """Return how the room is shared out: where it would go before all else."""
    left = room - 2
    if left < _LEAST_TO:
        return _Cells(0)
    if left < _USUAL_TO + _SIZE:
        return _Cells(min(left, _MOST_TO))
    if left < _USUAL_TO + _SIZES:
        return _Cells(min(left - _SIZE, _MOST_TO), _SIZE)
    if left < _USUAL_TO + _SIZES + 2 + _PROGRAM:
        return _Cells(min(left - _SIZES, _MOST_TO), _SIZES)
    return _Cells(min(left - _SIZES - 2 - _PROGRAM, _MOST_TO), _SIZES, _PROGRAM)


def more(label: Label, going: Going, room: int) -> list[tuple[str, str]]:
    """Return as much of the rest as there is room for; of what was tried, how often."""
    cells = more_cells(room)
    parts = []
    if cells.to:
        parts.append((f"  {cut(going.to, cells.to):<{cells.to}}", ""))
    if cells.size:
        sent = "?" if going.sent is None else f"{going.sent:,}"
        if going.captured and cells.size == _SIZES:
            sent += f" of {going.captured:,}"
        parts.append((f"{cut(sent, cells.size - 2) + ' B':>{cells.size}}", "dim"))
    if cells.program and label.attempt:
        tried = "tried once" if label.attempt == 1 else f"tried {label.attempt:,} times"
        parts.append((f"  {cut(tried, cells.program):<{cells.program}}", "tried"))
    elif cells.program:
        program = one_line(f"{label.app} {label.version}".strip(), 60)
        parts.append((f"  {cut(program, cells.program):<{cells.program}}", ""))
    return parts


def cut(text: str, limit: int) -> str:
    """Return a text that fits; what is cut ends in an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def number(name: str, field: str) -> int:
    """Return a number in a file name; 0 if there is none."""
    value = field_of(name, field)
    return int(value) if value.isascii() and value.isdigit() else 0


SORT_KEYS: dict[str, Callable[[str], Any]] = {
    "operation": lambda name: field_of(name, "operation"),
    "duration": lambda name: number(name, "duration"),
}
SORTS = ("time", "operation", "size", "duration")
