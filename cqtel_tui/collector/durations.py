"""Durations as a report counts them: in buckets so narrow that a percentile is right within 1 %.

The buckets are DDSketch's (Masson, Rim and Lee, VLDB 2019): each is 2 % wider than the one before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GROWTH = 1.02
_LOG_GROWTH = math.log(GROWTH)
_THREE_DIGITS = 100


def bucket(duration: int) -> int:
    """Return the bucket of a duration in nanoseconds: 0 for none, else 1 and up."""
    return 0 if duration <= 0 else 1 + math.ceil(math.log(duration) / _LOG_GROWTH)


def middle(number: int) -> float:
    """Return the duration, in nanoseconds, that stands for all of a bucket: within 1 % of each."""
    return 0.0 if number == 0 else float(2 * GROWTH ** (number - 1) / (GROWTH + 1))


def in_words(seconds: float | None) -> str:
    """Return a duration in three digits, or in all that stand before the point."""
    if seconds is None:
        return ""
    unit = "s" if seconds >= 1 else "ms" if seconds * 1_000 >= 1 else "µs"
    scaled = seconds * {"s": 1, "ms": 1_000, "µs": 1_000_000}[unit]
    return f"{scaled:,.0f} {unit}" if scaled >= _THREE_DIGITS else f"{scaled:.3g} {unit}"


def percentile(buckets: Mapping[int, int], share: float) -> float:
    """Return the duration, in nanoseconds, that `share` (0 to 1) of all are not above.

    Args:
        buckets: how many durations each bucket has; at least one in all.
        share: 0.5 for the median (nearest rank).
    """
    rank = max(1, math.ceil(share * sum(buckets.values())))
    for number in sorted(buckets):
        rank -= buckets[number]
        if rank <= 0:
            return middle(number)
    raise ValueError("there are no durations")
