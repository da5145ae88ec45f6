"""Show what is around a finding with every finding masked."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ..sanitize import printable_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .shapes import Range
    from .weighing import Hit

_AROUND = 24
_MASK = "••••••"
OWN_MASK = "▒▒▒▒▒▒"


class Mask:
    """Everything that was found in a payload, so that none of it is shown beside another."""

    def __init__(self, payload: bytes, hits: Iterable[Hit]) -> None:
        self.payload = payload
        self.ranges: list[Range] = []
        for start, end in sorted((hit.start, hit.end) for hit in hits):
            if self.ranges and start <= self.ranges[-1][1]:
                self.ranges[-1] = (self.ranges[-1][0], max(end, self.ranges[-1][1]))
            else:
                self.ranges.append((start, end))
        self.starts = [start for start, _ in self.ranges]

    def around(self, hit: Hit) -> str:
        """Return what is around a hit in one printable line, the hit itself as ▒▒▒▒▒▒."""
        at = max(0, hit.start - _AROUND)
        last = min(len(self.payload), hit.end + _AROUND)
        pieces = ["…"] if at > 0 else []
        number = max(0, bisect_right(self.starts, at) - 1)
        while number < len(self.ranges) and self.starts[number] < last:
            start, end = self.ranges[number]
            if end > at:
                is_own = start < hit.end and end > hit.start
                pieces += [self._shown(at, start), OWN_MASK if is_own else _MASK]
                at = end
            number += 1
        pieces.append(self._shown(at, last))
        if last < len(self.payload):
            pieces.append("…")
        return "".join(pieces)

    def _shown(self, start: int, end: int) -> str:
        return printable_bytes(self.payload[start : max(start, end)])
