"""Weigh what a leak check finds: what another finding already says is left out."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from .needles import DIRECTORY, HOME, HOST, OF_THIS_MACHINE, SECRET, USER
from .shapes import ADDRESS, ASSIGNMENT, EMAIL, MAC, PERSONAL_PATH, TOKEN, URL

if TYPE_CHECKING:
    from collections.abc import Iterable


class Hit(NamedTuple):
    """One place in the payload where something was found; `value` tells one thing from another."""

    start: int
    end: int
    kind: str
    what: str
    value: bytes
    disguise: str

    @property
    def is_own(self) -> bool:
        """Whether it is an address that this machine has."""
        return self.what.endswith(OF_THIS_MACHINE)


STRONGER = {
    TOKEN: {SECRET},
    URL: {SECRET},
    ASSIGNMENT: {SECRET, TOKEN, URL},
    EMAIL: {SECRET, URL},
    PERSONAL_PATH: {HOME, DIRECTORY},
    ADDRESS: {SECRET, TOKEN},
    MAC: {SECRET, TOKEN},
    HOST: {SECRET, TOKEN, URL, EMAIL},
    USER: {SECRET, TOKEN, URL, EMAIL, HOME, DIRECTORY, PERSONAL_PATH, HOST},
}
"""Kinds that say more: a hit of a kind is left out where it overlaps with one of these."""


def without_weaker(hits: Iterable[Hit]) -> list[Hit]:
    """Return the hits in order, each thing once for each place, and without the weaker ones."""
    kept: list[Hit] = []
    reached: dict[tuple[str, str], int] = {}
    for hit in sorted(hits, key=lambda hit: (hit.start, len(hit.disguise), -hit.end)):
        # The same thing again: seen in another view, or by another of its forms.
        same = hit.kind, hit.what
        if hit.start >= reached.get(same, 0):
            kept.append(hit)
        reached[same] = max(hit.end, reached.get(same, 0))
    own = Ranges(hit for hit in kept if hit.is_own)
    stronger = {
        kind: Ranges(hit for hit in kept if hit.kind in kinds) for kind, kinds in STRONGER.items()
    }
    return [
        hit
        for hit in kept
        if not (hit.kind in stronger and stronger[hit.kind].overlap(hit))
        and not (hit.kind in {ADDRESS, MAC} and not hit.is_own and own.overlap(hit))
    ]


class Ranges:
    """Where some hits are, to be asked whether another one overlaps with any of them."""

    def __init__(self, hits: Iterable[Hit]) -> None:
        ranges = sorted((hit.start, hit.end) for hit in hits)
        self.starts = [start for start, _ in ranges]
        self.furthest = list(accumulate((end for _, end in ranges), max))

    def overlap(self, hit: Hit) -> bool:
        """Tell whether a hit overlaps with any of them."""
        number = bisect_right(self.starts, hit.end - 1) - 1
        return number >= 0 and self.furthest[number] > hit.start
