"""What something costs, in units that a machine under load stretches as it stretches the rest."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT_SECONDS = 0.01
"""What a unit takes where nothing else is at work."""


def _unit() -> float:
    began, table = time.process_time(), {}
    for number in range(100_000):
        table[number & 1023] = str(number)
    return time.process_time() - began


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """See that no more processor time is needed than `seconds` of a machine that does nothing else.

    That is told from the time that a fixed piece of work takes right before and after.
    """
    units = [_unit() for _ in range(3)]
    began = time.process_time()
    yield
    needed = time.process_time() - began
    unit = statistics.median([*units, *(_unit() for _ in range(2))])
    stretched = max(1.0, unit / UNIT_SECONDS)
    assert needed / stretched < seconds, (
        f"{needed:.2f} s, on a machine {stretched:.1f} times slower"
    )
