"""Which envelopes are asked for: by time, program, operation, destination, or any word.

One reader and one test for both faces: the terminal UI's filter and the command line's options.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import CqtelError
from . import FIELDS, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGE = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_MICROSECONDS = 1_000_000
_KEYS = {
    **{field: field for field in ("id", "app", "version", "outcome", "operation")},
    "from": "origin",
    "op": "operation",
    "program": "app",
    "since": "since",
    "to": "to",
}
"""The words before a colon in a filter, and the fields that they mean."""
_SHOWN = tuple(map(FIELDS.index, ("id", "origin", "app", "version", "operation", "outcome")))
_CREATED = FIELDS.index("created")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a filter.

    Attributes:
        field: the field of an envelope's name that it is looked for in; `to` for its destination,
            `since` for when it was sealed; empty for any of those that a list shows.
        value: what is looked for; for `since` microseconds since 1970.
        is_whole: whether the field must be just that.
    """

    field: str
    value: str
    is_whole: bool = False


def since(text: str, now: float) -> int:
    """Return the time that an age (`30m`, `12h`, `7d`, `2w`) or a date (ISO 8601, local) means.

    Args:
        text: the age or date.
        now: seconds since 1970.

    Returns:
        Microseconds since 1970.

    Raises:
        CqtelError: it is neither.
    """
    if match := _AGE.fullmatch(text.strip().lower()):
        return int((now - int(match[1]) * _SECONDS[match[2]]) * _MICROSECONDS)
    try:
        return int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * _MICROSECONDS)
    except (ValueError, OverflowError, OSError):
        raise CqtelError(
            f"{text!r} is no time. Give an age, such as 30m, 12h or 7d, or a date, such as "
            "2026-01-31."
        ) from None


def words_of(text: str, now: float) -> list[Word]:
    """Return the words of a filter as they are typed: an unfinished one matches everything.

    `program:`, `op:`, `to:`, `since:`, `from:`, `id:`, `version:` and `outcome:` look at one field,
    `failed` and `ok` at the outcome, any other word at all that a list shows of an envelope.
    """
    words = []
    for typed in text.lower().split():
        key, separator, value = typed.partition(":")
        if not separator or key not in _KEYS:
            is_outcome = typed in {"failed", "ok"}
            words.append(Word("outcome" if is_outcome else "", typed, is_outcome))
        elif key != "since":
            words.append(Word(_KEYS[key], value))
        else:
            try:
                words.append(Word("since", str(since(value, now))))
            except CqtelError:
                continue  # it is being typed
    return words


def matching(
    names: Sequence[str], words: Sequence[Word], destination: Callable[[str], str]
) -> Sequence[str]:
    """Return the file names that match every word.

    Args:
        names: envelopes' file names.
        words: what is looked for.
        destination: returns where the envelope of that name goes or went; asked last, and only if a
            word is about that.
    """
    kept = names
    for word in words:
        if word.field == "since":
            kept = [name for name in kept if int(_field(name, _CREATED) or 0) >= int(word.value)]
        elif word.field != "to":
            at = (FIELDS.index(word.field),) if word.field else _SHOWN
            kept = [
                n for n in kept if word.value in (lowered := n.lower()) and _has(lowered, at, word)
            ]
    for word in words:
        if word.field == "to":
            kept = [name for name in kept if word.value in destination(name).lower()]
    return kept


def _has(name: str, at: tuple[int, ...], word: Word) -> bool:
    fields = name.removesuffix(SUFFIX).split(",")
    values = [fields[one] for one in at if one < len(fields)]
    if word.is_whole:
        return word.value in values
    return any(word.value in value for value in values)


def _field(name: str, at: int) -> str:
    value = name.split(",", at + 1)[at : at + 1]
    return value[0] if value and value[0].isascii() and value[0].isdigit() else ""
