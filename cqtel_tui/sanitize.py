r"""Turn untrusted text into text that a terminal can only print.

A payload may hold anything: escape sequences that write the clipboard or the window's title, bidi
overrides that show one thing and send another, letters that nobody can see. Nothing is removed,
for then what is shown would not be what is sent; it is made visible instead:

- C0 controls and DEL as Unicode's control pictures: ESC is `␛`, a newline `␊`, a tab `␉`;
- everything else that is not plainly visible as its code point: `\u{202e}`, `\u{9b}`, `\u{feff}`;
- bytes that are not UTF-8 as `\xff`.

"Not plainly visible" is what `str.isprintable` refuses (Unicode categories Cc, Cf, Cs, Co, Cn, Zl,
Zp, and Zs but for the space itself), the letters and marks that have no ink, and the combining
marks beyond those a written language stacks. Variation selectors and joiners are among them: they
can carry hidden text behind one emoji, and terminals disagree about their width. The price is that
a composed emoji is shown in its parts.

A text that spells such an escape out looks the same as the escape: the raw bytes tell them apart.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache

__all__ = ["is_printable", "one_line", "printable", "printable_bytes"]

MARKS_PER_LETTER = 4
"""Combining marks kept on one letter: Vietnamese needs 2, pointed Hebrew and Hindi 3 or 4."""

_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_CONTROL_PICTURES_BUT_NEWLINE = {
    code: picture for code, picture in _CONTROL_PICTURES.items() if code != ord("\n")
}

# Printable by category, yet without any ink: fillers, blanks and variation selectors (most of
# Unicode's Default_Ignorable_Code_Point that is not already Cf or Cn, and two blank symbols).
_WITHOUT_INK = frozenset(
    map(
        chr,
        (
            0x034F,  # combining grapheme joiner
            0x115F,  # Hangul choseong filler
            0x1160,  # Hangul jungseong filler
            0x17B4,  # Khmer inherent vowels
            0x17B5,
            *range(0x180B, 0x1810),  # Mongolian variation selectors
            0x2800,  # Braille pattern blank
            0x3164,  # Hangul filler
            *range(0xFE00, 0xFE10),  # variation selectors
            0xFFA0,  # halfwidth Hangul filler
            0x1D159,  # musical symbol null notehead
            *range(0xE0100, 0xE01F0),  # variation selectors supplement
        ),
    )
)

_BEYOND_ASCII_PRINTABLE = re.compile(r"[^ -~]+")


def printable(text: str, *, limit: int | None = None, newlines: bool = False) -> str:
    r"""Make all that a terminal could act on, or a reader could miss, visible.

    The result is stable: `printable` of it changes nothing (but for a limit). Markup is text like
    any other and passes as it is.

    Args:
        text: Anything, lone surrogates included.
        limit: The most characters the result may have, its ellipsis included. What is left out is
            counted in characters of `text`: `abc…(1,234 more)`; where half the limit has no room
            for that, a bare `…`. No escape is cut in two.
        newlines: Keep `\n` as it is, for a view of several lines. Tabs and `\r` are shown as `␉`
            and `␍` all the same.
    """
    if limit is None:
        return _visible(text, newlines=newlines)
    # Each character gives at least one, so the rest cannot be wanted: a long text costs its limit.
    shown = _visible(text[: max(limit, 0)], newlines=newlines)
    if len(text) <= limit and len(shown) <= limit:
        return shown
    return _cut(text, limit, newlines=newlines)


def printable_bytes(data: bytes, *, limit: int | None = None, newlines: bool = False) -> str:
    r"""Make bytes visible: as UTF-8 where they are, as `\xff` where they are not.

    Args:
        data: Anything.
        limit: As for `printable`, in characters of the decoded text.
        newlines: As for `printable`.
    """
    text = data.decode("utf-8", errors="backslashreplace")
    return printable(text, limit=limit, newlines=newlines)


def one_line(text: str, limit: int) -> str:
    """Make text fit a row of a list, or a title: one line of at most `limit` characters."""
    return printable(text, limit=limit)


def is_printable(text: str) -> bool:
    """Tell whether `printable` would leave this text as it is (as one line)."""
    if text.isascii():
        return text.isprintable()
    return _visible(text, newlines=False) == text


def _visible(text: str, *, newlines: bool) -> str:
    if text.isascii():
        if text.isprintable():
            return text
        return text.translate(_CONTROL_PICTURES_BUT_NEWLINE if newlines else _CONTROL_PICTURES)

    def replace(run: re.Match[str]) -> str:
        return _visible_run(run[0], after_letter=run.start() > 0, newlines=newlines)

    return _BEYOND_ASCII_PRINTABLE.sub(replace, text)


def _visible_run(run: str, *, after_letter: bool, newlines: bool) -> str:
    # A mark with no letter before it would sit on whatever the screen has there (a border, the
    # escape we have just written), so there it counts as one too many.
    marks = 0 if after_letter else MARKS_PER_LETTER
    pieces = []
    for character in run:
        is_mark, escape = _seen_as(character)
        if newlines and character == "\n":
            marks, escape = MARKS_PER_LETTER, character
        elif escape != character:
            marks = MARKS_PER_LETTER
        elif not is_mark:
            marks = 0
        elif marks < MARKS_PER_LETTER:
            marks += 1
        else:
            escape = _code_point(character)
        pieces.append(escape)
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _seen_as(character: str) -> tuple[bool, str]:
    """Tell whether it is a combining mark, and how it is shown when it is not one too many."""
    picture = _CONTROL_PICTURES.get(ord(character))
    if picture is not None:
        return False, picture
    if not character.isprintable() or character in _WITHOUT_INK:
        return False, _code_point(character)
    return unicodedata.category(character).startswith("M"), character


def _code_point(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def _cut(text: str, limit: int, *, newlines: bool) -> str:
    if limit < 1:
        return ""
    telling = len(_ellipsis(len(text)))
    tells = telling <= limit // 2
    room = limit - (telling if tells else 1)

    def shown_length(kept: int) -> int:
        return len(_visible(text[:kept], newlines=newlines))

    # What is shown of a prefix is a prefix of what is shown, so its length only grows.
    kept = bisect_right(range(room + 1), room, key=shown_length) - 1
    shown = _visible(text[:kept], newlines=newlines)
    return shown + (_ellipsis(len(text) - kept) if tells else "…")


def _ellipsis(left_out: int) -> str:
    return f"…({left_out:,} more)"
