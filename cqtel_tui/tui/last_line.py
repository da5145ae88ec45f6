"""The last line of defence: no control character that slipped through reaches the terminal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.filter import LineFilter

from ..sanitize import MARKS_PER_LETTER, is_printable
from .letters import in_ascii

if TYPE_CHECKING:
    from textual.color import Color


class OnlyPrintable(LineFilter):
    """Replace what is left of control, bidi and invisible characters, cell for cell.

    Everything untrusted has gone through `sanitize` before: this is for what was forgotten. A line
    stays as long as the layout took it for.

    Args:
        only_ascii: whether the terminal has no other letters.
    """

    def __init__(self, *, only_ascii: bool = False) -> None:
        super().__init__()
        self._only_ascii = only_ascii

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with printable text of the same width."""
        del background
        return [
            segment if shown == segment.text else Segment(shown, segment.style)
            for segment in segments
            for shown in (self._shown(segment.text),)
        ]

    def _shown(self, text: str) -> str:
        clean = text if is_printable(text) else _clean(text)
        if not self._only_ascii or clean.isascii():
            return clean
        return set_cell_size(in_ascii(clean), cell_len(clean))


def _clean(text: str) -> str:
    clean = []
    marks = MARKS_PER_LETTER  # no letter yet that one could stand on
    for character in text:
        is_mark = unicodedata.category(character).startswith("M")
        if is_mark and marks < MARKS_PER_LETTER and is_printable(f"a{character}"):
            marks += 1
            clean.append(character)
        elif not is_mark and is_printable(character):
            marks = 0
            clean.append(character)
        else:
            marks = MARKS_PER_LETTER
            clean.append("\N{REPLACEMENT CHARACTER}" * cell_len(character))
    return set_cell_size("".join(clean), cell_len(text))
