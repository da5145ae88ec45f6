"""Put what one run left together in a list, and count what came on which day."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..outbox.envelope import identity_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

DAYS = 14
_UP = "▁▂▃▄▅▆▇█"
_CREATED_DIGITS = 16
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Branch:
    """Where an envelope stands among those of its run.

    Attributes:
        run: the run's name.
        sign: what is drawn before it: nothing for the first one, a branch for the others.
        number: how many there are in the run; 0 but for the first one.
        is_folded: whether the others are not shown.
    """

    run: str
    sign: str = ""
    number: int = 0
    is_folded: bool = False


def grouped(
    names: Sequence[str], runs: Mapping[str, str], heads: Collection[str], folded: Collection[str]
) -> tuple[Sequence[str], dict[str, Branch]]:
    """Return the file names with those of one run together, and where each of them stands.

    A run stands where its newest payload stood: its operation first, the others by their time.

    Args:
        names: the newest first.
        runs: for the id of each payload of a run that run's name.
        heads: the ids of operations.
        folded: the runs of which only the first one is shown.
    """
    members: dict[str, list[str]] = {}
    run_of_name: dict[str, str] = {}
    for name in names if runs else ():
        run = runs.get(identity_of(name))
        if run is not None:
            members.setdefault(run, []).append(name)
            run_of_name[name] = run
    if all(len(each) < 2 for each in members.values()):  # noqa: PLR2004  # there is nothing to group
        return names, {}
    shown: list[str] = []
    branches: dict[str, Branch] = {}
    for name in names:
        run = run_of_name.get(name)
        if run is None:
            shown.append(name)
        elif run in members:
            ordered = sorted(members.pop(run), key=lambda one: (identity_of(one) not in heads, one))
            first, *others = ordered
            is_folded = run in folded
            number = len(ordered) if others else 0
            branches[first] = Branch(run, "", number, is_folded)
            shown.append(first)
            if not is_folded:
                shown += others
                for other in others:
                    branches[other] = Branch(run, "├ " if other != others[-1] else "└ ")
    return shown, branches


def per_day(names: Sequence[str], now: float, days: int = DAYS) -> list[int]:
    """Return how many came on each of the last days, the oldest first; a day is this place's.

    Args:
        names: file names, the newest first.
        now: seconds since 1970.
        days: how many.
    """
    year, month, day, *_ = time.localtime(now)
    borders = [
        int(time.mktime((year, month, day + 1 - back, 0, 0, 0, 0, 0, -1))) * _MICROSECONDS
        for back in range(days + 1)
    ]
    at = [bisect_right(names, -border, key=lambda name: -_created(name)) for border in borders]
    return [older - newer for newer, older in pairwise(at)][::-1]


def histogram(counts: Sequence[int]) -> str:
    """Return a small column for each count; a point for nothing."""
    most = max(counts, default=0)
    if not most:
        return ""
    steps = len(_UP) - 1
    return "".join(_UP[round((count - 1) / most * steps)] if count else "·" for count in counts)


def _created(name: str) -> int:
    digits = name[:_CREATED_DIGITS]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
