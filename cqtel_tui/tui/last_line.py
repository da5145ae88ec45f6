"""The last line of defence: no control character that slipped through reaches the terminal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.filter import LineFilter

from ..sanitize import MARKS_PER_LETTER, is_printable

if TYPE_CHECKING:
    from textual.color import Color


class OnlyPrintable(LineFilter):
    """Replace what is left of control, bidi and invisible characters, cell for cell.

    Everything untrusted has gone through `sanitize` before: this is for what was forgotten. A line
    stays as long as the layout took it for.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with printable text of the same width."""
        del background
        return [s if is_printable(s.text) else Segment(_clean(s.text), s.style) for s in segments]


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
