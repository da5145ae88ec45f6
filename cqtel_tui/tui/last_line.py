"""The last line of defence: no control character that slipped through reaches the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.filter import LineFilter

from ..sanitize import printable

if TYPE_CHECKING:
    from textual.color import Color


class OnlyPrintable(LineFilter):
    """Make what is left of control, bidi and invisible characters visible, cell for cell.

    Everything untrusted has gone through `sanitize` before: this is for what was forgotten.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with printable text of the same width."""
        del background
        return [
            segment if segment.text.isascii() and segment.text.isprintable() else _clean(segment)
            for segment in segments
        ]


def _clean(segment: Segment) -> Segment:
    text, style, _ = segment
    clean = "".join(
        character if printable(character) == character else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
    return Segment(clean, style)
